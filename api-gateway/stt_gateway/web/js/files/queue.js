// Queue of files that wait, are being uploaded or are being transcribed. Pure except for the transport passed in.
import { store } from "../ui/storage.js";
import { refusal } from "./refused.js";

const AT_ONCE = 2;
const KEPT = "files";
const MOST_KEPT = 40;
export const ENDED = ["completed", "failed", "cancelled"];

/** Name of a file in the list. */
export const nameOf = (item) => item.title || item.name;

/** Fires "change" (detail: the item, or null for the list itself). `transport`: {upload, watch, cancel, storage}. */
export class FileQueue extends EventTarget {
  /** {id, file, name, title (after renaming), size, phase, progress, jobId, error, result, estimate}, newest first. `estimate`: {seconds, atMs}, left
   * at that moment. */
  items = [];
  #ids = 0;

  constructor(transport) {
    super();
    this.transport = transport;
    this.#restore();
  }

  get isBusy() {
    return this.items.some((item) => item.phase === "waiting" || item.phase === "uploading");
  }
  find(jobId) {
    return this.items.find((item) => item.jobId === jobId);
  }

  /** `parameters`: {language, task}. A file whose name shows that it is no recording fails at once; `retry` uploads it
   * all the same. */
  add(files, parameters) {
    for (const file of files) {
      const code = refusal(file);
      this.items.unshift({
        id: (this.#ids += 1),
        file,
        name: file.name,
        size: file.size,
        parameters,
        phase: code ? "failed" : "waiting",
        progress: 0,
        jobId: null,
        error: code && { code, message: "" },
        result: null,
      });
    }
    this.#changed(null);
    this.#next();
  }

  async cancel(item) {
    const wasUploaded = item.jobId !== null;
    item.abort?.abort();
    if (ENDED.includes(item.phase)) return;
    this.#set(item, { phase: "cancelled" });
    this.#next();
    // The job may have ended before the cancellation; then it has its full result.
    if (wasUploaded) this.#applyView(item, await this.transport.cancel(item.jobId));
  }

  retry(item) {
    this.#set(item, { phase: "waiting", progress: 0, jobId: null, error: null, result: null });
    this.#next();
  }

  /** Sets the title of a job's transcript; a job that is not in the list is ignored. */
  rename(jobId, title) {
    const item = this.find(jobId);
    if (item) this.#set(item, { title });
  }

  remove(item) {
    item.abort?.abort();
    this.items = this.items.filter((other) => other !== item);
    this.#changed(null);
  }

  /** Seconds left of a transcription, as the server has estimated them last; null if it is too early to tell. */
  secondsLeft(item, nowMs) {
    if (item.phase !== "processing" || !item.estimate) return null;
    const { seconds, atMs } = item.estimate;
    return Math.max(1, Math.round(seconds - (nowMs - atMs) / 1000));
  }

  #next() {
    while (this.items.filter((item) => item.phase === "uploading").length < AT_ONCE) {
      const item = this.items.findLast((other) => other.phase === "waiting");
      if (!item) return;
      this.#run(item);
    }
  }

  async #run(item) {
    item.abort = new AbortController();
    const { signal } = item.abort;
    try {
      this.#set(item, { phase: "uploading", progress: 0 });
      const jobId = await this.transport.upload(
        item.file,
        item.parameters,
        (progress) => this.#set(item, { progress }),
        signal,
      );
      this.#set(item, { phase: "queued", progress: 0, jobId });
      this.#next();
      await this.#watch(item, signal);
    } catch (error) {
      if (!signal.aborted)
        this.#set(item, { phase: "failed", error: { code: error.code ?? "internal", message: error.message } });
    }
    this.#next();
  }

  async #watch(item, signal) {
    await this.transport.watch(
      item.jobId,
      (view) => {
        if (signal.aborted) return;
        this.#applyView(item, view);
      },
      signal,
    );
  }

  /** Applies the server's view of a job. */
  #applyView(item, view) {
    // The server may answer the same bytes with an existing job under another name; keep the name of the dropped file.
    this.#set(item, {
      phase: view.status,
      progress: view.progress,
      name: item.file ? item.name : view.filename || item.name,
      error: view.error ?? null,
      result: view.result ?? null,
      estimate: view.estimated_s ? { seconds: view.estimated_s, atMs: Date.now() } : null,
    });
  }

  #set(item, changes) {
    Object.assign(item, changes);
    this.#changed(item);
  }

  #changed(item) {
    if (item === null || item.jobId) this.#keep();
    this.dispatchEvent(new CustomEvent("change", { detail: item }));
  }

  #keep() {
    const kept = this.items
      .filter((item) => item.jobId)
      .slice(0, MOST_KEPT)
      .map(({ jobId, name, title, size, parameters }) => ({ jobId, name, title, size, parameters }));
    if (this.transport.storage) store(this.transport.storage, KEPT, JSON.stringify(kept));
  }

  /** Restores the jobs of an earlier page; jobs outlive the page for a day. */
  #restore() {
    for (const { jobId, name, title, size, parameters } of JSON.parse(this.transport.storage?.getItem(KEPT) ?? "[]")) {
      const item = {
        id: (this.#ids += 1),
        file: null,
        name,
        title,
        size,
        parameters,
        phase: "queued",
        progress: 0,
        jobId,
        error: null,
        result: null,
        abort: new AbortController(),
      };
      this.items.push(item);
      this.#watch(item, item.abort.signal).catch((error) => {
        if (error.code === "not_found") this.remove(item);
        else this.#set(item, { phase: "failed", error: { code: error.code ?? "internal", message: error.message } });
      });
    }
  }
}
