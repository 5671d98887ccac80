// The key with which this page uses a server that wants one; forgotten when the tab is closed.
import { perTab, store } from "./storage.js";

const NAME = "api_key";

/** Fires "refused" when the server wants a key and there is none, or it accepts this one no longer. */
class AccessKey extends EventTarget {
  get value() {
    return perTab.getItem(NAME) ?? "";
  }

  keep(key) {
    store(perTab, NAME, key);
  }

  forget() {
    perTab.removeItem(NAME);
  }

  /** Headers of a request with `key`; none without one. */
  headers(key = this.value) {
    return key ? { Authorization: `Bearer ${key}` } : {};
  }

  /** Subprotocols of a WebSocket, which can have no headers. */
  get subprotocols() {
    return this.value ? ["bearer", this.value] : [];
  }

  /** Query for an address that can have no headers: "" without a key, else "?access_token=" and a token of a minute, since
   * addresses are logged on the way. "" also if the server makes none; it then refuses the address, too. */
  async query() {
    if (!this.value) return "";
    const answer = await fetch("v1/stt/tokens", { method: "POST", headers: this.headers() });
    return answer.ok ? `?access_token=${encodeURIComponent((await answer.json()).access_token)}` : "";
  }

  refused() {
    this.dispatchEvent(new Event("refused"));
  }
}

export const accessKey = new AccessKey();
