// Matches the pictures that the browser presents with what the server says about them: the whole way, stage by stage.

const KEEP_PRESENTED = 200;
const KEEP_FRAMES = 180;

export class PresentedFrames {
  #video;
  #clock;
  #presented = new Map(); // RTP timestamp → { received, shown }, performance.now() ms
  #shownAt = [];

  frames = []; // { total, stages: [[name, start, duration]] }, ms since capture; newest last

  constructor(video, clock) {
    this.#video = video;
    this.#clock = clock;
    if ("requestVideoFrameCallback" in video) video.requestVideoFrameCallback(this.#onFrame);
  }

  #onFrame = (now, metadata) => {
    if (metadata.rtpTimestamp !== undefined) {
      this.#presented.set(metadata.rtpTimestamp, {
        received: metadata.receiveTime ?? now,
        shown: Math.max(metadata.expectedDisplayTime, now),
      });
      if (this.#presented.size > KEEP_PRESENTED) this.#presented.delete(this.#presented.keys().next().value);
    }
    this.#shownAt.push(now);
    while (now - this.#shownAt[0] > 2000) this.#shownAt.shift();
    this.#video.requestVideoFrameCallback(this.#onFrame);
  };

  // `reported`: the `frames` of a statistics message.
  join(reported) {
    for (const frame of reported) {
      if (frame.capture_ms === undefined) continue;
      const stages = frame.stages.map((stage) => [...stage]);
      const seen = this.#presented.get(frame.rtp);
      const capture = this.#clock.toLocal(frame.capture_ms);
      let total = frame.sent_ms - frame.capture_ms;
      if (seen && capture !== null) {
        const sent = total;
        const received = Math.max(sent, seen.received - capture);
        const shown = Math.max(received, seen.shown - capture);
        stages.push(["network", sent, received - sent], ["display", received, shown - received]);
        total = shown;
      }
      this.frames.push({ total, complete: Boolean(seen), stages });
    }
    this.frames.splice(0, Math.max(0, this.frames.length - KEEP_FRAMES));
  }

  get rate() {
    const times = this.#shownAt;
    if (times.length < 2 || performance.now() - times.at(-1) > 1500) return 0;
    return ((times.length - 1) * 1000) / (times.at(-1) - times[0]);
  }

  // Median milliseconds per stage and in total, of the frames that were seen on screen.
  summary() {
    const complete = this.frames.filter((frame) => frame.complete).slice(-60);
    const used = complete.length ? complete : this.frames.slice(-60);
    const byStage = new Map();
    for (const frame of used) {
      for (const [name, , duration] of frame.stages) {
        if (!byStage.has(name)) byStage.set(name, []);
        byStage.get(name).push(duration);
      }
    }
    return {
      total: complete.length ? median(complete.map((frame) => frame.total)) : null,
      stages: [...byStage].map(([name, durations]) => [name, median(durations)]),
    };
  }

  reset() {
    this.frames = [];
    this.#presented.clear();
    this.#shownAt = [];
  }
}

function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted.length ? sorted[sorted.length >> 1] : 0;
}
