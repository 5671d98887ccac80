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

/** Deletes a transcript; the request survives the page. */
export const deleteTranscript = (id) => request(addressOf(id), { method: "DELETE", keepalive: true });
