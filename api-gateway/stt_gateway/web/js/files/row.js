// A file in the list: its state, its progress, and what can be done with it.
import { has, language, t } from "../i18n/index.js";
import { address } from "../router.js";
import { fileSize } from "../text/clock.js";
import { button, h } from "../ui/dom.js";
import { ENDED, nameOf } from "./queue.js";

const UNREADABLE = ["bad_audio", "unsupported_media"];

/** Returns {element, draw()}; to be drawn again when the item changes. */
export function fileRow(files, item) {
  const title = h("div", { class: "title", dir: "auto" });
  const facts = fileFacts(files, item);
  const actions = h("div", { class: "row" });
  const bar = progressBar(item);
  const element = h("li", { class: "item" }, h("div", {}, title, facts.element), actions, bar.element);
  let drawn = "";

  function draw() {
    facts.draw();
    bar.draw();
    const { phase } = item;
    const key = `${phase} ${nameOf(item)}`;
    if (key === drawn) return;
    drawn = key;
    element.dataset.phase = phase;
    const hadFocus = actions.contains(document.activeElement);
    const name = nameOf(item);
    title.replaceChildren(phase === "completed" ? h("a", { href: address("files", item.jobId) }, name) : name);
    actions.replaceChildren(...rowActions(files, item));
    if (hadFocus) actions.querySelector("a, button")?.focus();
  }

  return { element, draw };
}

const stateText = (item) => t(`files.${item.phase}`, { p: Math.floor(item.progress) });

function fileFacts(files, item) {
  const state = h("span", {});
  const left = h("span", {});
  const why = h("span", { class: "bad" });
  const warned = h("span", { class: "warn" });
  const size = h("span", {}, item.size ? fileSize(item.size, language()) : "");
  return {
    element: h("div", { class: "about" }, size, state, left, why, warned),
    draw() {
      const text = stateText(item);
      if (state.textContent !== text) state.textContent = text;
      const seconds = files.secondsLeft(item, Date.now());
      left.textContent = leftText(seconds);
      why.textContent = item.error ? reason(item.error) : "";
      why.title = item.error?.message ?? "";
      warned.textContent = item.result?.warnings?.length ? t("files.warned") : "";
    },
  };
}

function leftText(seconds) {
  if (seconds === null) return "";
  return seconds < 90
    ? t("files.left", { n: seconds })
    : t("files.left_minutes", { n: Math.round(seconds / 60) });
}

function progressBar(item) {
  const fill = h("i");
  const element = h("div", { class: "bar", role: "progressbar", "aria-valuemin": "0", "aria-valuemax": "100" }, fill);
  return {
    element,
    draw() {
      const { phase, progress } = item;
      element.hidden = ENDED.includes(phase);
      element.classList.toggle("waiting", phase === "queued" || phase === "waiting");
      element.setAttribute("aria-label", `${nameOf(item)}: ${stateText(item)}`);
      element.setAttribute("aria-valuenow", String(Math.floor(progress)));
      fill.style.transform = phase === "uploading" || phase === "processing" ? `scaleX(${progress / 100})` : "";
    },
  };
}

function rowActions(files, item) {
  const { phase } = item;
  const labelOf = (action) => `${t(action)}: ${nameOf(item)}`;
  const iconButton = (name, action, onclick) => button({ name, label: labelOf(action), kind: "bare small", onclick });
  const open = () =>
    h(
      "a",
      { class: "button small", href: address("files", item.jobId), "aria-label": labelOf("action.open") },
      t("action.open"),
    );
  // The same bytes would fail again; a file refused by its name alone has not been read yet.
  const isHopeless = item.error?.code === "empty_file" || (item.jobId && UNREADABLE.includes(item.error?.code));
  const canRetry = ["failed", "cancelled"].includes(phase) && item.file && !isHopeless;
  return [
    phase === "completed" ? open() : "",
    canRetry ? iconButton("retry", "action.retry", () => files.retry(item)) : "",
    ENDED.includes(phase)
      ? iconButton("close", "action.remove", () => files.remove(item))
      : iconButton("close", "action.cancel", () => files.cancel(item)),
  ];
}

function reason({ code, message }) {
  if (code === "unreachable") return t("files.unreachable");
  return has(`problem.${code}`) ? t(`problem.${code}`) : message || code;
}
