// The Live page's options: microphone, language, and how text is made.
import { t } from "../i18n/index.js";
import { button, field, h, keytermsField, promptField, select, toggle } from "../ui/dom.js";
import { languageSelect } from "../ui/language_select.js";
import { saveSettings, settings } from "../ui/settings.js";
import { microphones, recorderType } from "./microphone.js";

const PAUSES = ["auto", "300", "500", "900", "1500"];

/** `canKeep`: promise, whether the server has a library. Returns {element, button, isOpen, open(), close()}. */
export function optionsPanel({ recording, server }, canKeep) {
  const element = h("div", { class: "panel", id: "live-options", hidden: true });
  const toggleButton = button({
    name: "sliders",
    label: t("live.options"),
    onclick: () => (element.hidden ? open() : close()),
    "aria-expanded": "false",
    "aria-controls": "live-options",
  });

  async function open() {
    show(true);
    element.replaceChildren(
      button({ name: "close", label: t("action.close"), kind: "bare small", onclick: dismiss }),
      await microphoneField(),
      languageField(server),
      pauseField(),
      keytermsField(settings.keyterms, (keyterms) => saveSettings({ keyterms })),
      promptField(settings.prompt, (prompt) => saveSettings({ prompt })),
      h("div", { class: "toggles" }, toggles(server, await canKeep)),
      recording.isOn ? h("p", { class: "quiet" }, t("live.next_time")) : "",
    );
    element.querySelector("select").focus();
  }

  function dismiss() {
    close();
    toggleButton.focus();
  }

  function close() {
    show(false);
  }

  document.addEventListener("click", ({ target }) => {
    if (!element.hidden && target.isConnected && !element.contains(target) && !toggleButton.contains(target)) close();
  });

  function show(isOpen) {
    element.hidden = !isOpen;
    toggleButton.setAttribute("aria-expanded", String(isOpen));
  }

  return {
    element,
    button: toggleButton,
    get isOpen() {
      return !element.hidden;
    },
    open,
    close,
  };
}

async function microphoneField() {
  const devices = (await microphones()).filter(({ id }) => id !== "default");
  const entries = [
    ["", t("live.mic_default")],
    ...devices.map(({ id, label }, i) => [id, label || t("live.mic_n", { n: i + 1 })]),
  ];
  const chosen = entries.some(([id]) => id === settings.microphone) ? settings.microphone : "";
  return field(
    t("live.mic"),
    select(entries, chosen, (microphone) => saveSettings({ microphone })),
  );
}

function languageField(server) {
  return field(
    t("live.language"),
    languageSelect(server, {
      first: ["auto", t("language.auto")],
      chosen: settings.language,
      onchange: (language) => saveSettings({ language }),
    }),
  );
}

function pauseField() {
  const entries = PAUSES.map((ms) => [ms, t(`live.endpointing_${ms}`)]);
  return field(
    t("live.endpointing"),
    select(entries, settings.pause, (pause) => saveSettings({ pause })),
  );
}

function toggles(server, canKeep) {
  const setting = (name, text = `live.${name}`) =>
    toggle(t(text), settings[name], (isOn) => saveSettings({ [name]: isOn }));
  return [
    server.isMultilingual && setting("translate"),
    recorderType() && setting("thin"),
    setting("apart"),
    setting("speakers", "files.speakers"),
    setting("known", "files.known"),
    canKeep && setting("keep"),
    setting("redact"),
  ];
}
