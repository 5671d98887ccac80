// The foot of the navigation: state of the server, language, theme, and the link to the API.
import { LANGUAGES, language, t } from "../i18n/index.js";
import { accessKey } from "./access_key.js";
import { button, h, select } from "./dom.js";
import { noteSignOut } from "./issuer.js";
import { icon } from "./icons.js";
import { setTheme, theme, THEMES } from "./theme.js";

const THEME_ICONS = { auto: "auto", light: "sun", dark: "moon" };
const STATUS_KINDS = { ready: "good", loading: "warn", down: "bad", offline: "bad", unknown: "" };

/** Fills `element` in the current language. `onLanguage(code)` is called when the user chooses another. Returns
 * `drawStatus`, to be called when the server's state changes. */
export function railFoot(element, server, onLanguage) {
  const state = h("p", { class: "server", role: "status" });
  const languages = select(Object.entries(LANGUAGES), language(), onLanguage, {
    class: "input small",
    "aria-label": t("app.language"),
  });

  function drawStatus() {
    const { status, model } = server;
    const text = t(`server.${status}`);
    state.replaceChildren(
      h("span", { class: `dot ${STATUS_KINDS[status]}` }),
      h("span", {}, status === "ready" && model ? `${text} · ${model}` : text),
    );
  }

  element.replaceChildren(
    state,
    h("div", { class: "choices" }, languages, themeButton()),
    accessKey.value ? button({ text: t("key.sign_out"), kind: "small", title: accessKey.signIn?.name, onclick: signOut }) : "",
    h("a", { class: "api", href: "docs" }, t("app.api")),
  );
  drawStatus();
  return drawStatus;
}

function signOut() {
  if (accessKey.signIn) noteSignOut();
  accessKey.forget();
  location.reload();
}

/** A button that switches to the next theme. */
function themeButton() {
  const next = () => {
    setTheme(THEMES[(THEMES.indexOf(theme()) + 1) % THEMES.length]);
    draw();
  };
  const element = button({ name: THEME_ICONS[theme()], label: "", kind: "small", onclick: next });
  element.classList.add("themes");
  const draw = () => {
    element.replaceChildren(icon(THEME_ICONS[theme()]));
    element.title = t(`theme.${theme()}`);
    element.setAttribute("aria-label", element.title);
  };
  draw();
  return element;
}
