// State and features of the server: its health, its model, its routes.
import { accessKey } from "./access_key.js";
import { readHealth } from "./health.js";

const CHECK_EVERY_MS = 20_000;
const CHECK_SOON_MS = 2_500;

/** Fires "change". `status`: "unknown", "ready", "loading", "down" or "offline". */
export class Server extends EventTarget {
  status = "unknown";
  model = "";
  /** Codes of the languages that a session or a file may request; empty until the server has reported them. */
  languages = [];
  #paths = null;
  #timer = 0;
  #announced = "";

  /** Asks the server again, soon. */
  refresh() {
    this.#check();
  }

  start() {
    this.#check();
    window.addEventListener("online", () => this.#check());
    window.addEventListener("offline", () => this.#set("offline"));
    document.addEventListener("visibilitychange", () => {
      if (!document.hidden) this.#check();
    });
  }

  /** Whether speech can be translated; assumed until the languages are known. */
  get isMultilingual() {
    return this.languages.length !== 1;
  }

  /** The language to request: `wanted`, or "auto" if the model does not know it. */
  languageFor(wanted) {
    return this.languages.length === 0 || this.languages.includes(wanted) ? wanted : "auto";
  }

  /** Whether there is a route with this prefix, such as "v1/stt/transcripts". True if unknown. */
  async has(prefix) {
    this.#paths ??= fetch("openapi.json")
      .then((answer) => (answer.ok ? answer.json() : null))
      .catch(() => null);
    const description = await this.#paths;
    if (!description?.paths) this.#paths = null;
    return !description?.paths || Object.keys(description.paths).some((path) => path.startsWith(`/${prefix}`));
  }

  async #check() {
    clearTimeout(this.#timer);
    try {
      const answer = await fetch("health", {
        headers: accessKey.headers(),
        signal: AbortSignal.timeout(5000),
        cache: "no-store",
      });
      const { status, model, languages, isAnonymous } = readHealth(await answer.json());
      if (isAnonymous) accessKey.refused();
      // While no transcriber is there, the last answer is the best guess.
      if (model) Object.assign(this, { model, languages });
      this.#set(status);
    } catch {
      // Whatever the error, the server cannot be reached.
      this.#set(navigator.onLine ? "down" : "offline");
    }
    this.#timer = setTimeout(
      () => this.#check(),
      document.hidden ? 6 * CHECK_EVERY_MS : this.status === "ready" ? CHECK_EVERY_MS : CHECK_SOON_MS,
    );
  }

  #set(status) {
    this.status = status;
    const state = [status, this.model, ...this.languages].join(" ");
    if (state === this.#announced) return;
    this.#announced = state;
    this.dispatchEvent(new Event("change"));
  }
}
