// Shows one view at a time. Each is loaded when it is first shown; a failed load is retried.
import { t } from "../i18n/index.js";
import { button, h, notice } from "./dom.js";

export class ViewSwitcher {
  #created = new Map(); // name -> promise of {element, show(), hide(), destroy()}
  #attempts = new Map();
  #current = null;

  /** `load(name, attempt)` returns a promise of a module with `create(app)`. */
  constructor({ main, load, app }) {
    Object.assign(this, { main, load, app });
  }

  /** Whether the current view could not be loaded. */
  get hasFailed() {
    return this.#current?.isFailure ?? false;
  }

  /** Replaces the current view, or shows that the new one could not be loaded. `isWanted()` is checked after loading.
   * Try again calls `onRetry`. */
  async show(name, place, { isWanted, onRetry }) {
    const created = await this.#get(name, onRetry);
    if (!isWanted()) {
      if (created.isFailure) created.element.remove();
      return;
    }
    const old = this.#current;
    this.#current = created;
    if (old && old !== created) {
      old.element.hidden = true;
      old.hide?.();
      if (old.isFailure) old.element.remove();
    }
    created.element.hidden = false;
    created.show?.(place);
  }

  /** Removes all views, which are created again in another language. */
  async clear() {
    const all = [...this.#created.values()];
    this.#created.clear();
    for (const created of await Promise.all(all)) {
      created.hide?.();
      created.destroy?.();
      created.element.remove();
    }
    if (this.hasFailed) this.#current.element.remove();
    this.#current = null;
  }

  async #get(name, onRetry) {
    if (!this.#created.has(name)) this.#created.set(name, this.#make(name));
    const created = await this.#created.get(name);
    if (created) return created;
    this.#created.delete(name);
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
    const created = module.create(this.app);
    created.element.hidden = true;
    this.main.append(created.element);
    return created;
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
