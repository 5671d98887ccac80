// Puts the page together: frame, views, and what outlives a change of view or language.
import { keepLanguage, LANGUAGES, language, loadLanguage, t } from "./i18n/index.js";
import { takeDrops } from "./files/drop.js";
import { FileQueue } from "./files/queue.js";
import { transport } from "./files/transport.js";
import { socketBase } from "./live/address.js";
import { Recording } from "./live/recording.js";
import { Transcript } from "./live/transcript.js";
import { keepText } from "./live/keeping.js";
import * as live from "./live/view.js";
import { start } from "./router.js";
import { button, h, select } from "./ui/dom.js";
import { Server } from "./ui/server.js";
import { applyTheme, setTheme, theme, THEMES } from "./ui/theme.js";

const LAZY = {
  files: () => import("./files/view.js"),
  library: () => import("./library/view.js"),
  conversation: () => import("./conversation/view.js"),
};
const THEME_ICONS = { auto: "auto", light: "sun", dark: "moon" };
const STATUS_KINDS = { ready: "good", loading: "warn", down: "bad", offline: "bad", unknown: "" };

const transcript = new Transcript();
const app = {
  base: socketBase(location),
  server: new Server(),
  transcript,
  recording: new Recording(socketBase(location), transcript),
  files: new FileQueue(transport),
};
const views = new Map();
let at = null;

async function view(name) {
  if (!views.has(name))
    views.set(
      name,
      (LAZY[name] ? LAZY[name]() : Promise.resolve(live)).then((module) => {
        const made = module.create(app);
        made.element.hidden = true;
        document.getElementById("main").append(made.element);
        return made;
      }),
    );
  return views.get(name);
}

async function show(place, byPerson) {
  const before = at;
  at = place;
  for (const link of document.querySelectorAll(".nav a")) {
    if (link.dataset.view === place.view) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  document.title = `${t(`nav.${place.view}`)} · ${t("app.name")}`;
  const made = await view(place.view);
  if (at !== place) return;
  if (before && before.view !== place.view) {
    const old = await view(before.view);
    old.element.hidden = true;
    old.hide?.();
  }
  made.element.hidden = false;
  made.show?.(place);
  if (byPerson && before?.view !== place.view) {
    window.scrollTo(0, 0);
    document.getElementById("main").focus({ preventScroll: true });
  }
}

/** The language has changed: all views are made anew; what they show lives elsewhere. */
async function speak(code) {
  keepLanguage(code);
  await loadLanguage(code);
  for (const made of views.values()) {
    const old = await made;
    old.hide?.();
    old.destroy?.();
    old.element.remove();
  }
  views.clear();
  frame();
  await show(at, false);
}

function frame() {
  for (const element of document.querySelectorAll("[data-text]")) element.textContent = t(element.dataset.text);
  for (const element of document.querySelectorAll("[data-label]"))
    element.setAttribute("aria-label", t(element.dataset.label));
  const foot = document.getElementById("rail-foot");
  const state = h("p", { class: "server", role: "status" });
  const themes = button({
    name: THEME_ICONS[theme()],
    label: "",
    kind: "small",
    onclick: () => {
      setTheme(THEMES[(THEMES.indexOf(theme()) + 1) % THEMES.length]);
      frame();
      document.querySelector(".themes")?.focus();
    },
  });
  themes.classList.add("themes");
  themes.title = t(`theme.${theme()}`);
  themes.setAttribute("aria-label", t(`theme.${theme()}`));
  const tongues = select(Object.entries(LANGUAGES), language(), speak, {
    class: "input small",
    "aria-label": t("app.language"),
  });
  foot.replaceChildren(
    state,
    h("div", { class: "choices" }, tongues, themes),
    h("a", { class: "api", href: "/docs" }, t("app.api")),
  );
  status();
}

function status() {
  const { status: name, model } = app.server;
  const text = t(`server.${name}`, { model });
  document
    .querySelector(".server")
    ?.replaceChildren(
      h("span", { class: `dot ${STATUS_KINDS[name]}` }),
      h("span", {}, name === "ready" && model ? `${text} · ${model}` : text),
    );
}

keepText(app.recording);
applyTheme();
await loadLanguage();
frame();
app.server.addEventListener("change", status);
app.recording.addEventListener("change", () => {
  const link = document.querySelector('.nav [data-view="live"]');
  link.classList.toggle("on-air", app.recording.phase === "live");
});
takeDrops(app);
// A page that goes takes with it what nobody has heard yet.
window.addEventListener("beforeunload", (event) => {
  if (app.recording.isOn || app.files.isBusy) event.preventDefault();
});
app.server.start();
start(show);
document.documentElement.dataset.ready = "true";
