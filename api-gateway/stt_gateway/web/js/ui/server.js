// State and features of the server: its health, its model, its routes.

const LOOK_EVERY_MS = 20_000;
const LOOK_SOON_MS = 2_500;
export const CODES =
  "en zh de es ru ko fr ja pt tr pl ca nl ar sv it id hi fi vi he uk el ms cs ro da hu ta no th ur hr bg lt la mi ml cy sk te fa lv bn sr az sl kn et mk br eu is hy ne mn bs kk sq sw gl mr pa si km sn yo so af oc ka be tg sd gu am yi lo uz fo ht ps tk nn mt sa lb my bo tl mg as tt haw ln ha ba jw su yue".split(
    " ",
  );

/** Fires "change". `status`: "unknown", "ready", "loading", "down" or "offline". */
export class Server extends EventTarget {
  status = "unknown";
  model = "";
  #codes = CODES;
  #paths = null;
  #timer = 0;
  #told = "";

  start() {
    this.#look();
    window.addEventListener("online", () => this.#look());
    window.addEventListener("offline", () => this.#set("offline"));
    document.addEventListener("visibilitychange", () => {
      if (!document.hidden) this.#look();
    });
  }

  /** Language codes that a session or a file may request. */
  get languages() {
    return this.#codes;
  }
  get multilingual() {
    return this.#codes.length > 1;
  }

  /** Whether there is a route with this prefix, such as "/v1/stt/transcripts". True if unknown. */
  async has(prefix) {
    this.#paths ??= fetch("/openapi.json")
      .then((answer) => (answer.ok ? answer.json() : null))
      .catch(() => null);
    const description = await this.#paths;
    if (!description?.paths) this.#paths = null;
    return !description?.paths || Object.keys(description.paths).some((path) => path.startsWith(prefix));
  }

  async #look() {
    clearTimeout(this.#timer);
    try {
      const answer = await fetch("/health", { signal: AbortSignal.timeout(5000), cache: "no-store" });
      this.#read(await answer.json());
    } catch {
      // Whatever the error, the server cannot be reached.
      this.#set(navigator.onLine ? "down" : "offline");
    }
    this.#timer = setTimeout(
      () => this.#look(),
      document.hidden ? 6 * LOOK_EVERY_MS : this.status === "ready" ? LOOK_EVERY_MS : LOOK_SOON_MS,
    );
  }

  #read(health) {
    const transcriber = health.replicas?.find((replica) => replica.service === "transcriber" && replica.detail?.model);
    if (transcriber) {
      this.model = transcriber.detail.model;
      const { languages, multilingual } = transcriber.detail;
      this.#codes = languages?.length ? languages : multilingual === false ? ["en"] : CODES;
    }
    if (health.status !== "unhealthy") this.#set("ready");
    else
      this.#set(
        ["loading", "missing"].includes(health.services?.whisper) && health.services?.redis === "connected"
          ? "loading"
          : "down",
      );
  }

  #set(status) {
    this.status = status;
    const told = `${status} ${this.model}`;
    if (told === this.#told) return;
    this.#told = told;
    this.dispatchEvent(new Event("change"));
  }
}
