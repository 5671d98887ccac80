// Addresses within the page: #/view/rest?query. Pure except for `replace` and `start`.

/** "#/library/7?query=x" -> {view, rest: "7", params}. An unknown address means the first of `views`, their names. */
export function parse(hash, views) {
  const [path, query = ""] = hash.replace(/^#\/?/, "").split("?");
  const [view, ...rest] = path.split("/");
  return {
    view: views.includes(view) ? view : views[0],
    rest: decoded(rest.join("/")),
    params: new URLSearchParams(query),
  };
}

export function address(view, rest = "", params = {}) {
  const query = new URLSearchParams(Object.entries(params).filter(([, value]) => value)).toString();
  return `#/${view}${rest ? `/${encodeURIComponent(rest)}` : ""}${query ? `?${query}` : ""}`;
}

/** Replaces the address without adding a history entry. */
export function replace(hash) {
  history.replaceState(null, "", hash);
}

/** Calls `show(place, isByUser)` now and whenever the address changes. */
export function start(views, show) {
  window.addEventListener("hashchange", () => show(parse(location.hash, views), true));
  show(parse(location.hash, views), false);
}

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch (error) {
    if (error instanceof URIError) return text;
    throw error;
  }
}
