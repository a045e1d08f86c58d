// What moves the avatar: the choice, and the microphone and webcam tracks that it needs. Emits "choose" and "tracks".

import { listDevices, openCamera, openMicrophone } from "./devices.js";
import { complain, notify } from "./notices.js";

const KINDS = {
  webcam: ["Webcam", "The avatar does what your face does. Your sound goes along.", { camera: true, microphone: true }],
  microphone: ["Voice", "The avatar speaks with your voice.", { camera: false, microphone: true }],
  sliders: ["Sliders", "You set every expression and the head by hand.", { camera: false, microphone: false }],
  push: ["Program", "A program, or a sound file, speaks through the avatar.", { camera: false, microphone: false }],
};

export class Drivers extends EventTarget {
  #group = document.getElementById("drivers");
  #self = document.getElementById("self");
  #running = false;
  #turn = 0; // counts calls of open and release: only the last one decides
  kind = "webcam";
  tracks = { audio: null, video: null };

  constructor(kinds) {
    super();
    this.#group.append(...kinds.filter((kind) => kind in KINDS).map((kind) => {
      const button = document.createElement("button");
      button.type = "button";
      button.dataset.kind = kind;
      button.textContent = KINDS[kind][0];
      button.setAttribute("role", "radio");
      button.onclick = () => kind !== this.kind && this.choose(kind);
      return button;
    }));
    this.#group.onkeydown = (event) => this.#move(event);
    for (const id of ["camera", "microphone"]) {
      document.getElementById(id).onchange = () => this.#running && this.open().catch(complain);
    }
    navigator.mediaDevices?.addEventListener?.("devicechange", listDevices);
    this.#show();
  }

  choose(kind, { silent = false } = {}) {
    if (!(kind in KINDS)) return;
    this.kind = kind;
    this.#show();
    if (!silent) this.dispatchEvent(new Event("choose"));
  }

  // Open what the driver needs and close what it does not. Throws if the one thing it cannot do without is missing.
  async open() {
    const needs = KINDS[this.kind][2];
    const turn = ++this.#turn;
    const tracks = { audio: null, video: null };
    this.#running = true;
    this.#close();
    if (needs.camera) tracks.video = await openCamera(document.getElementById("camera").value);
    if (needs.microphone) {
      try {
        tracks.audio = await openMicrophone(document.getElementById("microphone").value);
      } catch (error) {
        if (!needs.camera) throw error;
        notify(error.message, { hint: "The avatar moves without sound." });
      }
    }
    if (turn !== this.#turn) return stopAll(tracks); // the user chose something else meanwhile
    this.tracks = tracks;
    for (const track of Object.values(this.tracks)) {
      track?.addEventListener("ended", () =>
        notify(`The ${track.kind === "video" ? "camera" : "microphone"} has gone.`, { hint: "Plug it in again and choose it in the list.", bad: true }));
    }
    this.#self.srcObject = this.tracks.video ? new MediaStream([this.tracks.video]) : null;
    this.#self.hidden = !this.tracks.video;
    await listDevices();
    this.dispatchEvent(new Event("tracks"));
  }

  release() {
    this.#turn++;
    this.#running = false;
    this.#close();
    this.#self.srcObject = null;
    this.#self.hidden = true;
  }

  #close() {
    stopAll(this.tracks);
    this.tracks = { audio: null, video: null };
  }

  #show() {
    for (const button of this.#group.children) {
      const on = button.dataset.kind === this.kind;
      button.setAttribute("aria-checked", on);
      button.tabIndex = on ? 0 : -1;
    }
    const [, hint, needs] = KINDS[this.kind];
    document.getElementById("driver-hint").textContent = hint;
    document.getElementById("camera-row").hidden = !needs.camera;
    document.getElementById("microphone-row").hidden = !needs.microphone;
    document.getElementById("devices").hidden = !needs.camera && !needs.microphone;
    document.getElementById("push-panel").hidden = this.kind !== "push";
    document.getElementById("sliders-panel").hidden = this.kind !== "sliders";
  }

  #move(event) {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const buttons = [...this.#group.children];
    const next = buttons.at((buttons.findIndex((button) => button.dataset.kind === this.kind) + step) % buttons.length);
    next.focus();
    this.choose(next.dataset.kind);
  }
}

function stopAll(tracks) {
  for (const track of Object.values(tracks)) track?.stop();
}
