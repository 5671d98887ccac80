// Follows a conversation across reconnections.
import { Backoff } from "../client/backoff.js";
import { closeError } from "../client/errors.js";
import { accessKey } from "../ui/access_key.js";
import { viewerAddress } from "./feed.js";

const PATIENCE_S = 24 * 3600;
const FIRST_PATIENCE_S = 8;

export class Viewer {
  state = "connecting"; // "open", "lost", "missing"
  #socket = null;
  #timer = 0;
  #backoff = new Backoff();
  #wasOpen = false;
  #openS = null;

  constructor({ base, id, feed, onChange }) {
    Object.assign(this, { base, id, feed, onChange });
  }

  open() {
    const socket = new WebSocket(viewerAddress(this.base, this.id, this.feed.cursor), accessKey.subprotocols);
    this.#socket = socket;
    this.#openS = null;
    let serverError = null;
    socket.onmessage = ({ data }) => {
      const message = JSON.parse(data);
      if (message.type === "error") {
        serverError = message;
        if (message.code === "unauthorized") accessKey.refused();
        return;
      }
      if (message.type === "following") {
        this.#wasOpen = true;
        this.#openS = performance.now() / 1000;
        this.#set("open");
      }
      const what = this.feed.apply(message);
      if (what) this.onChange(what);
    };
    socket.onclose = ({ code }) => {
      this.feed.speaking.clear();
      const again = serverError ? serverError.retryable : closeError(code).mayRetry;
      const patienceS = this.#wasOpen ? PATIENCE_S : FIRST_PATIENCE_S;
      const waitS = again
        ? this.#backoff.lost(performance.now() / 1000, this.#openS, patienceS, serverError?.retry_after_s)
        : null;
      if (waitS === null) return this.#set("missing");
      this.#set(this.#wasOpen ? "lost" : "connecting");
      this.#timer = setTimeout(() => this.open(), waitS * 1000);
      return undefined;
    };
  }

  close() {
    clearTimeout(this.#timer);
    if (this.#socket) {
      this.#socket.onclose = this.#socket.onmessage = null;
      this.#socket.close(1000);
    }
  }

  #set(state) {
    this.state = state;
    this.onChange("state");
  }
}
