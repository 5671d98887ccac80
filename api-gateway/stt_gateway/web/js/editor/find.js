// Finding and replacing words in the segments of a transcript. Pure.

const pattern = (wanted) => new RegExp(wanted.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"), "giu");

/** Where `wanted` stands, whatever its case: [{segment, at, length}], `segment`: position in `segments`, `at`: of its
 * text. */
export function matches(segments, wanted) {
  if (!wanted) return [];
  return segments.flatMap(({ text }, segment) =>
    [...text.trim().matchAll(pattern(wanted))].map((found) => ({ segment, at: found.index, length: found[0].length })),
  );
}

/** The texts in which all of them are replaced: [{segment, text}]. */
export function replaced(segments, wanted, replacement) {
  const found = new Set(matches(segments, wanted).map(({ segment }) => segment));
  return [...found].map((segment) => ({
    segment,
    text: segments[segment].text.trim().replace(pattern(wanted), () => replacement),
  }));
}
