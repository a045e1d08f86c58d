// The 52 ARKit expressions in groups, the head pose, and a few presets.

export const GROUPS = [
  ["Head", ["yaw", "pitch", "roll", "x", "y", "size"]],
  ["Jaw", ["jawOpen", "jawForward", "jawLeft", "jawRight"]],
  ["Mouth", ["mouthSmileLeft", "mouthSmileRight", "mouthFrownLeft", "mouthFrownRight", "mouthPucker", "mouthFunnel",
    "mouthStretchLeft", "mouthStretchRight", "mouthLeft", "mouthRight", "mouthDimpleLeft", "mouthDimpleRight"]],
  ["Lips", ["mouthClose", "mouthUpperUpLeft", "mouthUpperUpRight", "mouthLowerDownLeft", "mouthLowerDownRight",
    "mouthPressLeft", "mouthPressRight", "mouthRollUpper", "mouthRollLower", "mouthShrugUpper", "mouthShrugLower", "tongueOut"]],
  ["Eyelids", ["eyeBlinkLeft", "eyeBlinkRight", "eyeWideLeft", "eyeWideRight", "eyeSquintLeft", "eyeSquintRight"]],
  ["Gaze", ["eyeLookUpLeft", "eyeLookUpRight", "eyeLookDownLeft", "eyeLookDownRight", "eyeLookInLeft", "eyeLookInRight",
    "eyeLookOutLeft", "eyeLookOutRight"]],
  ["Brows", ["browInnerUp", "browOuterUpLeft", "browOuterUpRight", "browDownLeft", "browDownRight"]],
  ["Cheeks and nose", ["cheekPuff", "cheekSquintLeft", "cheekSquintRight", "noseSneerLeft", "noseSneerRight"]],
];

const both = (name, value) => ({ [`${name}Left`]: value, [`${name}Right`]: value });

export const PRESETS = [
  ["Smile", { ...both("mouthSmile", 0.8), ...both("cheekSquint", 0.5), ...both("eyeSquint", 0.25) }],
  ["Surprise", { jawOpen: 0.55, browInnerUp: 0.9, ...both("browOuterUp", 0.8), ...both("eyeWide", 0.8) }],
  ["Sad", { ...both("mouthFrown", 0.7), browInnerUp: 0.8, mouthShrugLower: 0.4, pitch: 6 }],
  ["Angry", { ...both("browDown", 0.9), ...both("noseSneer", 0.5), ...both("mouthPress", 0.5), ...both("eyeSquint", 0.4) }],
  ["Kiss", { mouthPucker: 0.9, ...both("eyeBlink", 0.4) }],
  ["Wink", { eyeBlinkLeft: 1, cheekSquintLeft: 0.7, mouthSmileLeft: 0.6, roll: 5 }],
  ["Look aside", { yaw: 18, eyeLookOutLeft: 0.5, eyeLookInRight: 0.5 }],
];

const HEAD = {
  yaw: "Turn", pitch: "Nod", roll: "Tilt", x: "Sideways", y: "Height", size: "Distance",
};
const UNITS = { yaw: "°", pitch: "°", roll: "°", x: " cm", y: " cm" };

export const label = (name) =>
  HEAD[name] ??
  name
    .replace(/^(eye|mouth|brow|cheek|nose)(?=[A-Z])/, "")
    .replace(/(Left|Right)$/, " · $1")
    .replace(/([a-z])([A-Z])/g, "$1 $2")
    .toLowerCase()
    .replace(/^./, (first) => first.toUpperCase());

export const format = (name, value) =>
  `${value.toFixed(name in UNITS ? 1 : 2)}${UNITS[name] ?? ""}`.replace(/^-(0[.,]?0*)(?=\D*$)/, "$1");

// The same expression on the other side of the face; null if there is none.
export function mirrored(name) {
  if (/^(jaw|mouth)(Left|Right)$/.test(name)) return null; // these move the whole mouth
  if (name.endsWith("Left")) return name.replace(/Left$/, "Right");
  if (name.endsWith("Right")) return name.replace(/Right$/, "Left");
  return null;
}
