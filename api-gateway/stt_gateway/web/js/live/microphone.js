// The microphone: access to it, and its audio in pieces, as bare samples or as a recorder's container.
import { watchInterruptions } from "./interruption.js";

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
const SILENCE = 1e-4; // amplitude below which no room is, but a muted microphone
const SLICE_MS = 250;
const BEAT_MS = 250;
const RECORDER_BITS = 24000;
const RECORDER_TYPES = [
  ["audio/webm;codecs=opus", "webm"],
  ["audio/ogg;codecs=opus", "ogg"],
  ["audio/mp4", "auto"],
];

/** AudioContext options still to try. Some browsers open a microphone only at its own rate; the worklet then
 * resamples. */
const rates = [{ sampleRate: TARGET_RATE }, {}];

/** Opens the device's microphone (empty: the default one) for `capture`. `onAllowed` is called early if the browser
 * will not ask for permission, so that later steps need not wait. `channels`: as many as it should have. Throws
 * MicrophoneError. */
export async function openMicrophone(deviceId, onAllowed, channels = 1) {
  if (!window.isSecureContext) throw new MicrophoneError("insecure");
  if (!navigator.mediaDevices?.getUserMedia || !window.AudioWorkletNode) throw new MicrophoneError("unsupported");
  const [stream, sound] = await Promise.allSettled([streamOf(deviceId, channels), soundAhead(onAllowed)]);
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
    // Some browsers do not know this permission name.
    if (error instanceof TypeError) return false;
    throw error;
  }
}

function openSound() {
  const context = new AudioContext({ ...rates[0], latencyHint: "interactive" });
  const loaded = context.audioWorklet.addModule(new URL("./worklet.js", import.meta.url));
  // `capture` awaits this promise and handles its failure.
  loaded.catch(() => {});
  return { context, loaded };
}

async function streamOf(deviceId, channels) {
  // Processing that makes voices pleasant in calls removes detail that speech recognition needs.
  const constraints = {
    channelCount: channels,
    echoCancellation: false,
    noiseSuppression: false,
    autoGainControl: true,
  };
  try {
    return await navigator.mediaDevices.getUserMedia({
      audio: deviceId ? { ...constraints, deviceId: { exact: deviceId } } : constraints,
    });
  } catch (error) {
    if (deviceId && error.name === "OverconstrainedError") return streamOf("", channels);
    throw new MicrophoneError(CODES[error.name] ?? "broken", error.message);
  }
}

/** Microphones as [{id, label}]; labels are known only after permission was granted. */
export async function microphones() {
  if (!navigator.mediaDevices?.enumerateDevices) return [];
  const devices = await navigator.mediaDevices.enumerateDevices();
  return devices
    .filter((d) => d.kind === "audioinput" && d.deviceId && d.deviceId !== "communications")
    .map((d) => ({ id: d.deviceId, label: d.label }));
}

/** The container format that this browser can record, as [type, encoding]; null if it cannot. */
export function recorderType() {
  if (!window.MediaRecorder) return null;
  return RECORDER_TYPES.find(([type]) => MediaRecorder.isTypeSupported(type)) ?? null;
}

/** Starts delivering pieces (Uint8Array) of an open microphone. `onBeat` is called several times per second, even while
 * nothing is delivered; `onInterrupted(isInterrupted)` when the device silences the microphone, and when it is back.
 * Returns {level(): 0..1, isSilent(), pause(isPaused), finish(): Promise}; `isSilent`: nothing at all is heard; no piece comes after `finish`. */
export async function capture({ stream, sound }, { asContainer, channels, onPiece, onBeat, onInterrupted }) {
  const { context, loaded, source } = await joined(stream, sound);
  const analyser = new AnalyserNode(context, { fftSize: 1024 });
  source.connect(analyser);
  if (!asContainer) await loaded;
  const feed = asContainer
    ? recorderFeed(stream, channels, onPiece)
    : workletFeed(context, source, channels, onPiece, onBeat);
  // The worklet's own beats are exact, but end while the audio context is halted.
  const beat = setInterval(onBeat, BEAT_MS);
  const endWatch = watchInterruptions({ context, track: stream.getTracks()[0] }, onInterrupted);
  const wave = new Float32Array(analyser.fftSize);
  return {
    isSilent() {
      analyser.getFloatTimeDomainData(wave);
      return wave.every((value) => Math.abs(value) < SILENCE);
    },
    level() {
      analyser.getFloatTimeDomainData(wave);
      const power = wave.reduce((sum, value) => sum + value * value, 0) / wave.length;
      // Map -60 dB to -6 dB to 0 to 1; linear power would show speech as a flat line.
      return power < 1e-6 ? 0 : Math.min(1, Math.max(0, (10 * Math.log10(power) + 60) / 54));
    },
    pause: feed.pause,
    async finish() {
      clearInterval(beat);
      endWatch();
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

function workletFeed(context, source, channels, onPiece, onBeat) {
  // A device with one channel leaves the second one silent, rather than having its words twice.
  const apart = { channelCount: channels, channelCountMode: "explicit", channelInterpretation: "discrete" };
  const options = { processorOptions: { channels }, ...(channels > 1 ? apart : {}) };
  const node = new AudioWorkletNode(context, "capture", options);
  let isPaused = false;
  let ended = () => {};
  node.port.onmessage = ({ data }) => {
    if (data === "ended") return ended();
    if (!isPaused) onPiece(new Uint8Array(data));
    return onBeat();
  };
  // The node outputs nothing, but some browsers only run nodes that are connected to the destination.
  source.connect(node).connect(context.destination);
  return {
    pause(value) {
      isPaused = value;
    },
    async finish() {
      // The graph may already have stopped: when a track ends, its source node stops too.
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

function recorderFeed(stream, channels, onPiece) {
  const [mimeType] = recorderType();
  const recorder = new MediaRecorder(stream, { mimeType, audioBitsPerSecond: channels * RECORDER_BITS });
  // Read blobs one after the other, so that they stay in order.
  let order = Promise.resolve();
  recorder.ondataavailable = ({ data }) => {
    order = order.then(async () => {
      if (data.size) onPiece(new Uint8Array(await data.arrayBuffer()));
    });
  };
  recorder.start(SLICE_MS);
  return {
    pause(value) {
      if (value) recorder.pause();
      else recorder.resume();
    },
    async finish() {
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
