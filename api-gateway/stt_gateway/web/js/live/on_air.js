// Tracks which recording of this page has the microphone (one at a time), for all views.

/** Fires "change" whenever a recording does. */
export class OnAir extends EventTarget {
  #entries = []; // {recording, view, room}

  /** Adds a recording. `view`, `room`: the location of its own controls. */
  add(recording, view, room = "") {
    // Drop recordings of rooms that were left, once they have ended.
    this.#entries = this.#entries.filter((entry) => entry.view !== view || entry.recording.phase !== "idle");
    this.#entries.push({ recording, view, room });
    recording.addEventListener("change", () => this.#changed());
  }

  /** The recording with an open microphone, as {recording, view, room}; null. */
  get open() {
    return this.#entries.find(({ recording }) => recording.isOn) ?? null;
  }
  /** Whether a recording is active or still waiting for its last words. */
  get isBusy() {
    return this.#entries.some(({ recording }) => recording.phase !== "idle");
  }

  /** Starts a recording that was added. If another one has or requests the microphone, it gets a problem to show
   * instead. A recording that is stopping has already closed its microphone. */
  start(recording, options) {
    const isTaken = this.#entries.some(
      ({ recording: other }) => other !== recording && (other.isOn || other.phase === "asking"),
    );
    return isTaken ? recording.refuse("mic_taken") : recording.start(options);
  }

  #changed() {
    this.dispatchEvent(new Event("change"));
  }
}
