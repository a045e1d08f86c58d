// Lets a sound file speak, over the same WebSocket that any program can use.

import { ServerError } from "./api.js";

const RATE = 48000;
const SLICE = RATE; // one second per message
const AHEAD_SECONDS = 30;

export class SpeechPush {
  #socket = null;
  #stopped = false;

  static address(session, token) {
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    return `${scheme}://${location.host}/speech?session=${session}&token=${token}&rate=24000`;
  }

  async speak(file, session, token) {
    const samples = await decode(file);
    this.stop();
    this.#stopped = false;
    const socket = await open(SpeechPush.address(session, token).replace("rate=24000", `rate=${RATE}`));
    this.#socket = socket;
    let queued = 0;
    socket.onmessage = ({ data }) => (queued = JSON.parse(data).seconds ?? queued);
    for (let at = 0; at < samples.length && !this.#stopped; at += SLICE) {
      while (queued > AHEAD_SECONDS && !this.#stopped) await new Promise((resolve) => setTimeout(resolve, 200));
      if (socket.readyState !== WebSocket.OPEN) break;
      socket.send(samples.subarray(at, at + SLICE));
    }
  }

  // Interrupt: what has not been said will not be said.
  clear() {
    this.#stopped = true;
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify({ type: "clear" }));
  }

  stop() {
    this.#stopped = true;
    this.#socket?.close();
    this.#socket = null;
  }
}

async function decode(file) {
  const context = new OfflineAudioContext(1, 1, RATE);
  let sound;
  try {
    sound = await context.decodeAudioData(await file.arrayBuffer());
  } catch {
    throw new ServerError("That sound file cannot be read.", "Choose a WAV, MP3, M4A or OGG file.");
  }
  const mixed = new Int16Array(sound.length);
  const channels = Array.from({ length: sound.numberOfChannels }, (_, index) => sound.getChannelData(index));
  for (let i = 0; i < mixed.length; i++) {
    const value = channels.reduce((sum, channel) => sum + channel[i], 0) / channels.length;
    mixed[i] = Math.max(-1, Math.min(1, value)) * 32767;
  }
  return mixed;
}

function open(address) {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(address);
    socket.binaryType = "arraybuffer";
    socket.onopen = () => resolve(socket);
    socket.onerror = () => reject(new ServerError("The engine takes no speech now.", "Start a session first."));
  });
}
