// When to reconnect and when to give up. Same rules as stt_client/backoff.py. Pure; times are seconds of any one clock.

const FIRST_S = 0.25;
const LONGEST_S = 5;
// A shorter connection does not reset the backoff: a server that accepts and drops connections at once would otherwise
// receive four attempts a second forever.
const STABLE_S = 5;

export class Backoff {
  #attempts = 0;
  /** @type {number | null} */
  #sinceS = null;
  #random;

  /** `random` returns a number from 0 to 1, so that clients do not all reconnect at once. @param {() => number} random */
  constructor(random = Math.random) {
    this.#random = random;
  }

  /** Seconds to wait before the next attempt; null if the outage has lasted longer than `patienceS`.
   * `readyS`: when the lost connection was ready; null if it never was. `retryAfterS`: the server's own value; it knows
   * how many clients wait and spreads them over time.
   * @param {number} nowS @param {number | null} readyS @param {number} patienceS @param {number | null} [retryAfterS] */
  lost(nowS, readyS, patienceS, retryAfterS = null) {
    if (readyS !== null && nowS - readyS >= STABLE_S) {
      this.#attempts = 0;
      this.#sinceS = null;
    }
    this.#sinceS ??= nowS;
    const leftS = this.#sinceS + patienceS - nowS;
    if (leftS <= 0) return null;
    const longestS = Math.min(LONGEST_S, FIRST_S * 2 ** this.#attempts);
    this.#attempts = Math.min(this.#attempts + 1, 16);
    return Math.min(retryAfterS ?? longestS * (0.5 + 0.5 * this.#random()), leftS);
  }
}
