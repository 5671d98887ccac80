// A recording combines microphone, replay buffer, session and transcript; a "speak" button starts and stops it.
import { liveUrl, newId } from "../client/address.js";
import { Connector } from "../client/connector.js";
import { audioFormat, ReplayBuffer } from "../client/replay.js";
import { accessKey } from "../ui/access_key.js";
import { capture, MicrophoneError, openMicrophone, recorderType } from "./microphone.js";

const SAMPLE_RATE = 16000;
const MAX_KEPT = { maxS: 600, maxBytes: 24 * 1024 * 1024 }; // the speech of a long outage
const SIGN_IN_AGAIN_S = 30; // between attempts that a sign-in does not cut short
const SILENT_MS = 5000; // without any sound: the microphone is muted
const PATIENCE = { openPatienceS: 12, fullPatienceS: 600, patienceS: 900, donePatienceS: 60 };

/** Fires "change" when `phase`, `link`, `problem` or figures change, and "text" (detail: what `Transcript.apply`
 * returned). */
export class Recording extends EventTarget {
  phase = "idle"; // "asking", "live", "paused", "stopping"
  problem = null; // {code, message}
  behindMs = null;
  isInterrupted = false; // the device has silenced the microphone
  isSilent = false; // nothing at all has been heard for SILENT_MS
  startedAt = 0;
  firstTextMs = null;
  #session = null;
  #buffer = null;
  #capture = null;
  #query = {};
  #channels = 1;
  #lock = null;
  #isGivenUp = false;
  #activeMs = 0; // time with a live microphone before `#activeSince`
  #activeSince = null;
  #heardAt = 0;

