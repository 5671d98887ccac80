// The Live page.
import { language, languageName, t } from "../i18n/index.js";
import { shortClock } from "../text/clock.js";
import { plainText, srt, vtt } from "../text/subtitles.js";
import { button, field, h, menu, promptField, select, toggle } from "../ui/dom.js";
import { icon } from "../ui/icons.js";
import { copyText, saveText } from "../ui/save.js";
import { keep, settings } from "../ui/settings.js";
import { toast } from "../ui/toast.js";
import { Captions } from "./captions.js";
import { draftOffer } from "./draft_offer.js";
import { microphones, recorderType } from "./microphone.js";
import { problemNotice } from "./problem.js";

const PAUSES = ["300", "500", "900", "1500"];
const SLOW_MS = 3000;

export function create(app) {
  const { recording, transcript, server, keeping } = app;
  const cleanups = [];
  const on = (target, kind, action) => {
    target.addEventListener(kind, action);
    cleanups.push(() => target.removeEventListener(kind, action));
  };

  const problem = h("div", { class: "problem" });
  const offer = draftOffer(app.drafts, (draft) => {
    keeping.restore(draft);
    captions.renew();
    draw();
    talk.focus();
  });
  const empty = h(
    "div",
    { class: "empty" },
    h("h1", {}, t("live.title")),
    h("p", { class: "quiet" }, t("live.intro")),
    problem,
    offer.element,
  );
  const scroller = h("div", { class: "stage", tabindex: "0", role: "region", "aria-label": t("live.text") });
  const toNow = button({
    name: "down",
    text: t("live.to_now"),
    kind: "small main to-now",
    hidden: true,
    onclick: () => captions.follow(),
  });
  const captions = new Captions(transcript, scroller, (isFollowing) => {
    toNow.hidden = isFollowing;
  });
  scroller.append(empty, captions.element);

  const clock = h("span", { class: "clock number" }, "0:00");
  const tools = h(
    "div",
    { class: "row tools" },
    button({ name: "copy", text: t("action.copy"), kind: "bare small", onclick: copy }),
    menu(
      t("action.download"),
      "download",
      [
        { text: t("format.txt"), onclick: () => save("txt", plainText) },
        { text: t("format.srt"), onclick: () => save("srt", srt) },
        { text: t("format.vtt"), onclick: () => save("vtt", vtt) },
      ],
      { kind: "bare small" },
    ),
    button({ name: "trash", text: t("live.clear"), kind: "bare small", onclick: clear }),
  );
  const heading = h("h1", {}, t("nav.live"));
  const head = h("header", { class: "live-head" }, h("div", { class: "live-head-in" }, heading, clock, tools));

  const state = h("p", { class: "chip" });
  // The chip changes twice a second; screen readers announce only what matters.
  const spoken = h("p", { class: "unseen", role: "status" });
  const talk = h(
    "button",
    { type: "button", class: "talk", onclick: () => (recording.isOn ? recording.stop() : begin()) },
    h("span", { class: "ring" }),
    icon("mic"),
    icon("stop"),
  );
  const pause = button({
    name: "pause",
    label: t("live.pause"),
    onclick: () => (recording.phase === "paused" ? recording.resume() : recording.pause()),
  });
  const finish = button({ name: "enter", label: t("live.finalize"), onclick: () => recording.finalize() });
  const panel = h("div", { class: "panel", id: "live-options", hidden: true });
  const options = button({
    name: "sliders",
    label: t("live.options"),
    onclick: () => openPanel(panel.hidden),
    "aria-expanded": "false",
    "aria-controls": "live-options",
  });
  const help = h("p", { class: "keys quiet" });
  const dock = h(
    "div",
    { class: "dock" },
    panel,
    h(
      "div",
      { class: "dock-row" },
      h("div", { class: "row left" }, options),
      talk,
      h("div", { class: "row right" }, pause, finish),
    ),
    h("div", { class: "dock-state" }, state, spoken),
    help,
  );
  const element = h(
    "section",
    { class: "live-page", "aria-label": t("nav.live") },
    head,
    h("div", { class: "stage-frame" }, scroller, toNow),
    dock,
  );

  // Assumed until the server has answered.
  let canKeep = true;
  const canKeepKnown = server.has("/v1/stt/transcripts").then((is) => (canKeep = is));

  function begin() {
    openPanel(false);
    const chosen = server.languages.includes(settings.language) ? settings.language : "auto";
    const query = { language: chosen, endpointing_ms: settings.endpointing };
    if (settings.translate && server.multilingual) query.task = "translate";
    if (settings.prompt) query.prompt = settings.prompt;
    if (settings.keep && canKeep) query.store = "true";
    app.onAir.start(recording, { deviceId: settings.microphone, thin: settings.thin, query });
  }

  async function openPanel(isOpen) {
    panel.hidden = !isOpen;
    options.setAttribute("aria-expanded", String(isOpen));
    if (!isOpen) return;
    await fillPanel();
    panel.querySelector("select")?.focus();
  }

  async function fillPanel() {
    const devices = await microphones();
    const mics = [
      ["", t("live.mic_default")],
      ...devices.filter((d) => d.id !== "default").map((d, i) => [d.id, d.label || t("live.mic_n", { n: i + 1 })]),
    ];
    const languages = server.languages
      .map((code) => [code, languageName(code)])
      .sort((a, b) => a[1].localeCompare(b[1], language()));
    panel.replaceChildren(
      field(
        t("live.mic"),
        select(mics, mics.some(([id]) => id === settings.microphone) ? settings.microphone : "", (microphone) =>
          keep({ microphone }),
        ),
      ),
      field(
        t("live.language"),
        select(
          [["auto", t("language.auto")], ...languages],
          server.languages.includes(settings.language) ? settings.language : "auto",
          (value) => keep({ language: value }),
        ),
      ),
      field(
        t("live.endpointing"),
        select(
          PAUSES.map((ms) => [ms, t(`live.endpointing_${ms}`)]),
          settings.endpointing,
          (endpointing) => keep({ endpointing }),
        ),
      ),
      promptField(settings.prompt, (prompt) => keep({ prompt })),
      h(
        "div",
        { class: "toggles" },
        server.multilingual
          ? toggle(t("live.translate"), settings.translate, (translate) => keep({ translate }))
          : null,
        recorderType() ? toggle(t("live.thin"), settings.thin, (thin) => keep({ thin })) : null,
        (await canKeepKnown) ? toggle(t("live.keep"), settings.keep, (value) => keep({ keep: value })) : null,
      ),
      recording.isOn ? h("p", { class: "quiet" }, t("live.next_time")) : "",
    );
  }

  async function copy() {
    const isCopied = await copyText(plainText(transcript.utterances));
    if (isCopied) keeping.mark(false);
    toast(isCopied ? t("done.copied") : t("done.not_copied"));
  }
  function save(kind, format) {
    saveText(`${t("live.filename")} ${stamp()}.${kind}`, format(transcript.utterances));
    keeping.mark(false);
  }
  function clear() {
    const old = transcript.utterances.splice(0);
    const { live, gaps } = transcript;
    const wasUnsaved = keeping.isUnsaved;
    transcript.gaps = [];
    if (!recording.isOn) {
      transcript.live = null;
      recording.offsetMs = 0;
    }
    const renew = (isUnsaved) => {
      keeping.mark(isUnsaved);
      captions.renew();
      draw();
    };
    renew(false);
    toast(t("done.cleared"), {
      text: t("action.undo"),
      onclick: () => {
        transcript.utterances.unshift(...old);
        Object.assign(transcript, { gaps: [...gaps, ...transcript.gaps], live: transcript.live ?? live });
        recording.offsetMs = Math.max(recording.offsetMs, old.at(-1)?.endMs ?? 0);
        renew(wasUnsaved || keeping.isUnsaved);
      },
    });
  }

  function draw() {
    const { phase } = recording;
    element.dataset.phase = phase;
    const isBlank = transcript.isEmpty;
    empty.hidden = !isBlank && !recording.problem;
    empty.classList.toggle("small", !isBlank);
    head.classList.toggle("idle", isBlank && phase === "idle");
    tools.hidden = transcript.utterances.length === 0;
    talk.setAttribute("aria-label", recording.isOn ? t("live.stop") : t("live.start"));
    talk.disabled = phase === "asking" || phase === "stopping";
    const isPaused = phase === "paused";
    pause.replaceChildren(icon(isPaused ? "play" : "pause"));
    pause.setAttribute("aria-label", isPaused ? t("live.resume") : t("live.pause"));
    pause.title = isPaused ? t("live.resume") : t("live.pause");
    pause.setAttribute("aria-pressed", String(isPaused));
    pause.hidden = finish.hidden = !recording.isOn;
    options.disabled = phase === "asking";
    const isLoose = phase === "idle" && !isBlank && keeping.isUnsaved;
    help.textContent = t(isLoose ? "live.unsaved" : "live.keys");
    help.classList.toggle("unsaved", isLoose);
    help.classList.toggle("away", !isLoose && !(phase === "idle" && isBlank));
    const [text, kind] = stateText(recording, server);
    if (state.textContent !== text) state.textContent = text;
    state.className = `chip ${kind}`;
    state.hidden = !text;
    const news = recording.behindMs !== null && kind === "good" ? t("state.listening") : text.replace(/\d+/g, "");
    if (spoken.dataset.news !== news) {
      // Do not announce the initial state of the page.
      if (spoken.dataset.news !== undefined) spoken.textContent = kind === "good" ? t("state.listening") : text;
      spoken.dataset.news = news;
    }
    drawProblem();
  }

  let shown = null;
  function drawProblem() {
    if (shown === recording.problem) return;
    shown = recording.problem;
    problem.replaceChildren(...(shown ? [problemNotice(shown, begin)] : []));
    if (shown) scroller.scrollTop = 0;
  }

  let frameId = 0;
  const ring = talk.querySelector(".ring");
  let level = 0;
  function beat() {
    // Rise immediately and fall slowly, so that the ring does not seem to flicker.
    level = Math.max(recording.level, level * 0.9);
    // At full level the ring reaches the button's neighbours without covering them.
    ring.style.transform = `scale(${(1 + level * 0.28).toFixed(3)})`;
    const text = shortClock(recording.positionMs);
    if (clock.textContent !== text) clock.textContent = text;
    frameId = recording.isOn ? requestAnimationFrame(beat) : 0;
    if (!frameId) ring.style.transform = "";
  }

  on(recording, "change", () => {
    draw();
    if (recording.isOn && !frameId) frameId = requestAnimationFrame(beat);
  });
  on(recording, "text", ({ detail }) => {
    captions.update(detail);
    draw();
  });
  on(server, "change", draw);
  on(keeping, "change", draw);
  on(window, "storage", offer.refresh);
  on(document, "visibilitychange", offer.refresh);
  on(document, "keydown", (event) => {
    if (element.hidden || event.ctrlKey || event.metaKey || event.repeat) return;
    if (event.altKey) {
      const action = {
        KeyS: () => recording.stop(),
        KeyE: () => recording.finalize(),
        KeyC: copy,
        KeyP: () => pause.click(),
      }[event.code];
      if (action) {
        event.preventDefault();
        action();
      }
    } else if (
      event.code === "Space" &&
      (event.target === document.body || event.target === scroller || event.target.id === "main")
    ) {
      event.preventDefault();
      if (recording.isOn) pause.click();
      else if (recording.phase === "idle") begin();
    } else if (event.key === "Escape" && !panel.hidden) {
      openPanel(false);
      options.focus();
    }
  });
  draw();
  beat();
  return {
    element,
    show() {
      offer.refresh();
      captions.follow();
      draw();
    },
    destroy() {
      cancelAnimationFrame(frameId);
      cleanups.forEach((action) => action());
    },
  };
}

