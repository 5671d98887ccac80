// The views of the page: each is loaded when it is first shown, and tried again when that failed.
import { t } from "../i18n/index.js";
import { button, h, notice } from "./dom.js";

export class Views {
  #made = new Map(); // name -> promise of {element, show(), hide(), destroy()}
  #attempts = new Map();
  #shown = null;

  /** `load(name, attempt)` answers a promise of a module with `create(app)`. */
  constructor({ main, load, app }) {
    Object.assign(this, { main, load, app });
  }

  /** The shown view could not be loaded. */
  get hasFailed() {
    return this.#shown?.isFailure ?? false;
  }

  /** Shows a view in place of the one before, or that it could not be loaded; `isWanted()` is asked after loading.
   * `onRetry` is called by Try again. */
  async show(name, place, { isWanted, onRetry }) {
    const made = await this.#get(name, onRetry);
    if (!isWanted()) {
      if (made.isFailure) made.element.remove();
      return;
    }
    const old = this.#shown;
    this.#shown = made;
    if (old && old !== made) {
      old.element.hidden = true;
      old.hide?.();
      if (old.isFailure) old.element.remove();
    }
    made.element.hidden = false;
    made.show?.(place);
  }

  /** Removes all views: they are made again in another language. */
  async clear() {
    const all = [...this.#made.values()];
    this.#made.clear();
    for (const made of await Promise.all(all)) {
      made.hide?.();
      made.destroy?.();
      made.element.remove();
    }
    if (this.hasFailed) this.#shown.element.remove();
    this.#shown = null;
  }

  async #get(name, onRetry) {
    if (!this.#made.has(name)) this.#made.set(name, this.#make(name));
    const made = await this.#made.get(name);
    if (made) return made;
    this.#made.delete(name);
    return this.#failure(name, onRetry);
  }

  /** The view, hidden; null when its script cannot be fetched. */
  async #make(name) {
    const attempt = this.#attempts.get(name) ?? 0;
    this.#attempts.set(name, attempt + 1);
    let module;
    try {
      module = await this.load(name, attempt);
    } catch (error) {
      // What every browser reports for a script that did not arrive.
      if (error instanceof TypeError) return null;
      throw error;
    }
    const made = module.create(this.app);
    made.element.hidden = true;
    this.main.append(made.element);
    return made;
  }

  #failure(name, onRetry) {
    const element = h(
      "section",
      { class: "page", hidden: true },
      h("header", {}, h("h1", {}, t(`nav.${name}`))),
      notice({
        kind: "bad",
        name: "warn",
        title: t("view.failed"),
        text: t("view.failed.text"),
        role: "alert",
        actions: [button({ name: "retry", text: t("action.again"), kind: "small", onclick: onRetry })],
      }),
    );
    this.main.append(element);
    return { element, isFailure: true };
  }
}
