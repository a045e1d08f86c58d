// Records picture and sound of the avatar as they arrive, and offers the file for download.

import { notify } from "./notices.js";

const TYPES = ["video/mp4;codecs=avc1.42E01E,mp4a.40.2", "video/webm;codecs=vp8,opus", "video/webm"];

export class Recording {
  #recorder = null;
  #badge = document.getElementById("recording");
  #time = document.getElementById("recording-time");
  #timer = 0;

  get running() {
    return this.#recorder !== null;
  }

  start(stream) {
    const type = TYPES.find((candidate) => window.MediaRecorder?.isTypeSupported(candidate));
    if (!type) {
      notify("This browser cannot record.", { hint: "Record with “live run --sink FILE.mp4” instead.", bad: true });
      return false;
    }
    const parts = [];
    const recorder = new MediaRecorder(stream, { mimeType: type, videoBitsPerSecond: 6e6 });
    recorder.ondataavailable = ({ data }) => data.size && parts.push(data);
    recorder.onstop = () => download(new Blob(parts, { type: type.split(";")[0] }));
    recorder.start(1000);
    this.#recorder = recorder;
    const began = Date.now();
    this.#badge.hidden = false;
    this.#timer = setInterval(() => {
      const seconds = Math.floor((Date.now() - began) / 1000);
      this.#time.textContent = `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
    }, 250);
    return true;
  }

  stop() {
    clearInterval(this.#timer);
    this.#badge.hidden = true;
    this.#time.textContent = "0:00";
    if (this.#recorder && this.#recorder.state !== "inactive") this.#recorder.stop();
    this.#recorder = null;
  }
}

function download(blob) {
  if (!blob.size) return;
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = `avatar-${new Date().toISOString().slice(0, 19).replace(/[:T]/g, "-")}.${blob.type.endsWith("mp4") ? "mp4" : "webm"}`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
}
