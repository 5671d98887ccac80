// An open conversation: what is said in it, and the means to speak.
import { h } from "../ui/dom.js";
import { guest } from "../ui/guest.js";
import { bigCaptions } from "./big_captions.js";
import { Feed } from "./feed.js";
import { roomHeading } from "./heading.js";
import { roomNotices } from "./notices.js";
import { speakControls } from "./speak_controls.js";
import { roomStage } from "./stage.js";
import { Viewer } from "./viewer.js";

/** Follows the conversation until closed. Returns {id, element, close()}. */
export function createRoom(app, { id, recording }) {
  const feed = new Feed();
  const viewer = new Viewer({ base: app.base, id, feed, onChange: (what) => changed(what) });
  const controls = speakControls(app, id, recording);
  controls.element.hidden = guest()?.speak === false;
  const notices = roomNotices({ recording, viewer, onStart: controls.start });
  const stage = roomStage(feed, viewer, notices.element);
  const captions = bigCaptions((isBig) => {
    element.classList.toggle("captions-only", isBig);
    stage.follow();
  });
  const heading = roomHeading(id, feed, viewer, captions.buttons);
  const element = h("div", { class: "talk-page" }, heading.element, stage.element, controls.element);

  function changed(what) {
    if (what === "utterance") stage.appendNew();
    if (what === "speakers") stage.redraw();
    stage.draw();
    drawState();
  }

  function drawState() {
    element.classList.toggle("speaking", recording.isOn);
    for (const part of [heading, controls, notices]) part.draw();
  }

  recording.addEventListener("change", drawState);
  stage.draw();
  drawState();
  viewer.open();
  return {
    id,
    element,
    close() {
      captions.close();
      recording.removeEventListener("change", drawState);
      viewer.close();
    },
  };
}
