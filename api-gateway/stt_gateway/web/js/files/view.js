// The Files page: drop, watch, open.
import { has, language, languageName, t } from "../i18n/index.js";
import { renamable, TRANSCRIPTS } from "../library/rename.js";
import { address } from "../router.js";
import { fileSize } from "../text/clock.js";
import { button, field, h, notice, promptField, select, toggle } from "../ui/dom.js";
import { icon } from "../ui/icons.js";
import { keep, settings } from "../ui/settings.js";
import { addFiles } from "./drop.js";
import { ENDED, nameOf } from "./queue.js";
import { createResult } from "./result.js";
import { transport } from "./transport.js";

export function create(app) {
  const { files, server } = app;
  const chooser = h("input", {
    type: "file",
    multiple: true,
    accept: "audio/*,video/*,.wav,.mp3,.m4a,.mp4,.webm,.ogg,.opus,.flac,.aac,.aiff,.amr,.mkv,.wma",
    class: "unseen",
    tabindex: "-1",
    "aria-hidden": "true",
    onchange: () => {
      addFiles(app, chooser.files);
      chooser.value = "";
    },
  });
  const drop = h(
    "div",
    { class: "drop" },
    icon("upload"),
    h("strong", {}, t("files.drop")),
    h("span", { class: "quiet" }, t("files.or")),
    button({ text: t("files.choose"), kind: "main", onclick: () => chooser.click() }),
    chooser,
  );
  const options = h("div", { class: "file-options" });
  const list = h("ul", { class: "list" });
  const none = h("p", { class: "quiet" }, t("files.none"));
  const overview = h(
    "div",
    { class: "page" },
    h("header", {}, h("h1", {}, t("files.title")), h("p", {}, t("files.intro"))),
    drop,
    options,
    h("div", { class: "list-head" }, h("h2", {}, t("files.list"))),
    none,
    list,
  );
  const detail = h("div", { class: "page", hidden: true });
  const element = h("section", { class: "files-page", "aria-label": t("nav.files") }, overview, detail);
  const rows = new Map();
  let opened = null;

  function drawOptions() {
    const languages = server.languages
      .map((code) => [code, languageName(code)])
      .sort((a, b) => a[1].localeCompare(b[1], language()));
    options.replaceChildren(
      field(
        t("files.language"),
        select(
          [["auto", t("language.auto")], ...languages],
          server.languages.includes(settings.fileLanguage) ? settings.fileLanguage : "auto",
          (fileLanguage) => keep({ fileLanguage }),
        ),
      ),
      promptField(settings.filePrompt, (filePrompt) => keep({ filePrompt })),
      server.multilingual
        ? toggle(t("files.translate"), settings.fileTranslate, (fileTranslate) => keep({ fileTranslate }))
        : "",
    );
  }

  function drawList() {
    drop.classList.toggle("compact", files.items.length > 0);
    none.hidden = files.items.length > 0;
    list.hidden = files.items.length === 0;
    list.replaceChildren(
      ...files.items.map((item) => {
        if (!rows.has(item)) rows.set(item, createRow(files, item));
        rows.get(item).draw();
        return rows.get(item).element;
      }),
    );
    for (const item of rows.keys()) if (!files.items.includes(item)) rows.delete(item);
  }

  async function open(jobId) {
    opened?.destroy?.();
    opened = { jobId };
    overview.hidden = Boolean(jobId);
    detail.hidden = !jobId;
    if (!jobId) return;
    detail.replaceChildren(h("p", { class: "quiet" }, t("files.loading")), h("div", { class: "bar waiting" }, h("i")));
    const mine = opened;
    const item = files.find(jobId);
    try {
      const job = item?.result
        ? { status: item.phase, result: item.result, filename: item.name }
        : await transport.view(jobId);
      if (opened !== mine) return;
      if (!job.result) {
        location.hash = address("files");
        return;
      }
      const transcript = { ...job.result, name: item?.title || job.filename || jobId };
      const { heading, edit } = renamable(jobId, transcript.name, (title) => {
        transcript.name = title;
        files.rename(jobId, title);
      });
      // A title lives in the library; without one there is nothing to rename.
      const tools = (await server.has(TRANSCRIPTS)) ? [edit] : [];
      if (opened !== mine) return;
      const result = createResult({
        transcript,
        source: item?.file ?? null,
        back: { href: address("files"), text: t("files.list") },
        heading,
        tools,
      });
      mine.destroy = result.destroy;
      detail.replaceChildren(result.element);
    } catch (error) {
      if (opened !== mine) return;
      const isGone = error.code === "not_found";
      detail.replaceChildren(
        notice({
          kind: isGone ? "" : "bad",
          name: "info",
          title: isGone ? t("files.gone") : t("files.unreachable"),
          text: isGone ? t("files.gone.text") : error.message,
          actions: [h("a", { class: "button small", href: address("files") }, t("action.back"))],
        }),
      );
    }
  }

  const onChange = ({ detail: item }) => {
    if (item === null) drawList();
    else rows.get(item)?.draw();
  };
  files.addEventListener("change", onChange);
  server.addEventListener("change", drawOptions);
  drawOptions();
  drawList();
  return {
    element,
    show({ rest }) {
      if (opened?.jobId !== rest || !rest) open(rest);
    },
    hide() {
      opened?.destroy?.();
      opened = null;
    },
    destroy() {
      files.removeEventListener("change", onChange);
      server.removeEventListener("change", drawOptions);
    },
  };
}

