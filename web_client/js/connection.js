// One WebRTC connection to the engine, with reconnection. Speaks to the rest of the page through events:
// "state" (detail: idle | connecting | live | lost), "message" and "stats" (detail: the parsed JSON), "stream".

import { postJson, ServerError } from "./api.js";

const RETRY_SECONDS = [0.5, 1, 2, 4, 8, 8];
const GATHERING_MS = 1500;
const CONNECT_MS = 15000;
const PING_MS = 1000;
// Enough for a tracker (its landmarks move by 0.3 % of the eyes' distance), in three packets a picture instead of nine: fewer
// to lose, to send and to encode.
const CAMERA_BITRATE = 600_000;

export class Connection extends EventTarget {
  #settings;
  #pc = null;
  #control = null;
  #timers = new Set();
  #pinger = 0;
  #tracks = { audio: null, video: null };
  #senders = { audio: null, video: null };
  #wanted = false;
  #attempt = 0;
  #generation = 0;
  #hearing = false;

  session = null;
  token = null;
  owner = false;
  state = "idle";

  constructor(settings) {
    super();
    this.#settings = settings;
  }

  // `options`: { avatar, driver, codec, session }; a session without a token is watched, not driven.
  async start(options) {
    this.#wanted = true;
    this.#attempt = 0;
    this.options = options;
    this.session = options.session ?? null;
    this.token = null;
    await this.#connect();
  }

  stop() {
    this.#wanted = false;
    this.send({ type: "bye" });
    this.#tearDown();
    this.#become("idle");
  }

