// Cameras and microphones: asking for them, listing them, explaining what went wrong.

import { ServerError } from "./api.js";

const EXPLANATIONS = {
  NotAllowedError: ["The browser may not use the {what}.", "Allow it with the icon in the address bar, then try again."],
  NotFoundError: ["No {what} was found.", "Plug one in, or choose another way to drive the avatar."],
  NotReadableError: ["The {what} is in use by another program.", "Close that program, then try again."],
  OverconstrainedError: ["The chosen {what} is not there any more.", "Choose another one in the list."],
};

function explain(error, what) {
  const [text, hint] = EXPLANATIONS[error.name] ?? [`The {what} cannot be used (${error.name}).`, ""];
  return new ServerError(text.replace("{what}", what), hint);
}

const exactly = (id) => (id ? { deviceId: { exact: id } } : {});

export async function openCamera(deviceId) {
  return open("camera", {
    video: { ...exactly(deviceId), width: { ideal: 640 }, height: { ideal: 480 }, frameRate: { ideal: 30 } },
  });
}

export async function openMicrophone(deviceId) {
  return open("microphone", {
    audio: { ...exactly(deviceId), channelCount: 1, echoCancellation: true, noiseSuppression: true, autoGainControl: true },
  });
}

async function open(what, constraints) {
  if (!navigator.mediaDevices) {
    throw new ServerError(
      `This browser keeps the ${what} to itself on this address.`,
      "Open the page as http://localhost, or serve it over HTTPS.",
    );
  }
  let stream;
  try {
    stream = await navigator.mediaDevices.getUserMedia(constraints);
  } catch (error) {
    throw explain(error, what);
  }
  const [track] = stream.getTracks();
  if (what === "camera" && "contentHint" in track) track.contentHint = "motion";
  return track;
}

// Fill the two lists; names are known only after permission has been given once.
export async function listDevices() {
  if (!navigator.mediaDevices?.enumerateDevices) return;
  const found = await navigator.mediaDevices.enumerateDevices();
  for (const [kind, id, fallback] of [["videoinput", "camera", "Camera"], ["audioinput", "microphone", "Microphone"]]) {
    const select = document.getElementById(id);
    const chosen = select.value;
    const options = found
      .filter((device) => device.kind === kind)
      .map((device, index) => new Option(device.label || `${fallback} ${index + 1}`, device.deviceId));
    if (!options.length) options.push(new Option(`No ${fallback.toLowerCase()} found`, ""));
    select.replaceChildren(...options);
    if (options.some((option) => option.value === chosen)) select.value = chosen;
  }
}
