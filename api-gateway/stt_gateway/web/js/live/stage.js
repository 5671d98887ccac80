// The text of the Live page; before there is any, the introduction and the offer of unsaved transcripts.
import { t } from "../i18n/index.js";
import { h } from "../ui/dom.js";
import { jumpButton } from "../ui/following.js";
import { Captions } from "./captions.js";
import { unsavedOffer } from "./unsaved_offer.js";
import { problemNotice } from "./problem.js";

/** `onStart()`: the user wants to try again after a problem. `onRestore(entry)`: to restore an unsaved transcript.
 * Returns {element, scroller, captions, offer, draw()}. */
export function liveStage({ recording, transcript, unsaved }, { onStart, onRestore }) {
  const problem = h("div", { class: "problem" });
  const offer = unsavedOffer(unsaved, onRestore);
  const empty = h(
    "div",
    { class: "empty" },
    h("h1", {}, t("live.title")),
    h("p", { class: "quiet" }, t("live.intro")),
    problem,
    offer.element,
  );
  const scroller = h("div", { class: "stage", tabindex: "0", role: "region", "aria-label": t("live.text") });
  const toNewest = jumpButton(t("live.to_now"), () => captions.follow());
  const captions = new Captions(transcript, scroller, (isFollowing) => (toNewest.hidden = isFollowing));
  scroller.append(empty, captions.element);
  let currentProblem = null;

  function draw() {
    empty.hidden = !transcript.isEmpty && !recording.problem;
    empty.classList.toggle("small", !transcript.isEmpty);
    if (recording.problem === currentProblem) return;
    currentProblem = recording.problem;
    problem.replaceChildren(...(currentProblem ? [problemNotice(currentProblem, onStart)] : []));
    if (currentProblem) scroller.scrollTop = 0;
  }

  return { element: h("div", { class: "stage-frame" }, scroller, toNewest), scroller, captions, offer, draw };
}
