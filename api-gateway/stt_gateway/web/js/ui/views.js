// The views of the page. Each is loaded when it is first shown; a failed load is retried.
import { t } from "../i18n/index.js";
import { button, h, notice } from "./dom.js";

export class Views {
  #made = new Map(); // name -> promise of {element, show(), hide(), destroy()}
  #attempts = new Map();
  #shown = null;

  /** `load(name, attempt)` returns a promise of a module with `create(app)`. */
  constructor({ main, load, app }) {
    Object.assign(this, { main, load, app });
  }

  /** Whether the current view could not be loaded. */
  get hasFailed() {
    return this.#shown?.isFailure ?? false;
  }

  /** Replaces the current view, or shows that the new one could not be loaded. `isWanted()` is checked after loading.
   * Try again calls `onRetry`. */
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

  /** Removes all views, which are created again in another language. */
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

  /** Loads and creates a view, hidden; null if its script cannot be fetched. */
  async #make(name) {
    const attempt = this.#attempts.get(name) ?? 0;
    this.#attempts.set(name, attempt + 1);
    let module;
    try {
      module = await this.load(name, attempt);
    } catch (error) {
      // All browsers report a TypeError for a script that failed to load.
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
