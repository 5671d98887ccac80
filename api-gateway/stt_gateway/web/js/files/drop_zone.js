// Where files are dropped or chosen.
import { t } from "../i18n/index.js";
import { button, h } from "../ui/dom.js";
import { icon } from "../ui/icons.js";
import { addFiles } from "./drop.js";

const ACCEPTED =
  "audio/*,video/*,.wav,.w64,.mp3,.m4a,.mp4,.mov,.3gp,.webm,.mkv,.mka,.ogg,.opus,.flac,.aac,.aiff,.au,.caf,.amr,.wma,.wv,.tta," +
  ".voc,.qcp,.dss,.oma,.sph,.ac3,.dts,.ts,.mts,.m2ts,.mpg,.vob,.avi,.flv,.mxf,.dv";

/** Dropping itself is handled by acceptDrops, for the whole page. */
export function dropZone(app) {
  const chooser = h("input", {
    type: "file",
    multiple: true,
    accept: ACCEPTED,
    class: "unseen",
    tabindex: "-1",
    "aria-hidden": "true",
    onchange: () => {
      addFiles(app, chooser.files);
      chooser.value = "";
    },
  });
  return h(
    "div",
    { class: "drop" },
    icon("upload"),
    h("strong", {}, t("files.drop")),
    h("span", { class: "quiet" }, t("files.or")),
    button({ text: t("files.choose"), kind: "main", onclick: () => chooser.click() }),
    chooser,
  );
}