  send(message) {
    if (this.#control?.readyState !== "open") return false;
    this.#control.send(JSON.stringify(message));
    return true;
  }

  // Somebody listens (or not): with sound playing, the browser keeps lips and sound together.
  hear(on) {
    this.#hearing = on;
    this.send({ type: "hear", on });
  }

  // Exchange what is sent, without a new offer. `kind`: audio | video; `track`: null sends nothing.
  async setTrack(kind, track) {
    this.#tracks[kind] = track;
    await this.#senders[kind]?.replaceTrack(track);
  }

  async statistics() {
    return this.#pc ? this.#pc.getStats() : null;
  }

  async #connect() {
    const generation = ++this.#generation;
    this.#become("connecting");
    const pc = new RTCPeerConnection({ iceServers: this.#settings.iceServers, bundlePolicy: "max-bundle" });
    this.#pc = pc;
    try {
      this.#prepare(pc);
      await pc.setLocalDescription();
      await gathered(pc);
      const { avatar, driver, codec } = this.options;
      const answer = await postJson("/offer", {
        sdp: pc.localDescription.sdp, type: "offer", avatar, driver, codec, hear: this.#hearing,
        ...(this.session && { session: this.session }),
        ...(this.token && { token: this.token }),
      });
      if (generation !== this.#generation) return;
      this.session = answer.session;
      this.owner = answer.owner;
      this.token = answer.token ?? null;
      await pc.setRemoteDescription(answer);
      this.#later(CONNECT_MS, () => pc === this.#pc && pc.connectionState !== "connected" && this.#lost());
    } catch (error) {
      if (generation !== this.#generation) return;
      const gone = error instanceof ServerError && error.status === 404 && this.token;
      if (gone) this.session = this.token = null; // our session ended meanwhile: begin another one
      const temporary = error instanceof ServerError && error.status === 0 && this.#attempt > 0;
      if (gone || temporary) return this.#lost();
      this.#wanted = false;
      this.#tearDown();
      this.#become("idle");
      throw error;
    }
  }

  #prepare(pc) {
    const watching = Boolean(this.session && !this.token);
    for (const kind of ["audio", "video"]) {
      const transceiver = pc.addTransceiver(kind, {
        direction: watching ? "recvonly" : "sendrecv",
        ...(kind === "video" && { sendEncodings: [{ maxBitrate: CAMERA_BITRATE }] }),
      });
      this.#senders[kind] = watching ? null : transceiver.sender;
      if (!watching && this.#tracks[kind]) transceiver.sender.replaceTrack(this.#tracks[kind]);
      // play at once: this is a conversation with one's own face, not a film
      if ("jitterBufferTarget" in transceiver.receiver) transceiver.receiver.jitterBufferTarget = 0;
      if ("playoutDelayHint" in transceiver.receiver) transceiver.receiver.playoutDelayHint = 0;
    }
    const stream = new MediaStream();
    pc.ontrack = ({ track }) => {
      stream.addTrack(track);
      this.#emit("stream", stream);
    };
    pc.onconnectionstatechange = () => {
      if (pc !== this.#pc) return;
      if (pc.connectionState === "connected") {
        this.#attempt = 0;
        this.#become("live");
      } else if (pc.connectionState === "failed" || pc.connectionState === "closed") {
        this.#lost();
      }
    };
    this.#control = pc.createDataChannel("control");
    this.#control.onmessage = ({ data }) => this.#emit("message", JSON.parse(data));
    this.#control.onclose = () => pc === this.#pc && this.#lost();
    const stats = pc.createDataChannel("stats", { ordered: false, maxRetransmits: 0 });
    stats.onmessage = ({ data }) => this.#emit("stats", JSON.parse(data));
    clearInterval(this.#pinger);
    let buffers = {};
    this.#pinger = setInterval(async () => {
      this.send({ type: "ping", t: performance.now() });
      buffers = await this.#reportPlayout(buffers);
    }, PING_MS);
  }

  // By how much sound plays before its picture by this browser's own clocks, and for how long it holds either back to
  // make them meet: browsers act above 30 ms and do not undo it below, so the engine does the rest.
  async #reportPlayout(before) {
    const report = await this.#pc?.getStats().catch(() => null);
    const [playing, buffers, held] = [{}, {}, {}];
    for (const entry of report?.values() ?? []) {
      if (entry.type !== "inbound-rtp") continue;
      const { kind, jitterBufferTargetDelay: target, jitterBufferMinimumDelay: least } = entry;
      playing[kind] = entry.estimatedPlayoutTimestamp;
      buffers[kind] = [(target ?? 0) - (least ?? target ?? 0), entry.jitterBufferEmittedCount ?? 0];
      const [wait, count] = before[kind] ?? [0, 0];
      held[kind] = (1000 * (buffers[kind][0] - wait)) / (buffers[kind][1] - count);
    }
    if (Number.isFinite(held.audio) && Number.isFinite(held.video)) {
      // the clocks are known after the first sender reports
      const ahead = playing.audio && playing.video ? playing.audio - playing.video : null;
      this.send({ type: "playout", video_held_ms: held.video, audio_held_ms: held.audio, ahead_ms: ahead });
    }
    return buffers;
  }

  #lost() {
    this.#tearDown();
    if (!this.#wanted) return;
    if (this.#attempt >= RETRY_SECONDS.length) {
      this.#wanted = false;
      this.#become("idle");
      this.#emit("message", {
        type: "error", error: "The connection to the engine was lost.", hint: "Check that it runs, then press Start.",
      });
      return;
    }
    this.#become("lost");
    this.#later(RETRY_SECONDS[this.#attempt++] * 1000, () =>
      this.#wanted && this.#connect().catch((error) =>
        this.#emit("message", { type: "error", error: error.message, hint: error.hint ?? "" })));
  }

  #tearDown() {
    this.#generation++;
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
    clearInterval(this.#pinger);
    const pc = this.#pc;
    this.#pc = this.#control = null;
    this.#senders = { audio: null, video: null };
    pc?.close();
  }

  #later(milliseconds, call) {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      call();
    }, milliseconds);
    this.#timers.add(timer);
  }

  #become(state) {
    if (state === this.state) return;
    this.state = state;
    this.#emit("state", state);
  }

  #emit(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}

// Local candidates come within milliseconds; a STUN server that does not answer must not hold up the rest.
function gathered(pc) {
  return new Promise((resolve) => {
    if (pc.iceGatheringState === "complete") return resolve();
    const timer = setTimeout(resolve, GATHERING_MS);
    pc.addEventListener("icegatheringstatechange", () => {
      if (pc.iceGatheringState !== "complete") return;
      clearTimeout(timer);
      resolve();
    });
  });
}
