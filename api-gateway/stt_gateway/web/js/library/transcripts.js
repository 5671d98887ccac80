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

/** Renames a transcript and returns its title as stored. */
export async function renameTranscript(id, title) {
  const renamed = await request(addressOf(id), {
    method: "PATCH",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ title }),
  });
  return renamed.title;
}

/** Deletes a transcript; the request survives the page. */
export const deleteTranscript = (id) => request(addressOf(id), { method: "DELETE", keepalive: true });
