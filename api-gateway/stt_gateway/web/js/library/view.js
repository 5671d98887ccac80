// The Library page: find, read, rename, delete.
import { createResult } from "../files/result.js";
import { request } from "../files/transport.js";
import { language, languageName, t } from "../i18n/index.js";
import { address, replace } from "../router.js";
import { shortClock } from "../text/clock.js";
import { button, field, h, isolated, notice, select } from "../ui/dom.js";
import { icon } from "../ui/icons.js";
import { toast } from "../ui/toast.js";
import { renamable, renameForm, TRANSCRIPTS } from "./rename.js";
import { highlighted, Search } from "./search.js";
import { day, isUnnamed, nameOf } from "./titles.js";

const TYPING_MS = 180;
const UNDO_MS = 6000;

export function create(app) {
  const { server } = app;
  const wishes = { text: "", kind: "", language: "", from: "", to: "" };
  const removed = new Map(); // id -> timer of the pending delete request
  const input = h("input", {
    type: "search",
    class: "input",
    placeholder: t("library.search"),
    "aria-label": t("library.search"),
    autocomplete: "off",
    spellcheck: "false",
    dir: "auto",
    oninput: () => later(),
  });
  const codes = server.languages.length > 1 ? server.languages : ["en"];
  const tongues = select(
    [
      ["", t("library.any_language")],
      ...codes.map((code) => [code, languageName(code)]).sort((a, b) => a[1].localeCompare(b[1], language())),
    ],
    "",
    () => search(),
  );
  const kinds = select(
    [
      ["", t("library.any_kind")],
      ["live", t("nav.live")],
      ["job", t("nav.files")],
    ],
    "",
    () => search(),
  );
  const from = h("input", { type: "date", class: "input", onchange: () => search() });
  const to = h("input", { type: "date", class: "input", onchange: () => search() });
  const count = h("p", { class: "unseen", role: "status" });
  const list = h("ul", { class: "list" });
  const blank = h("div", {});
  const more = h(
    "div",
    { class: "more" },
    button({ text: t("library.more"), kind: "small", onclick: () => load(current) }),
  );
  const overview = h(
    "div",
    { class: "page" },
    h("header", {}, h("h1", {}, t("library.title"))),
    h("div", { class: "search" }, input, icon("search")),
    h(
      "div",
      { class: "filters" },
      field(t("library.kind"), kinds),
      field(t("library.language"), tongues),
      field(t("library.from"), from),
      field(t("library.to"), to),
    ),
    count,
    list,
    blank,
    more,
  );
  const detail = h("div", { class: "page", hidden: true });
  const element = h("section", { class: "library-page", "aria-label": t("nav.library") }, overview, detail);
  let current = null;
  let opened = null;
  let typing = 0;

  function later() {
    clearTimeout(typing);
    typing = setTimeout(search, TYPING_MS);
  }

  function search() {
    clearTimeout(typing);
    Object.assign(wishes, {
      text: input.value.trim(),
      kind: kinds.value,
      language: tongues.value,
      from: from.value,
      to: to.value,
    });
    const { text, ...filters } = wishes;
    replace(address("library", "", { query: text, ...filters }));
    current = new Search(fetchPage, { ...wishes });
    return load(current);
  }

  async function load(mine) {
    const isFirst = mine.found.length === 0;
    if (isFirst && !list.childElementCount)
      blank.replaceChildren(...[1, 2, 3].map(() => h("div", { class: "skeleton", "aria-hidden": "true" })));
    if (wishes.from && wishes.to && wishes.from > wishes.to) return drawWrongDates();
    try {
      const fresh = await mine.more();
      if (mine !== current) return;
      const rows = fresh.filter((one) => !removed.has(one.id)).map((one) => row(one, wishes.text));
      if (isFirst) list.replaceChildren(...rows);
      else list.append(...rows);
      drawRest(mine);
    } catch (error) {
      if (mine !== current) return;
      list.replaceChildren();
      list.hidden = more.hidden = true;
      const isMissing = error.code === "not_found" || !(await server.has(TRANSCRIPTS));
      overview.classList.toggle("missing", isMissing);
      blank.replaceChildren(
        isMissing
          ? nothing("info", t("feature.missing"), t("feature.missing.library"))
          : notice({
              kind: "bad",
              name: "warn",
              title: t("library.failed"),
              text: error.message,
              role: "alert",
              actions: [button({ name: "retry", text: t("action.again"), kind: "small", onclick: search })],
            }),
      );
    }
  }

  function drawWrongDates() {
    list.replaceChildren();
    list.hidden = more.hidden = true;
    count.textContent = "";
    blank.replaceChildren(nothing("info", t("library.wrong_dates"), t("library.wrong_dates.text")));
  }

  function drawRest(mine) {
    more.hidden = !mine.hasMore;
    const shown = list.childElementCount;
    list.hidden = shown === 0;
    count.textContent = t("library.count", { n: shown });
    const isFiltered = wishes.kind || wishes.language || wishes.from || wishes.to;
    if (shown) blank.replaceChildren();
    else if (wishes.text || isFiltered) {
      blank.replaceChildren(
        nothing(
          "search",
          t("library.nothing"),
          wishes.text ? t("library.nothing.text", { query: wishes.text }) : t("library.nothing_filtered"),
          button({
            text: t("library.reset"),
            kind: "small",
            onclick: () => {
              input.value = from.value = to.value = tongues.value = kinds.value = "";
              search();
              input.focus();
            },
          }),
        ),
      );
    } else
      blank.replaceChildren(
        nothing(
          "search",
          t("library.empty"),
          t("library.empty.text"),
          h("a", { class: "button main", href: address("files") }, t("files.choose")),
        ),
      );
  }

  function remove(one, rowElement) {
    const next = rowElement?.nextElementSibling?.querySelector("a");
    rowElement?.remove();
    current?.remove(one.id);
    if (current) drawRest(current);
    (next ?? input).focus({ preventScroll: true });
    removed.set(
      one.id,
      setTimeout(() => drop(one.id), UNDO_MS),
    );
    toast(
      t("done.deleted", { name: isolated(nameOf(one)) }),
      {
        text: t("action.undo"),
        onclick: () => {
          clearTimeout(removed.get(one.id));
          removed.delete(one.id);
          search();
        },
      },
      UNDO_MS - 200,
    );
  }

  async function drop(id) {
    clearTimeout(removed.get(id));
    try {
      await request(`${TRANSCRIPTS}/${encodeURIComponent(id)}`, { method: "DELETE", keepalive: true });
    } catch (error) {
      if (error.code !== "not_found") {
        removed.delete(id);
        toast(error.message || t("files.unreachable"));
        search();
      }
    }
  }
  // Leaving the page before the undo period ends confirms the deletion.
  const leaving = () => {
    for (const id of removed.keys()) drop(id);
  };
  window.addEventListener("pagehide", leaving);

  function row(one, text) {
    const title = h(
      "div",
      { class: "title", dir: "auto" },
      h(
        "a",
        { href: address("library", one.id, { query: text }) },
        isUnnamed(one) ? nameOf(one) : marked(nameOf(one), one.title ? one.title_hits : one.filename_hits),
      ),
    );
    const facts = [
      isUnnamed(one) ? "" : day(one.created_at),
      one.duration ? shortClock(one.duration * 1000) : "",
      languageName(one.language),
      one.state === "completed" ? "" : t(`files.${one.state}`, { p: 0 }),
    ];
    const about = h(
      "div",
      { class: "about" },
      facts.filter(Boolean).map((fact) => h("span", {}, fact)),
    );
    // A renamed transcript is still found by its file name; then that is shown too.
    if (one.title && one.filename && one.filename !== one.title)
      about.append(h("span", {}, marked(one.filename, one.filename_hits)));
    const actions = h(
      "div",
      { class: "row" },
      button({
        name: "pen",
        label: `${t("action.rename")}: ${nameOf(one)}`,
        kind: "bare small",
        onclick: () => title.replaceChildren(renameForm(one.id, nameOf(one), replaceRow)),
      }),
      button({
        name: "trash",
        label: `${t("action.delete")}: ${nameOf(one)}`,
        kind: "bare small",
        onclick: () => remove(one, item),
      }),
    );
    const item = h(
      "li",
      { class: "item" },
      h("div", {}, title, about),
      actions,
      one.snippet ? h("p", { class: "snippet", dir: "auto" }, marked(one.snippet.text, one.snippet.hits)) : null,
    );
    function replaceRow(name) {
      const isNew = name !== nameOf(one);
      if (isNew) app.files.rename(one.id, name);
      const made = row(isNew ? { ...one, title: name, title_hits: [] } : one, text);
      item.replaceWith(made);
      made.querySelector("button").focus();
    }
    return item;
  }

  async function open(id, query) {
    opened?.destroy?.();
    opened = { id };
    overview.hidden = Boolean(id);
    detail.hidden = !id;
    if (!id) return;
    const mine = opened;
    const back = { href: address("library", "", { query }), text: t("nav.library") };
    detail.replaceChildren(h("p", { class: "quiet" }, t("files.loading")), h("div", { class: "bar waiting" }, h("i")));
    try {
      const found = await request(`${TRANSCRIPTS}/${encodeURIComponent(id)}`);
      if (opened !== mine) return;
      const transcript = { ...found, name: nameOf(found), segments: found.segments ?? [] };
      const { heading, edit } = renamable(id, transcript.name, (title) => {
        found.title = transcript.name = title;
        app.files.rename(id, title);
      });
      const gone = button({
        name: "trash",
        text: t("action.delete"),
        kind: "small",
        onclick: () => {
          location.hash = back.href;
          remove(found, null);
        },
      });
      const source = app.files.find(id)?.file ?? null;
      const result = createResult({
        transcript,
        source,
        back,
        tools: [edit, gone],
        heading,
      });
      mine.destroy = result.destroy;
      detail.replaceChildren(result.element);
    } catch (error) {
      if (opened !== mine) return;
      detail.replaceChildren(
        notice({
          name: "info",
          title: error.code === "not_found" ? t("library.nothing") : t("library.failed"),
          text: error.message,
          actions: [h("a", { class: "button small", href: back.href }, t("action.back"))],
        }),
      );
    }
  }

  return {
    element,
    show({ rest, params }) {
      open(rest, params.get("query") ?? "");
      if (rest) return;
      input.value = params.get("query") ?? "";
      kinds.value = params.get("kind") ?? "";
      tongues.value = params.get("language") ?? "";
      from.value = params.get("from") ?? "";
      to.value = params.get("to") ?? "";
      search();
    },
    hide() {
      opened?.destroy?.();
      opened = null;
    },
    destroy() {
      window.removeEventListener("pagehide", leaving);
      leaving();
    },
  };
}

function fetchPage(parameters) {
  const given = Object.entries(parameters).filter(([, value]) => value);
  return request(`${TRANSCRIPTS}?${new URLSearchParams(given)}`);
}

function marked(text, hits) {
  return highlighted(text, hits).map((part) => (part.isHit ? h("mark", {}, part.text) : part.text));
}
function nothing(name, title, text, action = null) {
  return h("div", { class: "blank" }, icon(name), h("h2", {}, title), h("p", {}, text), action);
}
