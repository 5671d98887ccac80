// The Live text over a reload of the page, in this tab only: a shared computer must not tell it to the next person.

const KEY = "live";
const WAIT_MS = 800;

export function keepText(recording, storage = sessionStorage) {
  const { transcript } = recording;
  const kept = JSON.parse(storage.getItem(KEY) ?? "[]");
  if (kept.length) {
    transcript.restore(kept);
    recording.offsetMs = kept.at(-1).endMs;
  }
  let timer = 0;
  recording.addEventListener("text", ({ detail }) => {
    if (detail !== "final") return;
    clearTimeout(timer);
    timer = setTimeout(() => saveText(transcript, storage), WAIT_MS);
  });
}

export function saveText(transcript, storage = sessionStorage) {
  try {
    storage.setItem(KEY, JSON.stringify(transcript.utterances));
  } catch (error) {
    // Hours of text are more than a tab may keep: the page itself has them all the same.
    if (error.name !== "QuotaExceededError") throw error;
    storage.removeItem(KEY);
  }
}
