// What the page needs of the server's answer to GET /health. Pure.

/** {status: "ready", "loading" or "down", model, languages, isAnonymous}. `isAnonymous`: the server tells no more without a
 * key that it accepts. `languages`: codes that the transcribers' models know; empty,
 * as `model`, until a transcriber has reported them. */
export function readHealth({ status, services, replicas = [] }) {
  const details = replicas
    .filter(({ service, detail }) => service === "transcriber" && detail?.model)
    .map(({ detail }) => detail);
  const isLoading = ["loading", "missing"].includes(services?.whisper) && services?.redis === "connected";
  return {
    status: status !== "unhealthy" ? "ready" : isLoading ? "loading" : "down",
    model: details[0]?.model ?? "",
    isAnonymous: services === undefined,
    languages: [...new Set(details.flatMap(({ languages }) => languages ?? []))],
  };
}
