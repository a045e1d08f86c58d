// The stage graph: one column per picture, from capture (bottom) to screen (top); gaps are waiting.

const COLOURS = ["#5eead4", "#818cf8", "#f472b6", "#fbbf24", "#38bdf8", "#a3e635", "#fb923c", "#c084fc", "#f87171", "#94a3b8"];
const FIXED = { network: "#64748b", display: "#475569" };
const GOAL_MS = 90;

export class StageGraph {
  #canvas = document.getElementById("graph");
  #legend = document.getElementById("legend");
  #slowest = document.getElementById("slowest");
  #colours = new Map(Object.entries(FIXED));
  #scale = 120;

  draw(frames, summary) {
    const { width, height } = this.#fit();
    const context = this.#canvas.getContext("2d");
    context.clearRect(0, 0, width, height);
    const highest = Math.max(GOAL_MS * 1.15, ...frames.map((frame) => frame.total)) * 1.06;
    this.#scale += (Math.min(highest, 600) - this.#scale) * 0.2;
    const y = (ms) => height - 18 - (ms / this.#scale) * (height - 26);
    this.#grid(context, width, y);
    const columns = Math.max(90, frames.length);
    const step = (width - 52) / columns;
    frames.forEach((frame, index) => {
      const x = 52 + (columns - frames.length + index) * step;
      const thickness = Math.max(1, step - 1);
      context.fillStyle = "#ffffff0d";
      context.fillRect(x, y(frame.total), thickness, y(0) - y(frame.total));
      for (const [name, start, duration] of frame.stages) {
        context.fillStyle = this.#colour(name);
        context.fillRect(x, y(start + duration), thickness, Math.max(1, y(start) - y(start + duration)));
      }
    });
    this.#describe(summary);
  }

  #fit() {
    const ratio = window.devicePixelRatio || 1;
    const width = this.#canvas.clientWidth;
    const height = this.#canvas.clientHeight;
    if (this.#canvas.width !== Math.round(width * ratio) || this.#canvas.height !== Math.round(height * ratio)) {
      this.#canvas.width = Math.round(width * ratio);
      this.#canvas.height = Math.round(height * ratio);
    }
    this.#canvas.getContext("2d").setTransform(ratio, 0, 0, ratio, 0, 0);
    return { width, height };
  }

  #grid(context, width, y) {
    context.font = "11px system-ui, sans-serif";
    context.textAlign = "right";
    const spacing = this.#scale > 300 ? 100 : this.#scale > 150 ? 50 : 25;
    for (let ms = 0; ms < this.#scale; ms += spacing) {
      context.fillStyle = "#ffffff12";
      context.fillRect(52, Math.round(y(ms)), width - 52, 1);
      context.fillStyle = "#7c879d";
      context.fillText(ms ? `${ms} ms` : "0", 46, y(ms) + 4);
    }
    context.fillStyle = "#5eead466";
    for (let x = 52; x < width; x += 8) context.fillRect(x, Math.round(y(GOAL_MS)), 4, 1);
  }

  #colour(name) {
    if (!this.#colours.has(name)) this.#colours.set(name, COLOURS[(this.#colours.size - 2) % COLOURS.length]);
    return this.#colours.get(name);
  }

  #describe({ total, stages }) {
    if (!stages.length) return;
    this.#legend.replaceChildren(...stages.map(([name, ms]) => {
      const item = document.createElement("li");
      const mark = document.createElement("i");
      mark.style.background = this.#colour(name);
      const value = document.createElement("b");
      value.textContent = `${ms.toFixed(1)} ms`;
      item.append(mark, name, value);
      return item;
    }));
    const [name, ms] = stages.reduce((worst, stage) => (stage[1] > worst[1] ? stage : worst));
    const strong = document.createElement("strong");
    strong.textContent = `${name} (${ms.toFixed(0)} ms)`;
    this.#slowest.replaceChildren("Slowest stage: ", strong);
    if (total !== null) {
      const worked = stages.reduce((sum, stage) => sum + stage[1], 0);
      this.#slowest.append(` · ${total.toFixed(0)} ms in all, of which ${Math.max(0, total - worked).toFixed(0)} ms waiting`);
    }
  }
}
