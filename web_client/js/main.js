// Brings the parts of the page together.

import { request } from "./api.js";
import { ServerClock } from "./clock.js";
import { Connection } from "./connection.js";
import { listDevices } from "./devices.js";
import { Drivers } from "./drivers.js";
import { StageGraph } from "./graph.js";
import { clearNotices, complain, notify, showStatus } from "./notices.js";
import { Portraits } from "./portraits.js";
import { PresentedFrames } from "./presented.js";
import { Recording } from "./recording.js";
import { Sliders } from "./sliders.js";
import { SpeechPush } from "./speech_push.js";

const $ = (id) => document.getElementById(id);
const video = $("avatar");
const watching = new URLSearchParams(location.search).get("session");
const STATUS = {
  idle: ["idle", "Ready"],
  connecting: ["busy", "Connecting…"],
  live: ["live", "Live"],
  lost: ["bad", "Connection lost – trying again…"],
};

async function begin() {
  const settings = await request("/config");
  const connection = new Connection(settings);
  const portraits = new Portraits(settings.maxPortraitBytes);
  const drivers = new Drivers(settings.drivers);
  const sliders = new Sliders();
  const clock = new ServerClock();
  const presented = new PresentedFrames(video, clock);
  const graph = new StageGraph();
  const recording = new Recording();
  const speech = new SpeechPush();
  let wanted = null; // the driver that was chosen, until the engine confirms it

  $("codec").append(...settings.codecs.map((codec) => new Option(codec, codec, codec === settings.codec, codec === settings.codec)));

  async function start() {
    clearNotices();
    $("start").disabled = true;
    try {
      let kind = null;
      while (!watching && kind !== drivers.kind) { // while the browser asks, the user may choose something else
        kind = drivers.kind;
        await drivers.open();
      }
      await connection.start({
        avatar: portraits.chosen?.id, driver: drivers.kind, codec: $("codec").value, session: watching,
      });
    } catch (error) {
      drivers.release();
      complain(error);
    } finally {
      $("start").disabled = false;
    }
  }

  function stop() {
    recording.stop();
    speech.stop();
    connection.stop();
    drivers.release();
  }

  // The engine is driven by something else than was asked for: the buttons and the devices follow.
  function follow(kind) {
    drivers.choose(kind, { silent: true });
    if (connection.owner && connection.state === "live") drivers.open().catch(complain).then(() => show(connection.state));
  }

  // The photo stays until the first picture has come.
  function showPoster() {
    const moving = connection.state === "live" && video.readyState >= HTMLMediaElement.HAVE_CURRENT_DATA;
    $("poster").hidden = moving || !$("poster").src;
  }
  video.addEventListener("loadeddata", showPoster);

  function show(state) {
    if (state !== "live") wanted = null;
    showStatus(...STATUS[state]);
    const live = state === "live";
    $("screen").dataset.state = state;
    $("veil").hidden = live || state === "connecting" || state === "lost";
    showPoster();
    for (const id of ["hear", "record", "fullscreen"]) $(id).disabled = !live;
    $("stop").disabled = state === "idle";
    $("mute").disabled = !live || !connection.owner || !drivers.tracks.audio;
    $("calibrate").disabled = !live || !connection.owner || drivers.kind !== "webcam";
    $("share").hidden = !live || Boolean(watching);
    document.body.classList.toggle("live", live);
    if (!live) {
      if (recording.running) toggleRecording();
      presented.reset();
      clock.reset();
      for (const id of ["figure-latency", "figure-fps", "figure-viewers"]) $(id).textContent = "–";
    }
    if (live && connection.token) $("speech-address").textContent = SpeechPush.address(connection.session, connection.token);
    if (state === "idle") {
      $("speech-address").textContent = "Start a session to get its address.";
      video.srcObject = null;
      drivers.release();
    }
  }

  connection.addEventListener("state", ({ detail }) => show(detail));
  connection.addEventListener("stream", ({ detail }) => {
    if (video.srcObject !== detail) video.srcObject = detail;
    video.play().catch(() => {}); // muted pictures may always play; sound needs a press of a button first
  });
  connection.addEventListener("message", ({ detail: message }) => {
    if (message.type === "pong") clock.learn(message.t, message.server_ms);
    else if (message.type === "error") {
      wanted = null; // what was refused will not come
      complain({ message: message.error, hint: message.hint });
    }
    else if (message.type === "message") notify(message.text);
    else if (message.type === "sliders") sliders.show(message.values);
    else if (message.type === "state") {
      if (message.sliders) sliders.show(message.sliders);
      $("idle-motion").checked = message.idle;
      if (message.driver === wanted) wanted = null;
      if (message.driver !== drivers.kind && !wanted) follow(message.driver);
      Object.assign(connection.options, { driver: message.driver, avatar: message.avatar }); // for another session
      if (message.avatar !== portraits.chosen?.id) portraits.choose(message.avatar, { silent: true });
      press("mute", message.muted, message.muted ? "Unmute microphone" : "Mute microphone");
      $("figure-viewers").textContent = message.viewers;
    }
  });
  connection.addEventListener("stats", ({ detail: stats }) => {
    presented.join(stats.frames);
    const summary = presented.summary();
    graph.draw(presented.frames, summary);
    $("figure-latency").textContent = summary.total === null ? "–" : `${summary.total.toFixed(0)} ms`;
    $("figure-fps").textContent = presented.rate ? presented.rate.toFixed(1) : "–";
    $("figure-viewers").textContent = stats.viewers;
  });

  portraits.addEventListener("choose", ({ detail: { avatar, silent } }) => {
    if (!avatar) return;
    $("poster").src = avatar.picture;
    showPoster();
    sliders.forgetRest();
    if (!silent && connection.owner) connection.send({ type: "portrait", id: avatar.id });
  });
  drivers.addEventListener("choose", async () => {
    if (connection.state !== "live") return;
    wanted = drivers.kind;
    try {
      if (await drivers.open()) connection.send({ type: "driver", name: drivers.kind });
    } catch (error) {
      wanted = null;
      complain(error);
    }
    show(connection.state);
  });
  drivers.addEventListener("tracks", () => {
    connection.setTrack("audio", drivers.tracks.audio);
    connection.setTrack("video", drivers.tracks.video);
  });
  sliders.addEventListener("change", ({ detail }) => connection.send({ type: "sliders", values: detail }));
  sliders.addEventListener("reset", () => connection.send({ type: "reset" }));

  function press(id, on, text) {
    $(id).setAttribute("aria-pressed", on);
    $(id).textContent = text;
  }
  function toggleRecording() {
    const on = !recording.running;
    if (on && !recording.start(video.srcObject)) return;
    if (!on) recording.stop();
    press("record", on, on ? "Stop recording" : "Record");
  }

  $("start").onclick = start;
  $("stop").onclick = stop;
  $("calibrate").onclick = () => connection.send({ type: "calibrate" });
  $("mute").onclick = () => connection.send({ type: "mute", on: $("mute").getAttribute("aria-pressed") !== "true" });
  $("hear").onclick = () => {
    video.muted = !video.muted;
    connection.hear(!video.muted);
    press("hear", !video.muted, video.muted ? "Hear avatar" : "Silence avatar");
  };
  $("record").onclick = toggleRecording;
  $("fullscreen").onclick = () => (document.fullscreenElement ? document.exitFullscreen() : $("screen").requestFullscreen());
  $("idle-motion").onchange = ({ target }) => connection.send({ type: "idle", on: target.checked });
  $("share").onclick = async () => {
    const link = `${location.origin}/?session=${connection.session}`;
    const hint = "Whoever opens it watches this session.";
    try {
      await navigator.clipboard.writeText(link);
      notify("Viewer link copied.", { hint });
    } catch {
      notify(link, { hint, seconds: 0 }); // no clipboard on this address: to be copied by hand
    }
  };
  $("speech-file").onchange = ({ target }) => {
    if (target.files.length && connection.token) speech.speak(target.files[0], connection.session, connection.token).catch(complain);
    else if (target.files.length) notify("Start a session first.");
    target.value = "";
  };
  $("speech-clear").onclick = () => speech.clear();
  document.onkeydown = (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName)) return;
    const button = { c: "calibrate", m: "mute", r: "record", f: "fullscreen" }[event.key.toLowerCase()];
    if (button && !$(button).disabled) $(button).click();
  };
  window.addEventListener("pagehide", () => connection.state !== "idle" && stop());

  if (watching) {
    document.querySelector(".side").hidden = true;
    for (const id of ["calibrate", "mute"]) $(id).hidden = true;
    $("start").textContent = "Watch";
    $("veil-text").textContent = "You are invited to watch this avatar.";
  }
  show("idle");
  await Promise.all([portraits.load(), listDevices()]);
}

begin().catch((error) => {
  showStatus("bad", "Not available");
  complain(error);
});
