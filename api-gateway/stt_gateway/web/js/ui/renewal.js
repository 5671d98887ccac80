// Keeps somebody signed in: gets a new token in time, without a word, as long as the server that signs people in agrees.
import { accessKey } from "./access_key.js";

const PATH = "v1/stt/sign-in";
const CHECK_EVERY_MS = 5000; // browsers delay longer timers of hidden pages, and forget those of a sleeping computer
const PART = 0.75; // of a token's life, after which it is renewed

/** Exchanges what the issuer gave for a token, and keeps it; returns the status of the answer, 0 if there is none. */
export async function exchange(given) {
  let answer;
  try {
    answer = await fetch(PATH, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(given),
    });
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    return 0;
  }
  if (answer.ok) {
    const { token, expires_in: lastsS, refresh_token, name } = await answer.json();
    accessKey.keep(token, { refresh_token, name, renewAt: Date.now() + PART * lastsS * 1000 });
  }
  return answer.status;
}

let underWay = null;

/** Gets a new token; returns whether there is one. Calls at the same time share one attempt. */
export function renew() {
  underWay ??= attempt().finally(() => {
    underWay = null;
  });
  return underWay;
}

async function attempt() {
  const { signIn, value } = accessKey;
  if (!signIn?.refresh_token) return false;
  const status = await exchange({ refresh_token: signIn.refresh_token });
  if (status === 200) return true;
  // Refused for good; anything else may pass.
  if (status >= 400 && status < 429 && accessKey.value === value) accessKey.keep(value, { ...signIn, refresh_token: "" });
  return false;
}

export function startRenewal() {
  const check = () => {
    const { signIn } = accessKey;
    if (signIn?.refresh_token && Date.now() >= signIn.renewAt) renew();
  };
  setInterval(check, CHECK_EVERY_MS);
  document.addEventListener("visibilitychange", check);
  check();
}
