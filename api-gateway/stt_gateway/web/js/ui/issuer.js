// Signing in at the issuer, the server's OpenID provider, in a window of its own: the page stays, and so does a recording.
// Authorization code with PKCE; the gateway exchanges the code.
import { exchange } from "./renewal.js";
import { perTab } from "./storage.js";

const PATH = "v1/stt/sign-in";
const CALLBACK = "signed-in"; // relative to the page, which may lie below a path
const CHANNEL = "sign-in"; // to js/signed_in.js
const WINDOW = "popup,width=480,height=720";
const SIGNED_OUT = "signed_out";

/** Whoever signs in next in this tab proves again who it is, also if the issuer still knows somebody. */
export function noteSignOut() {
  perTab.setItem(SIGNED_OUT, "1");
}

/** Where people sign in: {where}; {isAway: true} if that is not known now, and {} if they do not sign in here. */
export async function findIssuer() {
  try {
    const answer = await fetch(PATH, { cache: "no-store" });
    if (!answer.ok) return { isAway: true };
    const where = await answer.json();
    return where.issuer ? { where } : {};
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    return { isAway: true };
  }
}

/** One sign-in. `onEnd(code)`: "" when there is a token, else "refused", "unreachable" or "insecure". */
export class IssuerSignIn {
  #where;
  #onEnd;
  #attempt = null;
  #channel = new BroadcastChannel(CHANNEL);

  constructor(where, onEnd) {
    this.#where = where;
    this.#onEnd = onEnd;
    this.#channel.onmessage = ({ data }) => this.#answered(data);
  }

  /** Must have ended before `open`, which browsers allow in a click only. */
  async prepare() {
    // Browsers compute no digests on insecure pages.
    if (!crypto.subtle) return this.#onEnd("insecure");
    const attempt = { state: secret(), nonce: secret(), verifier: secret(), redirect: new URL(CALLBACK, document.baseURI).href };
    const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(attempt.verifier));
    const address = new URL(this.#where.authorization_endpoint);
    const parameters = {
      response_type: "code",
      client_id: this.#where.client_id,
      scope: this.#where.scope,
      redirect_uri: attempt.redirect,
      state: attempt.state,
      nonce: attempt.nonce,
      code_challenge: base64url(new Uint8Array(digest)),
      code_challenge_method: "S256",
      ...(perTab.getItem(SIGNED_OUT) ? { prompt: "login" } : {}),
    };
    for (const [name, value] of Object.entries(parameters)) address.searchParams.set(name, value);
    this.#attempt = { ...attempt, address: address.href };
    return undefined;
  }

  /** Opens the issuer's page. A second click shows the same window again. */
  open() {
    if (this.#attempt) window.open(this.#attempt.address, CHANNEL, WINDOW);
  }

  close() {
    this.#channel.close();
  }

  async #answered({ state, code, error, iss }) {
    const attempt = this.#attempt;
    // The answer to another tab, or to nobody.
    if (!attempt || state !== attempt.state) return;
    this.#attempt = null;
    this.#channel.postMessage({ done: state });
    if (error || !code || (iss && iss !== this.#where.issuer)) return this.#failed("refused");
    const { verifier: code_verifier, redirect: redirect_uri, nonce } = attempt;
    const status = await exchange({ code, code_verifier, redirect_uri, nonce });
    if (status !== 200) return this.#failed(status === 0 || status >= 500 ? "unreachable" : "refused");
    perTab.removeItem(SIGNED_OUT);
    return this.#onEnd("");
  }

  async #failed(code) {
    await this.prepare();
    this.#onEnd(code);
  }
}

/** 256 bits that nobody guesses. */
function secret() {
  return base64url(crypto.getRandomValues(new Uint8Array(32)));
}

function base64url(bytes) {
  return btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}
