// Stored transcripts over HTTP. All functions throw RequestError.
import { request } from "../files/transport.js";

export const TRANSCRIPTS = "v1/stt/transcripts";
const addressOf = (id) => `${TRANSCRIPTS}/${encodeURIComponent(id)}`;

/** A page of the list, {transcripts, next_cursor}; parameters without a value are left out. */
export function fetchPage(parameters) {
  const given = Object.entries(parameters).filter(([, value]) => value);
  return request(`${TRANSCRIPTS}?${new URLSearchParams(given)}`);
}

export const fetchTranscript = (id) => request(addressOf(id));

/** Changes a transcript's title, texts or speakers; returns it without text. */
export function editTranscript(id, edit) {
  return request(addressOf(id), {
    method: "PATCH",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(edit),
  });
}

/** Renames a transcript and returns its title as stored. */
export const renameTranscript = async (id, title) => (await editTranscript(id, { title })).title;

/** A transcript as a document, a Blob; `kind`: md or docx. `hasTimes`: its paragraphs say when they begin. */
export function fetchDocument({ id, created_at: createdAt }, kind, hasTimes) {
  const offset = -new Date(createdAt).getTimezoneOffset();
  const query = new URLSearchParams({ timestamps: String(hasTimes), utc_offset_minutes: String(offset) });
  return request(`${addressOf(id)}/export.${kind}?${query}`, {}, (answer) => answer.blob());
}

/** Deletes a transcript; the request survives the page. */
export const deleteTranscript = (id) => request(addressOf(id), { method: "DELETE", keepalive: true });
