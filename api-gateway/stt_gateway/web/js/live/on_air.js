// Which recording of this page has the microphone: one at a time, known to every view.

/** Fires "change" whenever a recording does. */
export class OnAir extends EventTarget {
  #entries = []; // {recording, view, room}

  /** `view`, `room`: where its own controls are. */
  add(recording, view, room = "") {
    // Recordings of rooms that were left are dropped once they have ended.
    this.#entries = this.#entries.filter((entry) => entry.view !== view || entry.recording.phase !== "idle");
    this.#entries.push({ recording, view, room });
    recording.addEventListener("change", () => this.#changed());
  }

  /** The recording with an open microphone, as {recording, view, room}; null. */
  get open() {
    return this.#entries.find(({ recording }) => recording.isOn) ?? null;
  }
  /** Something is recorded, or its last words have not come yet. */
  get isBusy() {
    return this.#entries.some(({ recording }) => recording.phase !== "idle");
  }

  /** Starts a recording that was added, unless another one has or asks for the microphone: then it gets a problem to
   * show. One that is stopping has closed its microphone already. */
  start(recording, wishes) {
    const isTaken = this.#entries.some(
      ({ recording: other }) => other !== recording && (other.isOn || other.phase === "asking"),
    );
    return isTaken ? recording.refuse("mic_taken") : recording.start(wishes);
  }

  #changed() {
    this.dispatchEvent(new Event("change"));
  }
}
