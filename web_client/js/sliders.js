// Direct editing: one slider per expression and head angle. Emits "change" with { name: value }, once per screen refresh.

import { GROUPS, PRESETS, format, label, mirrored } from "./expressions.js";

export class Sliders extends EventTarget {
  #home = document.getElementById("sliders");
  #link = document.getElementById("link-sides");
  #inputs = new Map();
  #pending = {};
  #scheduled = false;

  constructor() {
    super();
    document.getElementById("sliders-reset").onclick = () => this.dispatchEvent(new Event("reset"));
    document.getElementById("presets").append(...PRESETS.map(([name, values]) => {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = name;
      button.onclick = () => this.#apply(values);
      return button;
    }));
  }

  // `values`: name → [value, least, greatest], as the server reports them.
  show(values) {
    if (!this.#inputs.size && Object.keys(values).length) this.#build(values);
    for (const [name, [value, least, greatest]] of Object.entries(values)) {
      const input = this.#inputs.get(name);
      if (!input) continue;
      input.min = least;
      input.max = greatest;
      input.dataset.rest ??= value;
      this.#display(name, value);
    }
  }

  // Another portrait has another face at rest.
  forgetRest() {
    for (const input of this.#inputs.values()) delete input.dataset.rest;
  }

  #build(values) {
    this.#home.replaceChildren(...GROUPS.map(([title, names], index) => {
      const group = document.createElement("details");
      group.open = index < 3;
      const summary = document.createElement("summary");
      summary.textContent = title;
      group.append(summary, ...names.filter((name) => name in values).map((name) => this.#row(name)));
      return group;
    }));
  }

  #row(name) {
    const row = document.createElement("label");
    row.className = "slider";
    const input = document.createElement("input");
    input.type = "range";
    input.step = "any";
    input.name = name;
    const output = document.createElement("output");
    row.append(label(name), input, output);
    row.title = name;
    input.oninput = () => this.#moved(name, input.valueAsNumber);
    input.ondblclick = () => this.#moved(name, Number(input.dataset.rest ?? 0));
    this.#inputs.set(name, input);
    return row;
  }

  #moved(name, value) {
    this.#set(name, value);
    const other = this.#link.checked ? mirrored(name) : null;
    if (other && this.#inputs.has(other)) this.#set(other, value);
  }

  #apply(values) {
    for (const [name, input] of this.#inputs) {
      const rest = Number(input.dataset.rest ?? 0);
      this.#set(name, name in values ? Math.min(input.max, Math.max(input.min, values[name])) : rest);
    }
  }

  #set(name, value) {
    this.#display(name, value);
    this.#pending[name] = value;
    if (this.#scheduled) return;
    this.#scheduled = true;
    requestAnimationFrame(() => {
      this.#scheduled = false;
      this.dispatchEvent(new CustomEvent("change", { detail: this.#pending }));
      this.#pending = {};
    });
  }

  #display(name, value) {
    const input = this.#inputs.get(name);
    input.value = value;
    input.nextElementSibling.value = format(name, value);
    input.setAttribute("aria-valuetext", format(name, value));
    const share = (at) => (100 * Math.min(1, Math.max(0, (at - input.min) / (input.max - input.min || 1)))).toFixed(1);
    const [zero, now] = [Number(share(0)), Number(share(value))];
    input.style.setProperty("--from", `${Math.min(zero, now)}%`);
    input.style.setProperty("--fill", `${Math.max(zero, now)}%`);
  }
}
