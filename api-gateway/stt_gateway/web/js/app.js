// Sets up the page: frame, views, and the state that survives a change of view or language.
import { acceptDrops } from "./files/drop.js";
import { FileQueue } from "./files/queue.js";
import { transport } from "./files/transport.js";
import { keepLanguage, language, loadLanguage, t, wantedLanguage } from "./i18n/index.js";
import { socketBase } from "./live/address.js";
import { UnsavedTexts } from "./live/unsaved.js";
import { TextKeeper } from "./live/text_keeper.js";
import { OnAir } from "./live/on_air.js";
import { Recording } from "./live/recording.js";
import { Transcript } from "./live/transcript.js";
import { start } from "./router.js";
import { accessKey } from "./ui/access_key.js";
import { guest, placeFor, takeInvitation } from "./ui/guest.js";
import { navigation } from "./ui/navigation.js";
import { railFoot } from "./ui/rail_foot.js";
import { recordingBar } from "./ui/recording_bar.js";
import { Server } from "./ui/server.js";
import { renew, startRenewal } from "./ui/renewal.js";
import { askWhoItIs } from "./ui/sign_in.js";
import { startTheme } from "./ui/theme.js";
import { toast } from "./ui/toast.js";
import { ViewSwitcher } from "./ui/view_switcher.js";
import { VIEWS } from "./views.js";

takeInvitation();
const invitation = guest();
const byId = (id) => document.getElementById(id);
const main = byId("main");
const transcript = new Transcript();
const recording = new Recording(socketBase(location.href), transcript);
const unsaved = new UnsavedTexts();
const app = {
  base: socketBase(location.href),
  server: new Server(),
  transcript,
  recording,
  onAir: new OnAir(),
  unsaved,
  keeper: new TextKeeper(recording, unsaved),
  files: new FileQueue(transport),
  /** The open conversation, {id, recording}; null on the join form. */
  room: null,
  onRoom: drawNavigation,
};
const views = new ViewSwitcher({
  main,
  app,
  load: (name, attempt) => VIEWS[name].load(attempt ? `?again=${attempt}` : ""),
});
const markLinks = navigation(byId("nav"), invitation ? { conversation: VIEWS.conversation } : VIEWS, app);
const drawBar = recordingBar(app.onAir, byId("recording-bar"), byId("recording-status"));
let drawStatus = () => {};
let current = null; // the place shown, as router.js parses it

async function show(asked, isByUser) {
  // Another invitation, or one while the page was used with a key.
  if (takeInvitation()) return location.reload();
  const place = placeFor(asked);
  const before = current;
  current = place;
  drawNavigation();
  document.title = `${t(`nav.${place.view}`)} · ${t("app.name")}`;
  const isWanted = () => current === place;
  await views.show(place.view, place, { isWanted, onRetry: () => show({ ...place }, false) });
  if (isByUser && isWanted() && before?.view !== place.view) {
    window.scrollTo(0, 0);
    main.focus({ preventScroll: true });
  }
}

/** Shows the page to somebody whom the server knows again. */
async function beginAgain() {
  // A guest who has a key may see more than what is here.
  if (invitation) return location.reload();
  app.server.refresh();
  // Views are created again, since they show what they could not load.
  await views.clear();
  drawFrame();
  return show({ ...current }, false);
}

function drawNavigation() {
  markLinks(current?.view);
}

/** Changes the language of the page. All views are created again; their data is stored elsewhere. */
async function changeLanguage(code) {
  try {
    await loadLanguage(code);
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    toast(t("app.language_failed"));
    return drawFrame();
  }
  keepLanguage(code);
  await views.clear();
  drawFrame();
  return show({ ...current }, false);
}

/** Draws everything around the views in the current language. */
function drawFrame() {
  for (const element of document.querySelectorAll("[data-text]")) element.textContent = t(element.dataset.text);
  for (const element of document.querySelectorAll("[data-label]"))
    element.setAttribute("aria-label", t(element.dataset.label));
  drawStatus = railFoot(byId("rail-foot"), app.server, changeLanguage);
  drawBar();
}

/** Loads the user's language; falls back to English until its texts can be fetched. */
async function loadFirstLanguage() {
  try {
    await loadLanguage();
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    await loadLanguage("en");
    const again = async () => {
      if (app.server.status === "ready" && language() !== wantedLanguage()) await changeLanguage(wantedLanguage());
      if (language() === wantedLanguage()) app.server.removeEventListener("change", again);
    };
    app.server.addEventListener("change", again);
  }
}

startTheme();
await loadFirstLanguage();
app.onAir.add(recording, "live");
app.onAir.addEventListener("change", drawNavigation);
recording.addEventListener("change", () => {
  // Asked at once, so that the rail and the recording say the same.
  if (recording.link === "lost" && app.server.status === "ready") app.server.refresh();
});
accessKey.addEventListener("refused", async () => {
  // A token expires while the computer sleeps.
  if (await renew()) return beginAgain();
  askWhoItIs(beginAgain);
});
app.server.addEventListener("change", () => {
  drawStatus();
  if (views.hasFailed && app.server.status === "ready") show({ ...current }, false);
});
drawFrame();
if (!invitation) acceptDrops(app);
unsaved.hold();
// Closing the page would lose audio and uploads in progress, and text that is saved nowhere else.
window.addEventListener("beforeunload", (event) => {
  if (app.onAir.isBusy || app.files.isBusy || app.keeper.isUnsaved) event.preventDefault();
});
window.addEventListener("pagehide", () => app.keeper.flush());
startRenewal();
app.server.start();
start(Object.keys(VIEWS), show);
document.documentElement.dataset.ready = "true";
