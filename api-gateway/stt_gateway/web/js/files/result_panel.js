// A panel that loads and shows one finished transcript at a time.
import { t } from "../i18n/index.js";
import { h } from "../ui/dom.js";
import { createResult } from "./result.js";

export class ResultPanel {
  element = h("div", { class: "page", hidden: true });
  #opened = null; // {id, result}

  /** The id of the open transcript; null while the panel is closed. */
  get id() {
    return this.#opened?.id ?? null;
  }

  /** `load()` returns the options of createResult, or null if there is nothing to show; `failed(error)` returns the
   * element to show if it throws. */
  async open(id, { load, failed }) {
    this.close();
    const opened = { id, result: null };
    this.#opened = opened;
    this.element.hidden = false;
    this.element.replaceChildren(
      h("p", { class: "quiet" }, t("files.loading")),
      h("div", { class: "bar waiting" }, h("i")),
    );
    try {
      const options = await load();
      if (opened !== this.#opened || !options) return;
      opened.result = createResult(options);
      this.element.replaceChildren(opened.result.element);
      document.title = `${options.transcript.name} · ${t("app.name")}`;
      const heading = this.element.querySelector("h1");
      heading.tabIndex = -1;
      heading.focus({ preventScroll: true });
      opened.result.reveal();
    } catch (error) {
      if (opened === this.#opened) this.element.replaceChildren(failed(error));
    }
  }

  /** Shows the open transcript as it is by now; see createResult. */
  redraw(segment) {
    this.#opened?.result?.redraw(segment);
  }

  close() {
    this.#opened?.result?.destroy();
    this.#opened = null;
    this.element.hidden = true;
  }
}
