// Files over HTTP: upload with progress, a job's events, cancelling.

const JOBS = "/v1/stt/jobs";

export class RequestError extends Error {
  constructor(code, message) {
    super(message);
    this.code = code;
  }
}

/** The error that an answer tells. */
export function toldError(status, text) {
  try {
    const { code, message } = JSON.parse(text).error;
    return new RequestError(code, message);
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof TypeError)
      return new RequestError("internal", `HTTP ${status}`);
    throw error;
  }
}

/** Fetches JSON. Raises RequestError. */
export async function request(path, options = {}) {
  let answer;
  try {
    answer = await fetch(path, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new RequestError("unreachable", "");
  }
  if (!answer.ok) throw toldError(answer.status, await answer.text());
  return answer.status === 204 ? null : answer.json();
}

export const transport = {
  storage: globalThis.localStorage,

  /** Answers the job's id. `onProgress`: 0 to 100. */
  upload(file, wishes, onProgress, signal) {
    const form = new FormData();
    for (const [name, value] of Object.entries(wishes)) form.append(name, value);
    form.append("file", file, file.name);
    // fetch tells no progress of what it sends.
    const sending = new XMLHttpRequest();
    return new Promise((resolve, reject) => {
      sending.open("POST", JOBS);
      sending.upload.onprogress = ({ loaded, total }) => onProgress(total ? (100 * loaded) / total : 0);
      sending.onload = () =>
        sending.status === 202
          ? resolve(JSON.parse(sending.responseText).job_id)
          : reject(toldError(sending.status, sending.responseText));
      sending.onerror = () => reject(new RequestError("unreachable", ""));
      sending.onabort = () => reject(new RequestError("cancelled", ""));
      signal.addEventListener("abort", () => sending.abort());
      sending.send(form);
    });
  },

  /** Calls `onView` with the job whenever it has changed; ends with it. A lost connection is taken up again. */
  async watch(jobId, onView, signal) {
    onView(await request(`${JOBS}/${jobId}`, { signal }));
    const events = new EventSource(`${JOBS}/${jobId}/events`);
    await new Promise((resolve, reject) => {
      const end = (action) => () => {
        events.close();
        action();
      };
      signal.addEventListener("abort", end(resolve));
      events.addEventListener("progress", ({ data }) => onView(JSON.parse(data)));
      events.addEventListener("end", ({ data }) => {
        onView(JSON.parse(data));
        end(resolve)();
      });
      events.onerror = async () => {
        // The browser connects again by itself, unless it was answered with an error.
        if (events.readyState !== EventSource.CLOSED) return;
        await new Promise((later) => {
          setTimeout(later, 1500);
        });
        try {
          onView(await request(`${JOBS}/${jobId}`, { signal }));
          await transport.watch(jobId, onView, signal);
          resolve();
        } catch (error) {
          if (error.code === "unreachable" && !signal.aborted)
            transport.watch(jobId, onView, signal).then(resolve, reject);
          else reject(error);
        }
      };
    });
  },

  /** Answers the job as it is then: one that has ended meanwhile stays as it is. */
  cancel: (jobId) => request(`${JOBS}/${jobId}/cancel`, { method: "POST" }),
  view: (jobId) => request(`${JOBS}/${jobId}`),
};
