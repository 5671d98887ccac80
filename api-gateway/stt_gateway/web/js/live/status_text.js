// What the Live page says about the state of its recording.
import { language, t } from "../i18n/index.js";

const SLOW_MS = 3000;
const KEPT_MS = 500;

/** {text, kind}: the chip's text and colour ("good", "warn", "bad" or none). */
export function statusText(recording, server) {
  if (recording.phase === "idle") return idleText(recording, server);
  if (recording.phase === "asking") return { text: t("state.asking"), kind: "" };
  if (recording.phase === "stopping")
    return { text: t(recording.link === "lost" ? "state.lost" : "state.stopping"), kind: "" };
  if (server.status === "offline" && recording.link !== "lost") return { text: t("state.offline"), kind: "warn" };
  if (recording.link === "lost") return { text: lostText(recording.keptMs), kind: "warn" };
  if (recording.isWaiting) return { text: t("state.full"), kind: "warn" };
  if (recording.link === "connecting") return { text: t("state.connecting"), kind: "" };
  if (recording.phase === "paused") return { text: t("state.paused"), kind: "" };
  if (recording.isInterrupted) return { text: t("state.interrupted"), kind: "bad" };
  if (recording.isSilent) return { text: t("state.silent"), kind: "warn" };
  if (recording.behindMs === null) return { text: t("state.listening"), kind: "good" };
  const text = t("state.behind", { s: seconds(recording.behindMs) });
  return { text, kind: recording.behindMs > SLOW_MS ? "warn" : "good" };
}

function idleText({ transcript, problem }, { status }) {
  if (status === "loading") return { text: t("server.loading"), kind: "warn" };
  if (status === "down" || status === "offline") return { text: t(`server.${status}`), kind: "bad" };
  if (!transcript.isEmpty) return { text: t("state.ended"), kind: "" };
  // "Ready" would contradict a notice about a problem.
  return { text: problem ? "" : t("state.ready"), kind: "" };
}

function lostText(keptMs) {
  return keptMs > KEPT_MS ? t("state.lost_kept", { s: Math.round(keptMs / 1000) }) : t("state.lost");
}

function seconds(ms) {
  return (ms / 1000).toLocaleString(language(), { minimumFractionDigits: 1, maximumFractionDigits: 1 });
}
