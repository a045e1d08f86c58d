// A photo from the camera, as a JPEG blob; null when the user changes their mind.

import { openCamera } from "./devices.js";

const dialog = document.getElementById("camera-dialog");
const preview = document.getElementById("camera-preview");

export async function takePhoto() {
  const track = await openCamera(document.getElementById("camera").value);
  preview.srcObject = new MediaStream([track]);
  dialog.showModal();
  try {
    return await new Promise((resolve) => {
      document.getElementById("camera-shoot").onclick = () => shoot().then(resolve);
      document.getElementById("camera-cancel").onclick = () => resolve(null);
      dialog.oncancel = () => resolve(null);
    });
  } finally {
    track.stop();
    preview.srcObject = null;
    dialog.close();
  }
}

function shoot() {
  const canvas = document.createElement("canvas");
  canvas.width = preview.videoWidth;
  canvas.height = preview.videoHeight;
  canvas.getContext("2d").drawImage(preview, 0, 0);
  return new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", 0.95));
}
