// The list of the files that were added.
import { t } from "../i18n/index.js";
import { h } from "../ui/dom.js";
import { fileRow } from "./row.js";

/** Returns {elements, draw(), drawItem(item), focus(jobId)}. */
export function fileList(files) {
  const list = h("ul", { class: "list" });
  const none = h("p", { class: "quiet" }, t("files.none"));
  const rows = new Map(); // item -> row

  function draw() {
    none.hidden = files.items.length > 0;
    list.hidden = files.items.length === 0;
    for (const item of rows.keys()) if (!files.items.includes(item)) rows.delete(item);
    for (const item of files.items) if (!rows.has(item)) rows.set(item, fileRow(files, item));
    for (const row of rows.values()) row.draw();
    list.replaceChildren(...files.items.map((item) => rows.get(item).element));
  }

  /** Gives the focus to the link to a job's result. */
  const focus = (jobId) => rows.get(files.find(jobId))?.element.querySelector(".title a")?.focus();

  return { elements: [none, list], draw, drawItem: (item) => rows.get(item)?.draw(), focus };
}
