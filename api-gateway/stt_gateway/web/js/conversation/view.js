// The Conversation page: start or join, speak, follow, and show big captions to an audience.
import { locale, t } from "../i18n/index.js";
import { problemNotice } from "../live/problem.js";
import { Recording } from "../live/recording.js";
import { Transcript } from "../live/transcript.js";
import { address } from "../router.js";
import { button, field, h, notice } from "../ui/dom.js";
import { icon } from "../ui/icons.js";
import { Following } from "../ui/following.js";
import { copyText } from "../ui/save.js";
import { keep, settings } from "../ui/settings.js";
import { toast } from "../ui/toast.js";
import { Feed } from "./feed.js";
import { newName } from "./names.js";
import { Viewer } from "./viewer.js";

const MOST_ROWS = 300;
const REFUSED_MS = 700;

export function create(app) {
  const element = h("section", { class: "conversation-page", "aria-label": t("nav.conversation") });
  let room = null;
  const close = () => {
    room?.close();
    room = null;
  };
  return {
    element,
    show({ rest }) {
      if (room && room.id === rest) return;
      close();
      enter(app, rest);
      if (rest) room = createRoom(app, app.room);
      element.replaceChildren(rest ? room.element : door());
    },
    // Called when the page changes its language; the recording outlives the view.
    destroy: close,
  };
}

/** Sets the open room, `app.room`, {id, recording}; null on the join form. Leaving a room closes its microphone. */
function enter(app, id) {
  if (app.room?.id === id) return;
  app.room?.recording.stop();
  app.room = null;
  if (id) {
    const recording = new Recording(app.base, new Transcript());
    app.room = { id, recording };
    app.onAir.add(recording, "conversation", id);
  }
  app.onRoom();
}

function door() {
  const id = h("input", { class: "input", value: newName(), maxlength: "100", required: true, autocomplete: "off" });
  const name = h("input", {
    class: "input",
    value: settings.name,
    maxlength: "60",
    autocomplete: "nickname",
    placeholder: t("talk.your_name_hint"),
  });
  const enter = (event) => {
    event.preventDefault();
    keep({ name: name.value.trim() });
    if (id.value.trim()) location.hash = address("conversation", id.value.trim());
  };
  return h(
    "div",
    { class: "page" },
    h("header", {}, h("h1", {}, t("talk.title")), h("p", {}, t("talk.intro"))),
    h(
      "form",
      { class: "join", onsubmit: enter },
      field(t("talk.your_name"), name),
      field(t("talk.id"), id),
      h(
        "div",
        { class: "row" },
        h("button", { class: "button main", type: "submit" }, icon("people"), t("talk.start")),
      ),
    ),
  );
}