  constructor(base, transcript) {
    super();
    this.base = base;
    this.transcript = transcript;
    this.offsetMs = 0;
    window.addEventListener("online", () => this.#session?.retryNow());
    accessKey.addEventListener("kept", () => this.#session?.retryNow());
    document.addEventListener("visibilitychange", () => {
      if (!document.hidden && this.isOn) this.#keepAwake();
    });
  }

  get isOn() {
    return this.phase === "live" || this.phase === "paused";
  }
  get link() {
    return this.#session?.link ?? "over";
  }
  /** Whether the server has refused the session because it is full, and is asked again. */
  get isWaiting() {
    return this.link === "connecting" && this.#session.refusedBy === "at_capacity";
  }
  get reconnects() {
    return this.#session?.reconnects ?? 0;
  }
  /** Whether the server stores the text of the newest session in the library. */
  get isStored() {
    return this.#query.store === "true";
  }
  /** Length of the transcript's audio so far. A container's bytes do not reveal it, so elapsed time is used there. */
  get positionMs() {
    if (!this.#buffer) return this.offsetMs;
    return this.offsetMs + (this.#buffer.audio.frameBytes ? this.#buffer.endMs : this.#elapsedMs);
  }
  /** Milliseconds of audio kept here because the server has not received them. */
  get keptMs() {
    const { frameBytes } = this.#buffer?.audio ?? {};
    return frameBytes ? this.#buffer.unreceivedBytes / frameBytes / (SAMPLE_RATE / 1000) : 0;
  }
  get level() {
    return this.phase === "live" ? (this.#capture?.level() ?? 0) : 0;
  }

  /** `options`: deviceId, thin (compressed), channels (2: kept apart), and `query`, the query parameters of the live
   * endpoint. */
  async start(options) {
    if (this.phase !== "idle") return;
    const clickedAt = performance.now();
    this.problem = null;
    this.behindMs = this.firstTextMs = null;
    this.isInterrupted = this.isSilent = false;
    this.#heardAt = clickedAt;
    this.#isGivenUp = false;
    this.#activeMs = 0;
    this.#setPhase("asking");
    this.startedAt = clickedAt;
    this.#session = null;
    let stream;
    try {
      const type = options.thin ? recorderType() : null;
      this.#channels = options.channels ?? 1;
      this.#query = {
        ...options.query,
        session_id: newId(),
        framing: "seq32",
        ...(this.#channels > 1 ? { channels: this.#channels, channel_mode: "separate" } : {}),
        ...(type ? { encoding: type[1] } : { sample_rate: SAMPLE_RATE, encoding: "pcm_s16le" }),
      };
      if (!this.transcript.isEmpty || this.offsetMs) this.transcript.continueAt(this.offsetMs);
      const { encoding } = this.#query;
      const open = () => this.#open(new ReplayBuffer(audioFormat(encoding, SAMPLE_RATE, this.#channels), MAX_KEPT));
      const microphone = await openMicrophone(options.deviceId, open, this.#channels);
      ({ stream } = microphone);
      if (!this.#session) open();
      stream.getTracks()[0].addEventListener("ended", () => {
        if (this.isOn) {
          this.problem = { code: "mic_gone", message: "" };
          this.stop();
        }
      });
      this.#capture = await capture(microphone, {
        asContainer: Boolean(type),
        channels: this.#channels,
        onPiece: (piece) => this.#piece(piece),
        onBeat: () => {
          this.#session?.tick();
          this.#watchSilence();
        },
        onInterrupted: (isInterrupted) => {
          this.isInterrupted = isInterrupted;
          this.#changed();
        },
      });
    } catch (error) {
      stream?.getTracks().forEach((track) => track.stop());
      this.#session?.close();
      this.problem =
        error instanceof MicrophoneError
          ? { code: `mic_${error.code}`, message: error.message }
          : { code: "internal", message: String(error?.message ?? error) };
      this.#setPhase("idle");
      return;
    }
    if (this.#isGivenUp || this.#session.link === "over") {
      this.#session.close();
      await this.#finishCapture();
      this.#setPhase("idle");
      return;
    }
    this.#keepAwake();
    this.#setPhase("live");
  }

  /** Stops listening and finishes the current utterance. */
  pause() {
    if (this.phase !== "live") return;
    this.#capture.pause(true);
    this.finalize();
    this.#setPhase("paused");
  }

  resume() {
    if (this.phase !== "paused") return;
    this.#capture.pause(false);
    this.#setPhase("live");
  }

  /** Ends the current utterance here. */
  finalize() {
    this.#buffer?.finalize();
    this.#session?.flush();
  }

  /** Refuses to start: `code` becomes the problem that the page shows. */
  refuse(code) {
    if (this.phase !== "idle") return;
    this.problem = { code, message: "" };
    this.#changed();
  }

  /** Stops the recording. While the browser is still asking for the microphone, it is closed as soon as it opens. */
  async stop() {
    if (this.phase === "asking") this.#isGivenUp = true;
    if (!this.isOn) return;
    this.#setPhase("stopping");
    await this.#finishCapture();
    this.#session.stop();
  }

  #open(buffer) {
    this.#buffer = buffer;
    this.#session = new Connector({
      ...PATIENCE,
      url: liveUrl(this.base),
      query: this.#query,
      buffer,
      subprotocols: () => accessKey.subprotocols,
      mendableAfterS: ({ code }) => {
        // Somebody who has signed in may do so again, and nothing that was said before is lost.
        if (code !== "unauthorized" || !accessKey.signIn) return null;
        accessKey.refused();
        return SIGN_IN_AGAIN_S;
      },
      onEvent: (event) => this.#event(event),
      onChange: () => this.#changed(),
      onOver: (over) => this.#ended(over),
    });
    this.#session.open();
  }

  #piece(piece) {
    if (!this.#buffer) return;
    if (!this.#buffer.hasRoom()) {
      this.problem = { code: "buffer_full", message: "" };
      this.pause();
      return;
    }
    this.#buffer.push(piece);
    this.#session.flush();
  }

  #event(event) {
    if (event.type === "partial" || event.type === "final") {
      if (this.firstTextMs === null)
        this.firstTextMs = performance.measure("first text", { start: this.startedAt }).duration;
      const here = this.#buffer.audio.frameBytes ? this.#buffer.endMs - event.end_ms : 0;
      if (event.type === "partial") this.behindMs = Math.max(event.lag_ms ?? 0, here);
    }
    const what = this.transcript.apply(event);
    if (what) this.dispatchEvent(new CustomEvent("text", { detail: what }));
  }

  async #ended({ code, message }) {
    if (code === "unauthorized") accessKey.refused();
    if (code === "ended" && this.#buffer.audio.frameBytes && this.phase !== "stopping") return this.#continue();
    if (code === "ended") this.problem = { code: "ended", message: "" };
    else if (code !== "done" && code !== "closed") this.problem = { code, message };
    this.offsetMs = Math.max(this.positionMs, this.transcript.utterances.at(-1)?.endMs ?? 0);
    this.#buffer = null;
    if (this.isOn) await this.#finishCapture();
    // An utterance whose final never arrived is kept as its last partial.
    if (this.transcript.live.length) this.#keepLastPartials();
    return this.phase === "asking" ? undefined : this.#setPhase("idle");
  }

  /** Continues in a new session, with the audio not received, after the server ended this one (too long, or lost for
   * too long). */
  #continue() {
    const { startMs, parts } = this.#buffer.unreceived();
    this.offsetMs += startMs;
    this.transcript.continueAt(this.offsetMs);
    const buffer = new ReplayBuffer(audioFormat("pcm_s16le", SAMPLE_RATE, this.#channels), MAX_KEPT);
    for (const part of parts) buffer.push(part);
    this.#query = { ...this.#query, session_id: newId() };
    this.#open(buffer);
  }

  #keepLastPartials() {
    const said = this.transcript.live.filter(({ text }) => text);
    this.transcript.live = [];
    for (const { channel, text, startMs } of said)
      this.transcript.utterances.push({
        key: `rest-${channel ?? ""}-${this.offsetMs}`,
        channel,
        startMs,
        endMs: this.offsetMs,
        text,
        language: null,
        confidence: null,
        words: [],
      });
    this.dispatchEvent(new CustomEvent("text", { detail: "final" }));
  }

  async #finishCapture() {
    const open = this.#capture;
    this.#capture = null;
    await open?.finish();
    await this.#lock?.release();
    this.#lock = null;
  }

  /** Keeps the screen on; a phone that turns it off would end the recording. */
  async #keepAwake() {
    try {
      this.#lock = (await navigator.wakeLock?.request("screen")) ?? null;
    } catch (error) {
      // Refused to save power: recording continues only while the screen stays on.
      if (error.name !== "NotAllowedError") throw error;
    }
  }

  get #elapsedMs() {
    return this.#activeMs + (this.#activeSince === null ? 0 : performance.now() - this.#activeSince);
  }

  #watchSilence() {
    if (this.phase !== "live" || !this.#capture?.isSilent()) this.#heardAt = performance.now();
    const isSilent = performance.now() - this.#heardAt > SILENT_MS;
    if (isSilent === this.isSilent) return;
    this.isSilent = isSilent;
    this.#changed();
  }

  #setPhase(phase) {
    this.#activeMs = this.#elapsedMs;
    this.#activeSince = phase === "live" ? performance.now() : null;
    this.phase = phase;
    this.#changed();
  }
  #changed() {
    this.dispatchEvent(new Event("change"));
  }
}
