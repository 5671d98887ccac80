// The microphone: asking for it, and its sound as numbered-to-be pieces: bare samples, or a recorder's container.

export class MicrophoneError extends Error {
  /** `code`: insecure, unsupported, denied, missing, busy or broken. */
  constructor(code, detail = "") {
    super(detail || code);
    this.code = code;
  }
}

const CODES = {
  NotAllowedError: "denied",
  SecurityError: "denied",
  NotFoundError: "missing",
  OverconstrainedError: "missing",
  NotReadableError: "busy",
  AbortError: "busy",
};
const TARGET_RATE = 16000;
const SLICE_MS = 250;
const RECORDER_BITS = 24000;
const RECORDER_TYPES = [
  ["audio/webm;codecs=opus", "webm"],
  ["audio/ogg;codecs=opus", "ogg"],
  ["audio/mp4", "auto"],
];

/** Options of the sound still to be tried. Some browsers take a microphone at its own rate only: the worklet resamples
 * then. */
const rates = [{ sampleRate: TARGET_RATE }, {}];

/** The microphone of the device (empty: the usual one), for `capture`. `onAllowed` is called meanwhile if the browser will
 * ask nobody: what follows need not wait then. Raises MicrophoneError. */
export async function openMicrophone(deviceId, onAllowed) {
  if (!window.isSecureContext) throw new MicrophoneError("insecure");
  if (!navigator.mediaDevices?.getUserMedia || !window.AudioWorkletNode) throw new MicrophoneError("unsupported");
  const [stream, sound] = await Promise.allSettled([streamOf(deviceId), soundAhead(onAllowed)]);
  if (stream.value && sound.status === "fulfilled") return { stream: stream.value, sound: sound.value };
  stream.value?.getTracks().forEach((track) => track.stop());
  await sound.value?.context.close();
  throw stream.reason ?? sound.reason;
}

async function soundAhead(onAllowed) {
  if (!(await isAllowed())) return null;
  onAllowed();
  return openSound();
}

async function isAllowed() {
  try {
    return (await navigator.permissions?.query({ name: "microphone" }))?.state === "granted";
  } catch (error) {
    // Not every browser knows this name.
    if (error instanceof TypeError) return false;
    throw error;
  }
}

function openSound() {
  const context = new AudioContext({ ...rates[0], latencyHint: "interactive" });
  const loaded = context.audioWorklet.addModule(new URL("./worklet.js", import.meta.url));
  // `capture` waits for it, and is told then.
  loaded.catch(() => {});
  return { context, loaded };
}

async function streamOf(deviceId) {
  // What makes voices pleasant on the phone takes away what a recogniser hears by.
  const wishes = { channelCount: 1, echoCancellation: false, noiseSuppression: false, autoGainControl: true };
  try {
    return await navigator.mediaDevices.getUserMedia({
      audio: deviceId ? { ...wishes, deviceId: { exact: deviceId } } : wishes,
    });
  } catch (error) {
    if (deviceId && error.name === "OverconstrainedError") return streamOf("");
    throw new MicrophoneError(CODES[error.name] ?? "broken", error.message);
  }
}

/** [{id, label}]; labels are known only after a permission. */
export async function microphones() {
  if (!navigator.mediaDevices?.enumerateDevices) return [];
  const devices = await navigator.mediaDevices.enumerateDevices();
  return devices
    .filter((d) => d.kind === "audioinput" && d.deviceId && d.deviceId !== "communications")
    .map((d) => ({ id: d.deviceId, label: d.label }));
}

/** The kind of container that this browser records, as [type, encoding]; null without a recorder. */
export function recorderType() {
  if (!window.MediaRecorder) return null;
  return RECORDER_TYPES.find(([type]) => MediaRecorder.isTypeSupported(type)) ?? null;
}

/** Starts handing out pieces (Uint8Array) of an open microphone. `onBeat` is called many times a second, also while
 * nothing is handed out. Answers {level(): 0..1, pause(isPaused), finish(): Promise}: after `finish` no piece comes. */
export async function capture({ stream, sound }, { asContainer, onPiece, onBeat }) {
  const { context, loaded, source } = await joined(stream, sound);
  const analyser = new AnalyserNode(context, { fftSize: 1024 });
  source.connect(analyser);
  if (!asContainer) await loaded;
  const feed = asContainer ? recorderFeed(stream, onPiece, onBeat) : workletFeed(context, source, onPiece, onBeat);
  const wave = new Float32Array(analyser.fftSize);
  return {
    level() {
      analyser.getFloatTimeDomainData(wave);
      const power = wave.reduce((sum, value) => sum + value * value, 0) / wave.length;
      // -60 dB to -6 dB as 0 to 1: linear power would show speech as a flat line.
      return power < 1e-6 ? 0 : Math.min(1, Math.max(0, (10 * Math.log10(power) + 60) / 54));
    },
    pause: feed.pause,
    async finish() {
      await feed.finish();
      stream.getTracks().forEach((track) => track.stop());
      await context.close();
    },
  };
}

async function joined(stream, ahead) {
  for (let sound = ahead ?? openSound(); ; sound = openSound()) {
    try {
      const source = sound.context.createMediaStreamSource(stream);
      if (sound.context.state === "suspended") await sound.context.resume();
      return { ...sound, source };
    } catch (error) {
      await sound.context.close();
      if (error.name !== "NotSupportedError" || rates.length === 1) throw new MicrophoneError("broken", error.message);
      rates.shift();
    }
  }
}

function workletFeed(context, source, onPiece, onBeat) {
  const node = new AudioWorkletNode(context, "capture");
  let isPaused = false;
  let ended = () => {};
  node.port.onmessage = ({ data }) => {
    if (data === "ended") return ended();
    if (!isPaused) onPiece(new Uint8Array(data));
    return onBeat();
  };
  // It writes nothing; some browsers run only what leads to the speakers.
  source.connect(node).connect(context.destination);
  return {
    pause(value) {
      isPaused = value;
    },
    async finish() {
      // The graph may already stand still: a track that ended takes its source along.
      await Promise.race([
        new Promise((resolve) => {
          ended = resolve;
          node.port.postMessage("end");
        }),
        wait(300),
      ]);
      node.port.onmessage = null;
      source.disconnect();
    },
  };
}

function recorderFeed(stream, onPiece, onBeat) {
  const [mimeType] = recorderType();
  const recorder = new MediaRecorder(stream, { mimeType, audioBitsPerSecond: RECORDER_BITS });
  // One after the other: a blob that is read sooner must not overtake.
  let order = Promise.resolve();
  recorder.ondataavailable = ({ data }) => {
    order = order.then(async () => {
      if (data.size) onPiece(new Uint8Array(await data.arrayBuffer()));
    });
  };
  recorder.start(SLICE_MS);
  const beat = setInterval(onBeat, SLICE_MS);
  return {
    pause(value) {
      if (value) recorder.pause();
      else recorder.resume();
    },
    async finish() {
      clearInterval(beat);
      if (recorder.state !== "inactive")
        await new Promise((resolve) => {
          recorder.onstop = resolve;
          recorder.stop();
        });
      await order;
    },
  };
}

const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
