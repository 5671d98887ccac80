// Where the words of a search stand in a transcript, whatever their case and accents, as the server finds them. Pure.

/** The places of the whole phrase: [{segment, at, length}], `segment`: position in `segments`, `at`: of its trimmed
 * text. */
export function hitsIn(segments, query) {
  const wanted = folded(query.trim()).text;
  if (!wanted) return [];
  return segments.flatMap((one, segment) => {
    const { text, places } = folded(one.text.trim());
    const found = [];
    for (let at = text.indexOf(wanted); at >= 0; at = text.indexOf(wanted, at + wanted.length)) {
      const start = places[at];
      found.push({ segment, at: start, length: places[at + wanted.length] - start });
    }
    return found;
  });
}

/** A text in its plainest letters, and for each of them, and the end, its place in the text. */
function folded(text) {
  let plain = "";
  const places = [];
  let at = 0;
  for (const letter of text) {
    const letters = letter.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase().replace("ß", "ss");
    for (let n = 0; n < letters.length; n += 1) places.push(at);
    plain += letters;
    at += letter.length;
  }
  return { text: plain, places: [...places, at] };
}
