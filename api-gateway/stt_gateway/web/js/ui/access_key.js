// The credential with which this page uses a server that wants one: a key, an invitation, or the token of somebody who
// has signed in. Forgotten when the tab is closed.
import { perTab, store } from "./storage.js";

const NAME = "api_key";
const SIGN_IN = "sign_in";

/** Fires "refused" when the server wants a credential and there is none, or it accepts this one no longer, and "kept" when
 * there is another one. */
class AccessKey extends EventTarget {
  get value() {
    return perTab.getItem(NAME) ?? "";
  }

  /** {refresh_token, name, renewAt: ms since 1970} of somebody who has signed in; null with a key. */
  get signIn() {
    return JSON.parse(perTab.getItem(SIGN_IN));
  }

  /** `signIn`: as above, for a token. */
  keep(key, signIn = null) {
    store(perTab, NAME, key);
    if (signIn) store(perTab, SIGN_IN, JSON.stringify(signIn));
    else perTab.removeItem(SIGN_IN);
    this.dispatchEvent(new Event("kept"));
  }

  forget() {
    perTab.removeItem(NAME);
    perTab.removeItem(SIGN_IN);
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
