// The Conversation page: the form to join one, or the room that is open.
import { t } from "../i18n/index.js";
import { Recording } from "../live/recording.js";
import { Transcript } from "../live/transcript.js";
import { h } from "../ui/dom.js";
import { joinForm } from "./join_form.js";
import { createRoom } from "./room.js";

export function create(app) {
  const element = h("section", { class: "conversation-page", "aria-label": t("nav.conversation") });
  let room = null;
  const close = () => {
    room?.close();
    room = null;
  };
  return {
    element,
    show({ rest }) {
      if (room && room.id === rest) return;
      close();
      enter(app, rest);
      if (rest) room = createRoom(app, app.room);
      element.replaceChildren(rest ? room.element : joinForm());
    },
    // Called when the page changes its language; the recording outlives the view.
    destroy: close,
  };
}

/** Sets the open room, `app.room`, {id, recording}; null on the join form. Leaving a room closes its microphone. */
function enter(app, id) {
  if (app.room?.id === id) return;
  app.room?.recording.stop();
  app.room = null;
  if (id) {
    const recording = new Recording(app.base, new Transcript());
    app.room = { id, recording };
    app.onAir.add(recording, "conversation", id);
  }
  app.onRoom();
}
