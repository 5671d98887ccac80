// Paged search in names and texts, names first. Pure except for the request function passed in.

/** `fetchPage(parameters)` returns {transcripts, next_cursor}. */
export class Search {
  /** Results in display order. */
  found = [];
  #queries;
  #seen = new Set();

  /** Starts a search. `wanted`: {text, kind, language, from, to}. Without text, everything is listed, newest first. */
  constructor(fetchPage, wanted) {
    this.fetchPage = fetchPage;
    const { text, ...filters } = wanted;
    const queries = text ? [{ filename: text }, { query: text }] : [{}];
    this.#queries = queries.map((query) => ({ parameters: { ...filters, ...query }, cursor: null, isAtEnd: false }));
  }

  get hasMore() {
    return this.#queries.some((query) => !query.isAtEnd);
  }

  /** Fetches the next page of each query that has one; returns the new results. */
  async more() {
    const open = this.#queries.filter((query) => !query.isAtEnd);
    const pages = await Promise.all(open.map((query) => this.fetchPage({ ...query.parameters, cursor: query.cursor })));
    const fresh = [];
    pages.forEach((page, i) => {
      open[i].cursor = page.next_cursor;
      open[i].isAtEnd = !page.next_cursor;
      for (const one of page.transcripts) {
        const known = this.found.find((other) => other.id === one.id) ?? fresh.find((other) => other.id === one.id);
        // Found both by name and by text: shown once, with both.
        if (known) {
          known.snippet ??= one.snippet;
          continue;
        }
        if (this.#seen.has(one.id)) continue;
        this.#seen.add(one.id);
        fresh.push(one);
      }
    });
    this.found.push(...fresh);
    return fresh;
  }

  remove(id) {
    this.found = this.found.filter((one) => one.id !== id);
  }
}

/** Text split at its hits ([start, end) in code points): [{text, isHit}]. */
export function highlighted(text, hits = []) {
  const letters = [...text];
  const parts = [];
  let at = 0;
  for (const [start, end] of [...hits].sort((a, b) => a[0] - b[0])) {
    if (start < at) continue;
    if (start > at) parts.push({ text: letters.slice(at, start).join(""), isHit: false });
    parts.push({ text: letters.slice(start, end).join(""), isHit: true });
    at = end;
  }
  if (at < letters.length) parts.push({ text: letters.slice(at).join(""), isHit: false });
  return parts;
}