function createRow(files, item) {
  const title = h("div", { class: "title", dir: "auto" });
  const state = h("span", {});
  const left = h("span", {});
  const why = h("span", { class: "bad" });
  const about = h(
    "div",
    { class: "about" },
    h("span", {}, item.size ? fileSize(item.size, language()) : ""),
    state,
    left,
    why,
  );
  const actions = h("div", { class: "row" });
  const fill = h("i");
  const bar = h("div", { class: "bar", role: "progressbar", "aria-valuemin": "0", "aria-valuemax": "100" }, fill);
  const element = h("li", { class: "item" }, h("div", {}, title, about), actions, bar);
  let drawn = "";

  return {
    element,
    draw() {
      const { phase } = item;
      const percent = Math.floor(item.progress);
      const text = t(`files.${phase}`, { p: percent });
      if (state.textContent !== text) state.textContent = text;
      const seconds = files.secondsLeft(item, Date.now());
      left.textContent = seconds === null ? "" : t("files.left", { n: seconds });
      why.textContent = item.error ? reason(item.error) : "";
      why.title = item.error?.message ?? "";
      bar.hidden = ENDED.includes(phase);
      bar.classList.toggle("waiting", phase === "queued" || phase === "waiting");
      bar.setAttribute("aria-label", `${nameOf(item)}: ${text}`);
      bar.setAttribute("aria-valuenow", String(percent));
      fill.style.transform = phase === "uploading" || phase === "processing" ? `scaleX(${item.progress / 100})` : "";
      const key = `${phase} ${nameOf(item)}`;
      if (key === drawn) return;
      drawn = key;
      element.dataset.phase = phase;
      const hadFocus = actions.contains(document.activeElement);
      title.replaceChildren(
        phase === "completed" ? h("a", { href: address("files", item.jobId) }, nameOf(item)) : nameOf(item),
      );
      actions.replaceChildren(
        phase === "completed"
          ? h(
              "a",
              {
                class: "button small",
                href: address("files", item.jobId),
                "aria-label": `${t("action.open")}: ${nameOf(item)}`,
              },
              t("action.open"),
            )
          : "",
        ["failed", "cancelled"].includes(phase) && item.file
          ? button({
              name: "retry",
              label: `${t("action.retry")}: ${nameOf(item)}`,
              kind: "bare small",
              onclick: () => files.retry(item),
            })
          : "",
        ENDED.includes(phase)
          ? button({
              name: "close",
              label: `${t("action.remove")}: ${nameOf(item)}`,
              kind: "bare small",
              onclick: () => files.remove(item),
            })
          : button({
              name: "close",
              label: `${t("action.cancel")}: ${nameOf(item)}`,
              kind: "bare small",
              onclick: () => files.cancel(item),
            }),
      );
      if (hadFocus) actions.querySelector("a, button")?.focus();
    },
  };
}

function reason({ code, message }) {
  if (code === "unreachable") return t("files.unreachable");
  return has(`problem.${code}`) ? t(`problem.${code}`) : message || code;
}
