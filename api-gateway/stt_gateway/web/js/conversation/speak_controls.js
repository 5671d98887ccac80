// The foot of a conversation: one's name, and the button to speak.
import { t } from "../i18n/index.js";
import { sessionQuery } from "../live/session_query.js";
import { button, h } from "../ui/dom.js";
import { icon } from "../ui/icons.js";
import { saveSettings, settings } from "../ui/settings.js";
import { MOST_NAME_CHARS } from "./join_form.js";

/** Returns {element, start(), draw()}. */
export function speakControls(app, id, recording) {
  const name = h("input", {
    class: "input",
    value: settings.name,
    maxlength: MOST_NAME_CHARS,
    placeholder: t("talk.your_name"),
    "aria-label": t("talk.your_name"),
    autocomplete: "nickname",
    onchange: () => saveSettings({ name: name.value.trim() }),
  });
  const speak = button({
    name: "mic",
    text: t("talk.speak"),
    kind: "main",
    onclick: () => (recording.isOn ? recording.stop() : start()),
  });
  const link = h("p", { class: "chip", role: "status", hidden: true });

  function start() {
    const speaker = name.value.trim();
    saveSettings({ name: speaker });
    const query = { ...sessionQuery(settings, app.server), conversation_id: id };
    if (speaker) query.speaker = speaker;
    app.onAir.start(recording, { deviceId: settings.microphone, thin: settings.thin, query });
  }

  function draw() {
    speak.replaceChildren(icon(recording.isOn ? "stop" : "mic"), t(recording.isOn ? "talk.stop" : "talk.speak"));
    speak.disabled = recording.phase === "asking" || recording.phase === "stopping";
    name.disabled = recording.phase !== "idle";
    const text = linkText(recording);
    if (link.textContent !== text) link.textContent = text;
    link.hidden = !text;
    link.className = `chip ${recording.link === "open" && !recording.isInterrupted ? "good" : "warn"}`;
  }

  return { element: h("footer", { class: "talk-foot" }, name, speak, link), start, draw };
}

function linkText({ isOn, isInterrupted, link }) {
  if (!isOn) return "";
  if (link === "open") return t(isInterrupted ? "state.interrupted" : "state.listening");
  return t(link === "lost" ? "state.lost" : "state.connecting");
}
