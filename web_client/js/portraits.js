// The gallery: samples and stored avatars, upload, drop, camera snapshot. Emits "choose" with the avatar.

import { request } from "./api.js";
import { complain, notify } from "./notices.js";
import { takePhoto } from "./snapshot.js";

export class Portraits extends EventTarget {
  #grid = document.getElementById("portraits");
  #limit;
  avatars = [];
  chosen = null;

  constructor(maxBytes) {
    super();
    this.#limit = maxBytes;
    const upload = document.getElementById("upload");
    upload.onchange = () => {
      if (upload.files.length) this.#add(upload.files[0], upload.files[0].name.replace(/\.\w+$/, ""));
      upload.value = "";
    };
    document.getElementById("snapshot").onclick = async () => {
      const photo = await takePhoto().catch(complain);
      if (photo) this.#add(photo, "Snapshot");
    };
    this.#acceptDrops(this.#grid.closest(".panel"));
    this.#grid.onkeydown = (event) => this.#move(event);
  }

  async load() {
    this.avatars = (await request("/avatars")).avatars;
    this.#show();
    if (!this.chosen && this.avatars.length) this.choose(this.avatars[0].id, { silent: true });
  }

  choose(id, { silent = false } = {}) {
    this.chosen = this.avatars.find((avatar) => avatar.id === id) ?? this.chosen;
    for (const button of this.#grid.children) {
      const on = button.dataset.id === this.chosen?.id;
      button.setAttribute("aria-checked", on);
      button.tabIndex = on ? 0 : -1;
    }
    this.dispatchEvent(new CustomEvent("choose", { detail: { avatar: this.chosen, silent } }));
  }

  async #add(file, name) {
    if (file.size > this.#limit) {
      notify("That photo is too large.", { hint: `It may have up to ${Math.round(this.#limit / 2 ** 20)} MB.`, bad: true });
      return;
    }
    const waiting = this.#button({ id: "", name: "Preparing…", picture: URL.createObjectURL(file) });
    waiting.classList.add("waiting");
    waiting.disabled = true;
    this.#grid.append(waiting);
    waiting.scrollIntoView({ block: "nearest" });
    try {
      const avatar = await request(`/portrait?name=${encodeURIComponent(name)}`, { method: "POST", body: file });
      await this.load();
      this.choose(avatar.id);
    } catch (error) {
      complain(error);
    } finally {
      URL.revokeObjectURL(waiting.firstChild.src);
      waiting.remove();
    }
  }

  #show() {
    this.#grid.replaceChildren(...this.avatars.map((avatar) => {
      const button = this.#button(avatar);
      button.onclick = () => this.choose(avatar.id);
      return button;
    }));
    if (this.chosen) this.choose(this.chosen.id, { silent: true });
  }

  #button({ id, name, picture }) {
    const button = document.createElement("button");
    button.type = "button";
    button.dataset.id = id;
    button.title = name;
    button.setAttribute("role", "radio");
    const image = new Image();
    image.src = picture;
    image.alt = "";
    const label = document.createElement("span");
    label.textContent = name;
    button.append(image, label);
    return button;
  }

  #move(event) {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (!step || !this.avatars.length) return;
    event.preventDefault();
    const index = this.avatars.findIndex((avatar) => avatar.id === this.chosen?.id);
    const next = this.avatars.at((index + step) % this.avatars.length);
    this.choose(next.id);
    this.#grid.querySelector(`[data-id="${CSS.escape(next.id)}"]`).focus();
  }

  #acceptDrops(panel) {
    panel.ondragover = (event) => {
      event.preventDefault();
      panel.classList.add("dropping");
    };
    panel.ondragleave = () => panel.classList.remove("dropping");
    panel.ondrop = (event) => {
      event.preventDefault();
      panel.classList.remove("dropping");
      const file = [...event.dataTransfer.files].find((candidate) => candidate.type.startsWith("image/"));
      if (file) this.#add(file, file.name.replace(/\.\w+$/, ""));
      else notify("That is not a photo.", { hint: "Drop a JPEG, PNG or WebP file.", bad: true });
    };
  }
}
