// Address of this server's WebSockets. Pure.

/** Without a slash at its end. `page`: the page's address, which may lie below a path that a proxy has added. */
export function socketBase(page) {
  return new URL(".", page).href.replace(/^http/, "ws").replace(/\/$/, "");
}
