// Runs inside the engine's own page, before its scripts, and watches what passes between it and the browser: local tracks,
// the connection, its data channels, and the pictures presented. Changes nothing that the page does.
//
// `window.__latencyProbe.take()` returns, as JSON, and forgets what was recorded. All times are performance.now() milliseconds.

(() => {
  const config = window.__latencyConfig; // { film: [l, t, w, h], avatar: [l, t, w, h], columns, rows, stock }
  const PICTURES = 6, CHUNKS = 300; // that may wait for this thread without being dropped
  const now = () => performance.now();
  const recorded = { camera: [], preview: [], avatar: [], sound: [], pulls: [], stats: [], pings: [], messages: [] };
  const connections = [];
  let sound = null, taps = 0;

  // -- pictures: a small luma crop around the mouth of every picture that is captured and of every one presented

  // Reads the brightness plane only: drawing the picture into a canvas would convert all of it to RGB first.
  function cropper(box) {
    const [left, top, width, height] = box;
    let plane = new Uint8Array(0);
    return async (picture) => {
      if (!["I420", "I420A", "NV12"].includes(picture.format)) throw new Error(`Cannot read pictures in ${picture.format}`);
      const { codedWidth, codedHeight, visibleRect } = picture;
      const rect = {
        x: 2 * Math.round((visibleRect.x + left * visibleRect.width) / 2),
        y: 2 * Math.round((visibleRect.y + top * visibleRect.height) / 2),
        width: 2 * Math.round((width * visibleRect.width) / 2),
        height: 2 * Math.round((height * visibleRect.height) / 2),
      };
      rect.width = Math.min(rect.width, codedWidth - rect.x);
      rect.height = Math.min(rect.height, codedHeight - rect.y);
      const size = picture.allocationSize({ rect });
      if (plane.length < size) plane = new Uint8Array(size);
      const [{ offset, stride }] = await picture.copyTo(plane, { rect });
      const [black, white] = picture.colorSpace.fullRange ? [0, 255] : [16, 235];
      return btoa(shrink(plane.subarray(offset), stride, rect, (y) => ((y - black) * 255) / (white - black)));
    };
  }

  // Means over blocks: columns x rows values as characters.
  function shrink(plane, stride, { width, height }, level) {
    const edge = (i, count, size) => Math.min(size - 1, Math.floor((i * size) / count));
    let luma = "";
    for (let row = 0; row < config.rows; row++) {
      const y0 = edge(row, config.rows, height), y1 = Math.max(y0 + 1, edge(row + 1, config.rows, height));
      for (let column = 0; column < config.columns; column++) {
        const x0 = edge(column, config.columns, width), x1 = Math.max(x0 + 1, edge(column + 1, config.columns, width));
        let sum = 0;
        for (let y = y0; y < y1; y++) for (let x = x0; x < x1; x++) sum += plane[y * stride + x];
        const mean = level(sum / ((y1 - y0) * (x1 - x0)));
        luma += String.fromCharCode(Math.max(0, Math.min(255, Math.round(mean))));
      }
    }
    return luma;
  }

  function watch(video) {
    const crop = cropper(config.avatar);
    const onFrame = (at, meta) => {
      const picture = new VideoFrame(video);
      const entry = {
        at, shown: meta.expectedDisplayTime, submitted: meta.presentationTime,
        received: meta.receiveTime ?? null, rtp: meta.rtpTimestamp ?? null, count: meta.presentedFrames,
        decode: meta.processingDuration ?? null, width: meta.width, height: meta.height,
      };
      video.requestVideoFrameCallback(onFrame);
      crop(picture)
        .then((luma) => recorded.avatar.push({ ...entry, luma }))
        .catch(fail)
        .finally(() => picture.close());
    };
    video.requestVideoFrameCallback(onFrame);
  }

  // The preview's callbacks say when its pictures were captured on the page's clock; they may skip pictures, which the
  // track processor below does not.
  function watchPreview(video) {
    const onFrame = (at, meta) => {
      recorded.preview.push({ at, captured: meta.captureTime ?? null, media: meta.mediaTime * 1000 });
      video.requestVideoFrameCallback(onFrame);
    };
    video.requestVideoFrameCallback(onFrame);
  }

  // A copy to read from, which ends with the page's own: otherwise a device that was given back would go on.
  function copyOf(track) {
    const copy = track.clone(), stop = track.stop;
    track.stop = () => {
      stop.call(track);
      copy.stop();
    };
    return copy;
  }

  async function look(track) {
    const tap = taps++; // another camera begins to count anew
    const crop = cropper(config.film);
    const reader = new MediaStreamTrackProcessor({ track: copyOf(track), maxBufferSize: PICTURES }).readable.getReader();
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      const at = now();
      try {
        recorded.camera.push({ at, tap, stamp: value.timestamp / 1000, luma: await crop(value) });
      } finally {
        value.close();
      }
    }
  }

  document.addEventListener("DOMContentLoaded", () => {
    watchPreview(document.getElementById("self"));
    watch(document.getElementById("avatar"));
  });

  // -- sound: energy per millisecond of microphone and received sound, on one sample clock (an AudioWorklet) ...

  const WORKLET = `
    registerProcessor("latency-probe", class extends AudioWorkletProcessor {
      sums = [0, 0]; count = 0; bins = [[], []];
      process(inputs) {
        for (let i = 0; i < 128; i++) {
          for (let k = 0; k < 2; k++) {
            const value = inputs[k][0] ? inputs[k][0][i] : 0;
            this.sums[k] += value * value;
          }
          if (++this.count === 48) {
            for (let k = 0; k < 2; k++) { this.bins[k].push(+Math.sqrt(this.sums[k] / 48).toPrecision(3)); this.sums[k] = 0; }
            this.count = 0;
          }
        }
        if (this.bins[0].length >= 20) {
          this.port.postMessage({ end: currentFrame + 128 - this.count, bins: this.bins });
          this.bins = [[], []];
        }
        return true;
      }
    });`;

  async function openSound() {
    const context = new AudioContext({ latencyHint: "interactive", sampleRate: 48000 });
    await context.audioWorklet.addModule(URL.createObjectURL(new Blob([WORKLET], { type: "text/javascript" })));
    const node = new AudioWorkletNode(context, "latency-probe", { numberOfInputs: 2, numberOfOutputs: 1 });
    node.port.onmessage = ({ data }) => {
      recorded.sound.push({ at: now(), end: (data.end / 48), local: data.bins[0], remote: data.bins[1] });
    };
    node.connect(context.destination);
    return { context, node };
  }

  // ... and the instants at which its pieces come out of the browser's capture and jitter buffer (no resampling, no FIFO).

  async function listen(track, name, input) {
    const tap = taps++; // another microphone begins to count anew
    sound ??= openSound();
    const { context, node } = await sound;
    context.createMediaStreamSource(new MediaStream([track])).connect(node, 0, input);
    let position = 0, sum = 0, count = 0;
    const reader = new MediaStreamTrackProcessor({ track: copyOf(track), maxBufferSize: CHUNKS }).readable.getReader();
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      const at = now();
      const samples = new Float32Array(value.numberOfFrames);
      value.copyTo(samples, { planeIndex: 0, format: "f32-planar" });
      const perBin = value.sampleRate / 1000;
      const bins = [];
      for (const sample of samples) {
        sum += sample * sample;
        if (++count >= perBin) {
          bins.push(+Math.sqrt(sum / count).toPrecision(3)); // few digits: the record is fetched as text
          sum = count = 0;
        }
      }
      position += value.numberOfFrames / perBin;
      recorded.pulls.push({ name, tap, at, end: position - count / perBin, stamp: value.timestamp / 1000, bins });
      value.close();
    }
  }

  // -- the page's own calls, observed

  const getUserMedia = MediaDevices.prototype.getUserMedia;
  MediaDevices.prototype.getUserMedia = async function (constraints) {
    const stream = await getUserMedia.call(this, constraints);
    for (const track of stream.getVideoTracks()) look(track).catch(fail);
    for (const track of stream.getAudioTracks()) listen(track, "local", 0).catch(fail);
    if (stream.getAudioTracks().length) window.__latencyProbe.opened = true;
    recorded.messages.push({ at: now(), settings: stream.getTracks().map((track) => track.getSettings()) });
    return stream;
  };

  class ProbedConnection extends RTCPeerConnection {
    constructor(...options) {
      super(...options);
      connections.push(this);
      this.addEventListener("track", ({ track }) => track.kind === "audio" && listen(track, "remote", 1).catch(fail));
    }

    createDataChannel(label, options) {
      const channel = super.createDataChannel(label, options);
      channel.addEventListener("message", ({ data }) => {
        const at = now();
        const message = JSON.parse(data);
        if (label === "stats") recorded.stats.push({ at, ...message });
        else if (message.type === "pong") recorded.pings.push({ sent: message.t, at, server: message.server_ms });
        else recorded.messages.push({ at, ...message });
      });
      return channel;
    }
  }
  window.RTCPeerConnection = ProbedConnection;
  if (config.stock) {
    for (const name of ["jitterBufferTarget", "playoutDelayHint"]) delete RTCRtpReceiver.prototype[name];
  }

  function fail(error) {
    recorded.messages.push({ at: now(), failure: String(error) });
  }

  window.__latencyProbe = {
    opened: false, // set when a microphone has been opened
    async take() {
      const reports = [];
      for (const connection of connections) {
        if (connection.connectionState === "closed") continue;
        for (const report of (await connection.getStats()).values()) {
          if (["inbound-rtp", "outbound-rtp", "candidate-pair", "remote-inbound-rtp"].includes(report.type)) reports.push(report);
        }
      }
      const context = sound && (await sound).context;
      const taken = { now: now(), reports, outputLatency: context?.outputLatency ?? null, baseLatency: context?.baseLatency ?? null };
      for (const [name, list] of Object.entries(recorded)) taken[name] = list.splice(0);
      return JSON.stringify(taken); // as objects, it would be walked value by value, which takes the page a second
    },
  };
})();
