// Interruptions of an open microphone: a call, an assistant, a locked screen or a switch silences it without ending it.

const RETRY_MS = 5000;

/** Watches a microphone's audio context and track. Calls `onChange(isInterrupted)`, and resumes a halted context when
 * the page is shown or used, and every few seconds. Returns a function that ends the watch. */
export function watchInterruptions({ context, track }, onChange) {
  let isMuted = track.muted;
  let isInterrupted = false;

  function update() {
    const isNow = isMuted || context.state !== "running";
    if (isNow === isInterrupted) return;
    isInterrupted = isNow;
    onChange(isNow);
  }
  function setMuted({ type }) {
    isMuted = type === "mute";
    update();
  }
  async function resume() {
    if (document.hidden || context.state === "running") return;
    try {
      await context.resume();
    } catch (error) {
      // Refused as long as the interruption lasts.
      if (error.name !== "InvalidStateError" && error.name !== "NotAllowedError") throw error;
    }
  }

  const listened = [
    [context, "statechange", update],
    [track, "mute", setMuted],
    [track, "unmute", setMuted],
    [document, "visibilitychange", resume],
    [document, "pointerdown", resume],
  ];
  for (const [target, type, listener] of listened) target.addEventListener(type, listener);
  const retry = setInterval(resume, RETRY_MS);
  update();
  return () => {
    clearInterval(retry);
    for (const [target, type, listener] of listened) target.removeEventListener(type, listener);
  };
}
