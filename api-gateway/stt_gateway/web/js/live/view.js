// The Live page.
import { t } from "../i18n/index.js";
import { h } from "../ui/dom.js";
import { settings } from "../ui/settings.js";
import { recordingControls } from "./controls.js";
import { liveHeading } from "./heading.js";
import { optionsPanel } from "./options_panel.js";
import { sessionQuery } from "./session_query.js";
import { shortcuts } from "./shortcuts.js";
import { liveStage } from "./stage.js";
import { statusChip } from "./status_chip.js";
import { TextActions } from "./text_actions.js";

export function create(app) {
  const { recording, server } = app;
  // Assumed until the server has answered.
  let canKeep = true;
  const canKeepKnown = server.has("v1/stt/transcripts").then((is) => (canKeep = is));

  const start = () => {
    options.close();
    const query = liveQuery(server, canKeep);
    app.onAir.start(recording, {
      deviceId: settings.microphone,
      thin: settings.thin,
      channels: settings.apart ? 2 : 1,
      query,
    });
  };
  const redraw = () => {
    stage.captions.redraw();
    draw();
  };
  const onRestore = (entry) => {
    app.keeper.restore(entry);
    redraw();
    controls.start.focus();
  };
  const actions = new TextActions(app, redraw);
  const heading = liveHeading(app, actions);
  const stage = liveStage(app, { onStart: start, onRestore });
  const options = optionsPanel(app, canKeepKnown);
  const controls = recordingControls(recording, { onStart: start, optionsButton: options.button });
  const status = statusChip(recording, server);
  const hint = keysHint(app);
  const dock = h("div", { class: "dock" }, options.element, controls.element, status.element, hint.element);
  const label = { class: "live-page", "aria-label": t("nav.live") };
  const element = h("section", label, heading.element, stage.element, dock);

  function draw() {
    element.dataset.phase = recording.phase;
    options.button.disabled = recording.phase === "asking";
    for (const part of [heading, stage, controls, status, hint]) part.draw();
  }

  const animation = whileRecording(recording, () => {
    controls.drawLevel();
    heading.drawClock();
  });
  const onKey = shortcuts({ recording, actions, controls, options, onStart: start, scroller: stage.scroller });
  const stopListening = listen(app, { element, stage, draw, animation, onKey });
  draw();
  animation.run();
  return {
    element,
    show() {
      stage.offer.refresh();
      stage.captions.follow();
      draw();
    },
    destroy() {
      animation.stop();
      stopListening();
    },
  };
}

/** Listens to everything that changes the page; returns a function that ends it. */
function listen({ recording, server, keeper }, { element, stage, draw, animation, onKey }) {
  const listeners = new AbortController();
  const on = (target, kind, action) => target.addEventListener(kind, action, { signal: listeners.signal });
  on(recording, "change", () => {
    draw();
    animation.run();
  });
  on(recording, "text", ({ detail }) => {
    stage.captions.update(detail);
    draw();
  });
  on(server, "change", draw);
  on(keeper, "change", draw);
  on(window, "storage", stage.offer.refresh);
  on(document, "visibilitychange", stage.offer.refresh);
  on(window, "beforeprint", () => stage.captions.showAll());
  on(window, "afterprint", () => stage.captions.redraw());
  on(document, "keydown", (event) => {
    if (!element.hidden) onKey(event);
  });
  return () => listeners.abort();
}

function liveQuery(server, canKeep) {
  const query = sessionQuery(settings, server);
  if (settings.translate && server.isMultilingual) query.task = "translate";
  if (settings.keep && canKeep) query.store = "true";
  if (settings.speakers) query.speakers = "auto";
  if (settings.known) query.known_speakers = "true";
  return query;
}

/** The line below the buttons: keys, or that the text is not saved. Returns {element, draw()}. */
function keysHint({ recording, transcript, keeper }) {
  const element = h("p", { class: "keys quiet" });
  return {
    element,
    draw() {
      const isIdle = recording.phase === "idle";
      const isUnsaved = isIdle && !transcript.isEmpty && keeper.isUnsaved;
      element.textContent = t(isUnsaved ? "live.unsaved" : "live.keys");
      element.classList.toggle("unsaved", isUnsaved);
      element.classList.toggle("away", !isUnsaved && !(isIdle && transcript.isEmpty));
    },
  };
}

/** Calls `draw` before each frame while the recording is on, and once after it. Returns {run(), stop()}. */
function whileRecording(recording, draw) {
  let frame = 0;
  const beat = () => {
    draw();
    frame = recording.isOn ? requestAnimationFrame(beat) : 0;
  };
  return {
    run: () => !frame && beat(),
    stop: () => cancelAnimationFrame(frame),
  };
}
