// The list of transcripts that a search found, page by page.
import { t } from "../i18n/index.js";
import { button, h } from "../ui/dom.js";
import { parse } from "../router.js";
import { endOf, startOf } from "./days.js";
import { emptyLibrary, noLibrary, nothingFound, searchFailed, skeletons, wrongDates } from "./notices.js";
import { FILTERS } from "./search_controls.js";
import { transcriptRow } from "./row.js";
import { Search } from "./search.js";
import { fetchPage, TRANSCRIPTS } from "./transcripts.js";

export class ResultList {
  #search = null;
  #wanted = null;
  #count = h("p", { class: "unseen", role: "status" });
  #list = h("ul", { class: "list" });
  #blank = h("div", {});
  #more = h(
    "div",
    { class: "more" },
    button({ text: t("library.more"), kind: "small", onclick: () => this.#load(this.#search) }),
  );
  elements = [this.#count, this.#list, this.#blank, this.#more];

  /** `onDelete(transcript, row)`, `onReset()`: clear the search; `onMissing(isMissing)`: the server has no library. */
  constructor({ server, files }, deletions, { onDelete, onReset, onMissing }) {
    Object.assign(this, { server, files, deletions, onDelete, onReset, onMissing });
  }

  /** Searches; `wanted`: {text, kind, language, from, to}. */
  search(wanted) {
    this.#wanted = wanted;
    this.#search = new Search(fetchPage, { ...wanted, from: startOf(wanted.from), to: endOf(wanted.to) });
    return this.#load(this.#search);
  }

  /** Searches for the same again, shows as many as before, and gives the focus to the link of `id`. */
  async again(id) {
    const count = this.#list.childElementCount;
    await this.search(this.#wanted);
    const search = this.#search;
    while (search === this.#search && search.hasMore && this.#list.childElementCount < count) await this.#load(search);
    const link = [...this.#list.querySelectorAll("a")].find(({ hash }) => parse(hash, ["library"]).rest === id);
    link?.focus({ preventScroll: true });
  }

  /** Whether the list shows the results of this search. */
  shows(wanted) {
    return JSON.stringify(wanted) === JSON.stringify(this.#wanted);
  }

  /** Takes a transcript out of the list. */
  remove(id) {
    this.#search?.remove(id);
    if (this.#search) this.#draw();
  }

  async #load(search) {
    const isFirst = search.found.length === 0;
    const { from, to } = this.#wanted;
    if (isFirst && !this.#list.childElementCount) this.#blank.replaceChildren(...skeletons());
    if (from && to && from > to) return this.#showInstead(wrongDates());
    try {
      const fresh = await search.more();
      if (search !== this.#search) return undefined;
      if (isFirst) this.#list.replaceChildren();
      this.#list.append(...fresh.filter(({ id }) => !this.deletions.has(id)).map((one) => this.#row(one)));
      this.onMissing(false);
      return this.#draw();
    } catch (error) {
      return search === this.#search ? this.#failed(error) : undefined;
    }
  }

  async #failed(error) {
    const isMissing = error.code === "not_found" || !(await this.server.has(TRANSCRIPTS));
    this.onMissing(isMissing);
    this.#showInstead(isMissing ? noLibrary() : searchFailed(error, () => this.search(this.#wanted)));
  }

  #showInstead(element) {
    this.#list.replaceChildren();
    this.#list.hidden = this.#more.hidden = true;
    this.#count.textContent = "";
    this.#blank.replaceChildren(element);
  }

  #draw() {
    const count = this.#list.childElementCount;
    this.#more.hidden = !this.#search.hasMore;
    this.#list.hidden = count === 0;
    this.#count.textContent = t(this.#search.hasMore ? "library.count_more" : "library.count", { n: count });
    if (count) return this.#blank.replaceChildren();
    const { text } = this.#wanted;
    const isFiltered = text || FILTERS.some((name) => this.#wanted[name]);
    return this.#blank.replaceChildren(isFiltered ? nothingFound(text, this.onReset) : emptyLibrary());
  }

  #row(one) {
    return transcriptRow(one, this.#wanted.text, {
      onDelete: (row) => this.onDelete(one, row),
      onRename: (name) => this.files.rename(one.id, name),
    });
  }
}
