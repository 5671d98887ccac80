/** Where audio that is not committed is kept, how a session is opened, and how long lost connections are mended. */
export interface ConnectOptions {
  /** Rate of bare samples in Hz; 16000 without. */
  sampleRate?: number;
  /** `pcm_s16le` (without), `pcm_f32le`, `mulaw`, `alaw`, or a container such as `webm`; docs/protocol.md lists them. */
  encoding?: string;
  /** Channels of bare samples, interleaved; 1 without. */
  channels?: number;
  /** The language that is spoken. */
  language?: string;
  /** Languages that may be spoken, of which each utterance is in one. */
  languages?: string[];
  /** Name of the session; unguessable without. */
  sessionId?: string;
  /** Other query parameters of a live session, such as `{ endpointing_ms: "300" }`. */
  parameters?: Record<string, string>;
  /** Seconds of bare samples to keep until they are settled; when it is full, `send` waits. 120 without, at least 60. */
  bufferS?: number;
  /** Bytes of a container to keep; the whole recording is kept up to this size. 16 MiB without. */
  bufferBytes?: number;
  /** Longest time without a connection, and longest wait for `done` after the last event. 120 s without. */
  patienceS?: number;
  /** Longest time for the first connection. 10 s without. */
  openPatienceS?: number;
  /** Longest time that one attempt to connect may take. 10 s without. */
  openTimeoutS?: number;
  /** How long a server that owes an answer may be silent before the connection counts as dead. 8 s without. */
  deadAfterS?: number;
  /** Key or token of a suite that wants one; it travels as a subprotocol. */
  apiKey?: string;
  /** Opens the WebSockets, where there is none built in, or with headers, certificates or a proxy. */
  openSocket?: (url: string, subprotocols: string[]) => WebSocket;
  /** Called when a connection is lost. */
  onLost?: (reason: string) => void;
  /** Called when another connection resumes the session. */
  onResumed?: () => void;
}

/** Opens a live session on the suite at `url`, such as `ws://host:8000`. Rejects with a SessionError, or with a TypeError
 * or RangeError for options that are not allowed. */
export function connect(url: string, options?: ConnectOptions): Promise<LiveSession>;

/** A live session: iterate over it to read its events, which end after `done`. All calls and the iteration reject with
 * a SessionError when the session cannot continue. Calls keep their order, also without `await`. */
export interface LiveSession extends AsyncIterable<SttEvent> {
  readonly sessionId: string;
  /** Configuration of this session, as sent by the server. */
  readonly config: Record<string, unknown>;
  /** Number of connections after the first. */
  readonly reconnects: number;
  /** Sends audio of any length. Resolves when it is buffered; waits while too much is not committed. */
  send(audio: ArrayBuffer | ArrayBufferView | Blob): Promise<void>;
  /** Ends the utterance here; its `final` comes without waiting for silence. */
  finalize(): Promise<void>;
  /** Changes keyterms or replacements from here on, except those left out; `configured` answers. */
  configure(changes: { keyterms?: string[]; replacements?: Record<string, string> }): Promise<void>;
  /** Ends the audio. The last finals follow, then `done`. */
  stop(): Promise<void>;
  /** Abandons the session if it is not over. */
  close(): void;
}

/** The session is over, and reconnecting would not help, or did not help for as long as allowed. */
export class SessionError extends Error {
  constructor(code: string, message: string, retryAfterS?: number | null, options?: { cause?: unknown });
  /** One of the server's error codes (docs/protocol.md), or `unreachable`, `refused`, `closed`, `no_answer`, `over`. */
  readonly code: string;
  /** Seconds after which the server asks to try again; null if it did not say. */
  readonly retryAfterS: number | null;
}

/** An event of docs/protocol.md, as received. The client handles `ready`, `ack` and `error` itself. More types and fields
 * may be added. */
export type SttEvent =
  | SpeechStarted
  | SpeechEnded
  | TurnEnded
  | Partial
  | Final
  | SpeakersRevised
  | Configured
  | Gap
  | Warning
  | Done;

interface EventBase {
  /** Rises, with holes. */
  event: number;
  session_id: string;
  /** UTC, ISO 8601. */
  timestamp?: string;
}

export interface SpeechStarted extends EventBase {
  type: "speech_started";
  start_ms: number;
  channel?: number;
}

export interface SpeechEnded extends EventBase {
  type: "speech_ended";
  end_ms: number;
  channel?: number;
}

export interface TurnEnded extends EventBase {
  type: "turn_ended";
  end_ms: number;
  probability: number;
  channel?: number;
}

/** The current utterance so far: `stable` text is not revised by later partials, `unstable` text may be. */
export interface Partial extends EventBase {
  type: "partial";
  text: string;
  new_text: string;
  stable: string;
  unstable: string;
  confidence: number;
  utterance: number;
  start_ms: number;
  end_ms: number;
  lag_ms: number;
  channel?: number;
}

/** A finished utterance; it never changes. */
export interface Final extends EventBase {
  type: "final";
  text: string;
  confidence: number;
  /** Counts from 1 without holes. */
  utterance: number;
  start_ms: number;
  end_ms: number;
  language: string;
  words: Word[];
  lag_ms: number;
  committed_ms: number;
  channel?: number;
  speaker?: string | null;
  speaker_confidence?: number;
  turns?: Turn[];
  /** Where the suite's trace of the utterance begins (W3C), if it is traced. */
  traceparent?: string;
}

export interface Word {
  word: string;
  start_ms: number;
  end_ms: number;
  confidence: number;
}

/** Who speaks from this word on, counted from 0. */
export interface Turn {
  word: number;
  speaker: string | null;
}

export interface SpeakersRevised extends EventBase {
  type: "speakers_revised";
  utterances: { utterance: number; speaker: string | null; turns?: Turn[] }[];
}

export interface Configured extends EventBase {
  type: "configured";
  from_ms: number;
  keyterms: string[];
  replacements: Record<string, string>;
}

export interface Gap extends EventBase {
  type: "gap";
  from_ms: number;
  to_ms: number;
  cause: string;
  channel?: number;
}

export interface Warning extends EventBase {
  type: "warning";
  code: string;
  message: string;
}

/** The last event: `text` is that of all finals of the session. */
export interface Done extends EventBase {
  type: "done";
  text: string;
  finals: number;
  duration_ms: number;
}
