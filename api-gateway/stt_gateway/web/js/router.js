// Addresses within the page: #/view/rest?query. Pure except for `start`.

export const VIEWS = ["live", "files", "library", "conversation"];

/** "#/library/7?query=x" -> {view, rest: "7", params}. An unknown address means the first view. */
export function parse(hash) {
  const [path, query = ""] = hash.replace(/^#\/?/, "").split("?");
  const [view, ...rest] = path.split("/");
  return {
    view: VIEWS.includes(view) ? view : VIEWS[0],
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

export function start(show) {
  window.addEventListener("hashchange", () => show(parse(location.hash), true));
  show(parse(location.hash), false);
}

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch (error) {
    if (error instanceof URIError) return text;
    throw error;
  }
}
