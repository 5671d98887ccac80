// File jobs over HTTP: upload with progress, job events, cancellation.
import { accessKey } from "../ui/access_key.js";
import { lasting } from "../ui/storage.js";

const JOBS = "v1/stt/jobs"; // relative to the page, which a proxy may serve below a path

export class RequestError extends Error {
  constructor(code, message) {
    super(message);
    this.code = code;
  }
}

/** The error described by a response. */
export function responseError(status, text) {
  if (status === 401) accessKey.refused();
  try {
    const { code, message } = JSON.parse(text).error;
    return new RequestError(code, message);
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof TypeError)
      return new RequestError("internal", `HTTP ${status}`);
    throw error;
  }
}

/** Fetches JSON, or what `read(answer)` makes of the response. Throws RequestError. */
export async function request(path, options = {}, read = (answer) => answer.json()) {
  let answer;
  try {
    answer = await fetch(path, { ...options, headers: { ...options.headers, ...accessKey.headers() } });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new RequestError("unreachable", "");
  }
  if (!answer.ok) throw responseError(answer.status, await answer.text());
  return answer.status === 204 ? null : read(answer);
}

export const transport = {
  storage: lasting,

  /** Uploads a file and returns the job's id. `onProgress`: 0 to 100. */
  upload(file, parameters, onProgress, signal) {
    const form = new FormData();
    for (const [name, value] of Object.entries(parameters)) form.append(name, value);
    form.append("file", file, file.name);
    // fetch does not report upload progress.
    const sending = new XMLHttpRequest();
    return new Promise((resolve, reject) => {
      sending.open("POST", JOBS);
      for (const [name, value] of Object.entries(accessKey.headers())) sending.setRequestHeader(name, value);
      sending.upload.onprogress = ({ loaded, total }) => onProgress(total ? (100 * loaded) / total : 0);
      sending.onload = () =>
        sending.status === 202
          ? resolve(JSON.parse(sending.responseText).job_id)
          : reject(responseError(sending.status, sending.responseText));
      sending.onerror = () => reject(new RequestError("unreachable", ""));
      sending.onabort = () => reject(new RequestError("cancelled", ""));
      signal.addEventListener("abort", () => sending.abort());
      sending.send(form);
    });
  },

  /** Calls `onView` with the job whenever it changes, until the job ends. Reconnects after a lost connection. */
  async watch(jobId, onView, signal) {
    onView(await request(`${JOBS}/${jobId}`, { signal }));
    const events = new EventSource(`${JOBS}/${jobId}/events${await accessKey.query()}`);
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
        // The browser reconnects by itself unless the response was an error.
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

  /** Cancels a job and returns its state; one that has ended in the meantime is left unchanged. */
  cancel: (jobId) => request(`${JOBS}/${jobId}/cancel`, { method: "POST" }),
  view: (jobId) => request(`${JOBS}/${jobId}`),
};
