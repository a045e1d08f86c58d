// The server's monotonic clock, as seen from here: the ping with the shortest round trip is the least wrong.

const KEEP = 20;

export class ServerClock {
  #samples = [];

  // `sent`: performance.now() when the ping left; `serverMs`: the server's clock when it answered.
  learn(sent, serverMs, received = performance.now()) {
    this.#samples.push({ trip: received - sent, offset: serverMs - (sent + received) / 2 });
    if (this.#samples.length > KEEP) this.#samples.shift();
  }

  // Server milliseconds → performance.now() milliseconds, or null before the first answer.
  toLocal(serverMs) {
    if (!this.#samples.length) return null;
    return serverMs - this.#samples.reduce((best, sample) => (sample.trip < best.trip ? sample : best)).offset;
  }

  get roundTrip() {
    return this.#samples.length ? Math.min(...this.#samples.map((sample) => sample.trip)) : null;
  }

  reset() {
    this.#samples = [];
  }
}
