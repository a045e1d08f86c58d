// Runs inside the engine's own page, before its scripts, and watches what passes between it and the browser: local tracks,
// the connection, its data channels, and the pictures presented. Changes nothing that the page does.
//
// `window.__latencyProbe.take()` returns and forgets what was recorded. All times are performance.now() milliseconds.

(() => {
  const config = window.__latencyConfig; // { film: [l, t, w, h], avatar: [l, t, w, h], columns, rows, stock }
  const PICTURES = 6, CHUNKS = 300; // that may wait for this thread without being dropped
  const now = () => performance.now();
  const recorded = { camera: [], preview: [], avatar: [], sound: [], pulls: [], stats: [], pings: [], messages: [] };
  const connections = [];
  let sound = null;

  // -- pictures: a small luma crop around the mouth of every picture that is captured and of every one presented

  function cropper(box) {
    const canvas = new OffscreenCanvas(config.columns, config.rows);
    const context = canvas.getContext("2d", { willReadFrequently: true, alpha: false });
    context.imageSmoothingQuality = "medium";
    const [left, top, width, height] = box;
    return (picture, w, h) => {
      context.drawImage(picture, left * w, top * h, width * w, height * h, 0, 0, config.columns, config.rows);
      const rgba = context.getImageData(0, 0, config.columns, config.rows).data;
      let luma = "";
      for (let i = 0; i < rgba.length; i += 4) {
        luma += String.fromCharCode((77 * rgba[i] + 150 * rgba[i + 1] + 29 * rgba[i + 2]) >> 8);
      }
      return btoa(luma);
    };
  }

  function watch(video) {
    const crop = cropper(config.avatar);
    const onFrame = (at, meta) => {
      recorded.avatar.push({
        at, shown: meta.expectedDisplayTime, submitted: meta.presentationTime,
        received: meta.receiveTime ?? null, rtp: meta.rtpTimestamp ?? null, count: meta.presentedFrames,
        decode: meta.processingDuration ?? null, width: meta.width, height: meta.height,
        luma: crop(video, meta.width, meta.height),
      });
      video.requestVideoFrameCallback(onFrame);
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

  async function look(track) {
    const crop = cropper(config.film);
    const reader = new MediaStreamTrackProcessor({ track: track.clone(), maxBufferSize: PICTURES }).readable.getReader();
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      const luma = crop(value, value.displayWidth, value.displayHeight);
      recorded.camera.push({ at: now(), stamp: value.timestamp / 1000, luma });
      value.close();
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
            for (let k = 0; k < 2; k++) { this.bins[k].push(Math.sqrt(this.sums[k] / 48)); this.sums[k] = 0; }
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
    sound ??= openSound();
    const { context, node } = await sound;
    context.createMediaStreamSource(new MediaStream([track])).connect(node, 0, input);
    let position = 0, sum = 0, count = 0;
    const reader = new MediaStreamTrackProcessor({ track: track.clone(), maxBufferSize: CHUNKS }).readable.getReader();
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
          bins.push(Math.sqrt(sum / count));
          sum = count = 0;
        }
      }
      position += value.numberOfFrames / perBin;
      recorded.pulls.push({ name, at, end: position - count / perBin, stamp: value.timestamp / 1000, bins });
      value.close();
    }
  }

  // -- the page's own calls, observed

  const getUserMedia = MediaDevices.prototype.getUserMedia;
  MediaDevices.prototype.getUserMedia = async function (constraints) {
    const stream = await getUserMedia.call(this, constraints);
    for (const track of stream.getVideoTracks()) look(track).catch(fail);
    for (const track of stream.getAudioTracks()) listen(track, "local", 0).catch(fail);
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
      return taken;
    },
  };
})();