function createRoom(app, { id, recording }) {
  const feed = new Feed();
  const viewer = new Viewer({ base: app.base, id, feed, onChange: (what) => changed(what) });

  const state = h("p", { class: "chip" });
  const captions = button({ name: "full", text: t("talk.captions"), kind: "small", onclick: () => big(true) });
  const small = button({
    name: "close",
    text: t("talk.leave_captions"),
    kind: "small",
    hidden: true,
    onclick: () => big(false),
  });
  const head = h(
    "header",
    { class: "talk-head" },
    h(
      "a",
      {
        class: "button small bare round to-hide",
        href: address("conversation"),
        "aria-label": t("talk.leave"),
        title: t("talk.leave"),
      },
      icon("back"),
    ),
    h("h1", { dir: "auto" }, id),
    state,
    h(
      "div",
      { class: "row" },
      button({
        name: "link",
        text: t("talk.share"),
        kind: "small to-hide",
        onclick: async () => toast((await copyText(location.href)) ? t("done.copied") : location.href),
      }),
      captions,
      small,
    ),
  );
  const problem = h("div", { class: "problem" });
  const empty = h(
    "div",
    { class: "blank" },
    icon("people"),
    h("h2", {}, t("talk.empty")),
    h("p", {}, t("talk.empty.text")),
  );
  const log = h("div", { class: "transcript", role: "log", "aria-label": t("talk.log") });
  const speaking = h("div", { class: "transcript live", "aria-hidden": "true" });
  const stage = h(
    "div",
    { class: "stage", tabindex: "0", role: "region", "aria-label": t("talk.log") },
    problem,
    empty,
    log,
    speaking,
  );
  const toNow = button({
    name: "down",
    text: t("live.to_now"),
    kind: "small main to-now",
    hidden: true,
    onclick: () => following.toNewest(),
  });
  const name = h("input", {
    class: "input",
    value: settings.name,
    maxlength: "60",
    placeholder: t("talk.your_name"),
    "aria-label": t("talk.your_name"),
    autocomplete: "nickname",
    onchange: () => keep({ name: name.value.trim() }),
  });
  const talk = button({
    name: "mic",
    text: t("talk.speak"),
    kind: "main",
    onclick: () => (recording.isOn ? recording.stop() : begin()),
  });
  const heard = h("p", { class: "chip", role: "status", hidden: true });
  const element = h(
    "div",
    { class: "talk-page" },
    head,
    h("div", { class: "stage-frame" }, stage, toNow),
    h("footer", { class: "talk-foot" }, name, talk, heard),
  );

  let shown = 0;
  let shownProblem = null;
  const rows = new Map();
  const shows = () => empty.hidden;
  const following = new Following(stage, log, (isOn) => (toNow.hidden = isOn), shows);

  function begin() {
    const speaker = name.value.trim();
    keep({ name: speaker });
    const query = {
      language: app.server.languages.includes(settings.language) ? settings.language : "auto",
      endpointing_ms: settings.endpointing,
      conversation_id: id,
    };
    if (speaker) query.speaker = speaker;
    if (settings.prompt) query.prompt = settings.prompt;
    app.onAir.start(recording, { deviceId: settings.microphone, thin: settings.thin, query });
  }

  function changed(what) {
    if (what === "utterance") {
      for (; shown < feed.utterances.length; shown += 1)
        log.append(said(feed.utterances[shown], feed.utterances[shown - 1]));
      while (following.isOn && log.childElementCount > MOST_ROWS) log.firstChild.remove();
    }
    drawSpeaking();
    drawState();
    if (following.isOn && shows()) following.toNewest();
  }

  function said(one, before) {
    const colour = feed.colour(one.speaker);
    const isSame = before && before.speaker === one.speaker && one.spoken_ms - before.spoken_ms < 60_000;
    const who = h("div", { class: "who" });
    if (!isSame)
      who.append(
        h("span", { class: `speaker of-${colour}`, dir: "auto" }, one.speaker || t("talk.someone")),
        h("time", {}, new Date(one.spoken_ms).toLocaleTimeString(locale(), { hour: "2-digit", minute: "2-digit" })),
      );
    return h(
      "div",
      { class: "said" },
      who,
      h("p", { class: `of-${colour}`, lang: one.language || undefined, dir: "auto" }, h("span", {}, one.text)),
    );
  }

  function drawSpeaking() {
    for (const [session, row] of rows)
      if (!feed.speaking.has(session)) {
        row.element.remove();
        rows.delete(session);
      }
    for (const [session, one] of feed.speaking) {
      if (!rows.has(session)) {
        const colour = feed.colour(one.speaker);
        const stable = h("span", {});
        const unstable = h("span", { class: "unstable" });
        const row = {
          stable,
          unstable,
          element: h(
            "div",
            { class: "said" },
            h(
              "div",
              { class: "who" },
              h("span", { class: `speaker of-${colour}`, dir: "auto" }, one.speaker || t("talk.someone")),
            ),
            h("p", { class: `of-${colour}`, dir: "auto" }, stable, unstable),
          ),
        };
        rows.set(session, row);
        speaking.append(row.element);
      }
      rows.get(session).stable.textContent = one.stable;
      rows.get(session).unstable.textContent = one.text.slice(one.stable.length);
    }
    speaking.hidden = rows.size === 0;
    empty.hidden = feed.utterances.length > 0 || rows.size > 0 || viewer.state === "missing";
  }

  function drawState() {
    const { state: now } = viewer;
    state.textContent = now === "open" ? t("talk.connected") : now === "lost" ? t("talk.lost") : t("talk.connecting");
    state.className = `chip ${now === "open" ? "good" : now === "lost" ? "warn" : ""}`;
    state.hidden = now === "missing";
    talk.replaceChildren(icon(recording.isOn ? "stop" : "mic"), recording.isOn ? t("talk.stop") : t("talk.speak"));
    talk.disabled = recording.phase === "asking" || recording.phase === "stopping";
    name.disabled = recording.phase !== "idle";
    const text = !recording.isOn
      ? ""
      : recording.link === "open"
        ? t("state.listening")
        : recording.link === "lost"
          ? t("state.lost")
          : t("state.connecting");
    if (heard.textContent !== text) heard.textContent = text;
    heard.hidden = !text;
    heard.className = `chip ${recording.link === "open" ? "good" : "warn"}`;
    const matter = viewer.state === "missing" ? "missing" : recording.problem;
    if (matter === shownProblem) return;
    shownProblem = matter;
    problem.replaceChildren(
      ...(matter === "missing"
        ? [
            notice({
              name: "info",
              title: t("feature.missing"),
              text: t("feature.missing.conversation"),
              actions: [
                button({ name: "retry", text: t("action.again"), kind: "small", onclick: () => viewer.open() }),
              ],
            }),
          ]
        : matter
          ? [problemNotice(matter, begin)]
          : []),
    );
  }

  async function big(isBig) {
    if (element.classList.contains("captions-only") === isBig) return;
    element.classList.toggle("captions-only", isBig);
    captions.hidden = isBig;
    small.hidden = !isBig;
    (isBig ? small : captions).focus();
    following.toNewest();
    if (isBig)
      await document.documentElement.requestFullscreen?.().catch(() => {
        /* big captions work without full screen too */
      });
    else if (document.fullscreenElement) await document.exitFullscreen();
  }
  let fullSince = null;
  const onFullscreen = () => {
    if (document.fullscreenElement) fullSince = performance.now();
    // Leaving full screen through the browser also leaves the big captions, unless full screen was never entered.
    else if (fullSince !== null && performance.now() - fullSince > REFUSED_MS) big(false);
  };
  const onKey = (event) => {
    if (event.key === "Escape" && element.classList.contains("captions-only")) big(false);
  };
  document.addEventListener("fullscreenchange", onFullscreen);
  document.addEventListener("keydown", onKey);
  const onRecording = () => {
    element.classList.toggle("speaking", recording.isOn);
    drawState();
  };
  recording.addEventListener("change", onRecording);
  drawSpeaking();
  onRecording();
  viewer.open();
  return {
    id,
    element,
    close() {
      document.removeEventListener("fullscreenchange", onFullscreen);
      document.removeEventListener("keydown", onKey);
      if (element.classList.contains("captions-only")) big(false);
      recording.removeEventListener("change", onRecording);
      viewer.close();
    },
  };
}
