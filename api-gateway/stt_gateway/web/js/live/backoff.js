// When to connect again, and when to give up. Pure; times in seconds of any one clock.

export const FIRST_S = 0.25;
export const LONGEST_S = 5;
const STABLE_S = 5; // a connection that held so long ends the trouble; a shorter one does not

export class Backoff {
  #attempts = 0;
  #sinceS = null;
  constructor(random = Math.random) {
    this.random = random;
  }

  /** Seconds to wait before the next attempt; null when the trouble has lasted longer than `patienceS`.
   * `retryAfterS`: what the server said, which knows how many wait, and lets each come at another time. */
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