/** The chip's text and colour. */
function stateText(recording, server) {
  const seconds = (ms) =>
    (ms / 1000).toLocaleString(language(), { minimumFractionDigits: 1, maximumFractionDigits: 1 });
  switch (recording.phase) {
    case "asking":
      return [t("state.asking"), ""];
    case "stopping":
      return [recording.link === "lost" ? t("state.lost") : t("state.stopping"), ""];
    case "idle":
      if (server.status === "loading") return [t("server.loading"), "warn"];
      if (server.status === "down" || server.status === "offline") return [t(`server.${server.status}`), "bad"];
      if (!recording.transcript.isEmpty) return [t("state.ended"), ""];
      // "Ready" would contradict a notice about a problem.
      return [recording.problem ? "" : t("state.ready"), ""];
    default:
  }
  if (recording.link === "lost")
    return [
      recording.keptMs > 500 ? t("state.lost_kept", { s: Math.round(recording.keptMs / 1000) }) : t("state.lost"),
      "warn",
    ];
  if (recording.link === "connecting") return [t("state.connecting"), ""];
  if (recording.phase === "paused") return [t("state.paused"), ""];
  if (recording.behindMs === null) return [t("state.listening"), "good"];
  return [t("state.behind", { s: seconds(recording.behindMs) }), recording.behindMs > SLOW_MS ? "warn" : "good"];
}

function stamp() {
  const now = new Date();
  const two = (n) => String(n).padStart(2, "0");
  return `${now.getFullYear()}-${two(now.getMonth() + 1)}-${two(now.getDate())} ${two(now.getHours())}.${two(now.getMinutes())}`;
}
