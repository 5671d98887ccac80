// When to reconnect and when to give up. Pure; times are seconds of any single clock.

export const FIRST_S = 0.25;
export const LONGEST_S = 5;
const STABLE_S = 5; // a connection that lasts this long resets the backoff; a shorter one does not

export class Backoff {
  #attempts = 0;
  #sinceS = null;
  constructor(random = Math.random) {
    this.random = random;
  }

  /** Seconds to wait before the next attempt; null if the outage has lasted longer than `patienceS`.
   * `retryAfterS`: the server's own value; it knows how many clients wait and spreads them over time. */
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
    return Math.min(retryAfterS ?? longestS * (0.5 + 0.5 * this.random()), leftS);
  }
}
