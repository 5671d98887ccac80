// Problems of a conversation: it cannot be followed here, or the microphone does not work.
import { t } from "../i18n/index.js";
import { problemNotice } from "../live/problem.js";
import { button, h, notice } from "../ui/dom.js";

/** `onStart()`: the user wants to speak again. Returns {element, draw()}. */
export function roomNotices({ recording, viewer, onStart }) {
  const element = h("div", { class: "problem" });
  let current = null;
  return {
    element,
    draw() {
      const problem = viewer.state === "missing" ? "missing" : recording.problem;
      if (problem === current) return;
      current = problem;
      if (problem === "missing") element.replaceChildren(missingNotice(() => viewer.open()));
      else element.replaceChildren(...(problem ? [problemNotice(problem, onStart)] : []));
    },
  };
}

function missingNotice(onRetry) {
  return notice({
    name: "info",
    title: t("feature.missing"),
    text: t("feature.missing.conversation"),
    actions: [button({ name: "retry", text: t("action.again"), kind: "small", onclick: onRetry })],
  });
}
