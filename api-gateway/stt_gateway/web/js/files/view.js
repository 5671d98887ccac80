// The Files page: add files, watch them, open their results.
import { t } from "../i18n/index.js";
import { h } from "../ui/dom.js";
import { dropZone } from "./drop_zone.js";
import { fileList } from "./list.js";
import { fileOptions } from "./options.js";
import { filePanel } from "./panel.js";

export function create(app) {
  const { files, server } = app;
  const drop = dropZone(app);
  const options = fileOptions(server);
  const list = fileList(files);
  const panel = filePanel(app);
  const overview = h(
    "div",
    { class: "page" },
    h("header", {}, h("h1", {}, t("files.title")), h("p", {}, t("files.intro"))),
    drop,
    options.element,
    h("div", { class: "list-head" }, h("h2", {}, t("files.list"))),
    list.elements,
  );

  function draw() {
    drop.classList.toggle("compact", files.items.length > 0);
    list.draw();
  }

  const onChange = ({ detail: item }) => (item === null ? draw() : list.drawItem(item));
  files.addEventListener("change", onChange);
  server.addEventListener("change", options.draw);
  options.draw();
  draw();
  return {
    element: h("section", { class: "files-page", "aria-label": t("nav.files") }, overview, panel.element),
    show({ rest }) {
      const left = panel.id;
      overview.hidden = Boolean(rest);
      if (rest) return panel.open(rest);
      panel.close();
      if (left) list.focus(left);
      return undefined;
    },
    hide: () => panel.close(),
    destroy() {
      files.removeEventListener("change", onChange);
      server.removeEventListener("change", options.draw);
    },
  };
}
