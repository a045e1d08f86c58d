// What moves the avatar: the choice, and the microphone and webcam tracks that it needs. Emits "choose" and "tracks".

import { listDevices, openCamera, openMicrophone } from "./devices.js";
import { complain, notify } from "./notices.js";

const KINDS = {
  webcam: ["Webcam", "The avatar does what your face does. Your sound goes along.", { camera: true, microphone: true }],
  microphone: ["Voice", "The avatar speaks with your voice.", { camera: false, microphone: true }],
  sliders: ["Sliders", "You set every expression and the head by hand.", { camera: false, microphone: false }],
  push: ["Program", "A program, or a sound file, speaks through the avatar.", { camera: false, microphone: false }],
};

const DEVICES = ["camera", "microphone"]; // ids of the lists

export class Drivers extends EventTarget {
  #group = document.getElementById("drivers");
  #self = document.getElementById("self");
  #running = false;
  #working = null; // what was open last: the kind, and the devices chosen
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
    for (const id of DEVICES) {
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

  // Open what the driver needs and close what it does not. Says whether it took effect: not if the user chose something
  // else meanwhile. Throws if the one thing it cannot do without is missing; what worked before is open again then.
  async open() {
    const turn = ++this.#turn;
    this.#running = true;
    try {
      return await this.#take(turn);
    } catch (error) {
      if (turn !== this.#turn) return false;
      const before = this.#working;
      this.#working = null; // it gets one chance
      if (before) {
        this.choose(before.kind, { silent: true });
        for (const id of DEVICES) document.getElementById(id).value = before[id];
        await this.#take(turn).catch(complain);
      }
      throw error;
    }
  }

  async #take(turn) {
    const { kind } = this;
    const needs = KINDS[kind][2];
    const tracks = { audio: null, video: null };
    this.#close();
    try {
      if (needs.camera) tracks.video = await openCamera(document.getElementById("camera").value);
      if (needs.microphone) tracks.audio = await openMicrophone(document.getElementById("microphone").value);
    } catch (error) {
      if (!tracks.video) throw error;
      if (turn === this.#turn) notify(error.message, { hint: "The avatar moves without sound." });
    }
    if (turn !== this.#turn) {
      stopAll(tracks);
      return false;
    }
    this.tracks = tracks;
    for (const track of Object.values(this.tracks)) {
      track?.addEventListener("ended", () =>
        notify(`The ${track.kind === "video" ? "camera" : "microphone"} has gone.`, { hint: "Plug it in again and choose it in the list.", bad: true }));
    }
    this.#self.srcObject = this.tracks.video ? new MediaStream([this.tracks.video]) : null;
    this.#self.hidden = !this.tracks.video;
    await listDevices();
    if (turn !== this.#turn) return false;
    this.#working = { kind, ...Object.fromEntries(DEVICES.map((id) => [id, document.getElementById(id).value])) };
    this.dispatchEvent(new Event("tracks"));
    return true;
  }

  release() {
    this.#turn++;
    this.#running = false;
    this.#working = null;
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
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
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
