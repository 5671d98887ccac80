// Sets up the page: frame, views, and the state that survives a change of view or language.
import { keepLanguage, LANGUAGES, language, loadLanguage, t, wantedLanguage } from "./i18n/index.js";
import { takeDrops } from "./files/drop.js";
import { FileQueue } from "./files/queue.js";
import { transport } from "./files/transport.js";
import { socketBase } from "./live/address.js";
import { Drafts } from "./live/drafts.js";
import { Keeping } from "./live/keeping.js";
import { OnAir } from "./live/on_air.js";
import { Recording } from "./live/recording.js";
import { Transcript } from "./live/transcript.js";
import * as live from "./live/view.js";
import { address, start } from "./router.js";
import { button, h, select } from "./ui/dom.js";
import { recordingBar } from "./ui/recording_bar.js";
import { Server } from "./ui/server.js";
import { setTheme, startTheme, theme, THEMES } from "./ui/theme.js";
import { toast } from "./ui/toast.js";
import { Views } from "./ui/views.js";

const VIEWS = {
  live: () => live,
  // Some browsers never refetch a module URL that failed once, so each attempt uses a different one.
  files: (again) => import(`./files/view.js${again}`),
  library: (again) => import(`./library/view.js${again}`),
  conversation: (again) => import(`./conversation/view.js${again}`),
};
const THEME_ICONS = { auto: "auto", light: "sun", dark: "moon" };
const STATUS_KINDS = { ready: "good", loading: "warn", down: "bad", offline: "bad", unknown: "" };

const main = document.getElementById("main");
const transcript = new Transcript();
const recording = new Recording(socketBase(location), transcript);
const drafts = new Drafts();
const app = {
  base: socketBase(location),
  server: new Server(),
  transcript,
  recording,
  onAir: new OnAir(),
  drafts,
  keeping: new Keeping(recording, drafts),
  files: new FileQueue(transport),
  /** The open conversation, {id, recording}; null on the join form. */
  room: null,
  onRoom: drawNav,
};
const views = new Views({ main, app, load: async (name, attempt) => VIEWS[name](attempt ? `?again=${attempt}` : "") });
const drawBar = recordingBar(
  app.onAir,
  document.getElementById("recording-bar"),
  document.getElementById("recording-status"),
);
let at = null;

async function show(place, byPerson) {
  const before = at;
  at = place;
  drawNav();
  document.title = `${t(`nav.${place.view}`)} · ${t("app.name")}`;
  await views.show(place.view, place, { isWanted: () => at === place, onRetry: () => show({ ...place }, false) });
  if (byPerson && at === place && before?.view !== place.view) {
    window.scrollTo(0, 0);
    main.focus({ preventScroll: true });
  }
}

function drawNav() {
  for (const link of document.querySelectorAll(".nav a")) {
    const { view } = link.dataset;
    if (view === at?.view) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
    link.classList.toggle("on-air", view === app.onAir.open?.view);
    if (view === "conversation") link.href = address(view, app.room?.id);
  }
}

/** Changes the language of the page. All views are created again; their data is stored elsewhere. */
async function speak(code) {
  try {
    await loadLanguage(code);
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    toast(t("app.language_failed"));
    return frame();
  }
  keepLanguage(code);
  await views.clear();
  frame();
  return show({ ...at }, false);
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
  drawBar();
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

/** Loads the user's language; falls back to English until its texts can be fetched. */
async function loadFirstLanguage() {
  try {
    await loadLanguage();
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    await loadLanguage("en");
    const again = async () => {
      if (app.server.status === "ready" && language() !== wantedLanguage()) await speak(wantedLanguage());
      if (language() === wantedLanguage()) app.server.removeEventListener("change", again);
    };
    app.server.addEventListener("change", again);
  }
}

startTheme();
await loadFirstLanguage();
app.onAir.add(recording, "live");
app.onAir.addEventListener("change", drawNav);
app.server.addEventListener("change", () => {
  status();
  if (views.hasFailed && app.server.status === "ready") show({ ...at }, false);
});
frame();
takeDrops(app);
drafts.hold();
// Closing the page would lose audio and uploads in progress, and text that is saved nowhere else.
window.addEventListener("beforeunload", (event) => {
  if (app.onAir.isBusy || app.files.isBusy || app.keeping.isUnsaved) event.preventDefault();
});
window.addEventListener("pagehide", () => app.keeping.flush());
app.server.start();
start(show);
document.documentElement.dataset.ready = "true";
