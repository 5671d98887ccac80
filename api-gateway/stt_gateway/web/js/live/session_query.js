// Query parameters of a session from the user's settings. Pure.

const MOST_TERMS = 100;
const MOST_TERM_CHARS = 100;

/** Terms, one per line, as the parameter `keyterms`; a comma would divide a term in two. */
export function keytermsOf(text) {
  const terms = text.split("\n").map((line) => line.replaceAll(",", " ").trim().slice(0, MOST_TERM_CHARS).trim());
  return terms.filter(Boolean).slice(0, MOST_TERMS).join(",");
}

/** "auto", or milliseconds. */
const endpointing = (chosen) => (chosen === "auto" ? { endpointing: "auto" } : { endpointing_ms: chosen });

/** What is redacted for users who want that. */
export const REDACTED = "card,email,phone,iban";

/** Parameters that Live and conversations share. */
export function sessionQuery(settings, server) {
  const query = { language: server.languageFor(settings.language), ...endpointing(settings.pause) };
  if (settings.prompt) query.prompt = settings.prompt;
  const keyterms = keytermsOf(settings.keyterms);
  if (keyterms) query.keyterms = keyterms;
  if (settings.redact) query.redact = REDACTED;
  return query;
}
