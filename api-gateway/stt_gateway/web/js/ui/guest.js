// Somebody who came by an invitation: the page shows its conversation and nothing else.
import { address, parse, replace } from "../router.js";
import { accessKey } from "./access_key.js";
import { readInvitation } from "./invitation.js";

/** What the guest may do, {conversation, speak}; null for everybody else. */
export const guest = () => readInvitation(accessKey.value);

/** Keeps the invitation in the page's address, if there is one, and takes it out of there, so that nobody copies it by
 * accident and the browser's history has no link that still works; returns whether there was one. */
export function takeInvitation() {
  const text = parse(location.hash, ["conversation"]).params.get("invitation");
  const invitation = readInvitation(text);
  if (!invitation) return false;
  accessKey.keep(text);
  replace(address("conversation", invitation.conversation));
  return true;
}

/** The place to show when `place` is asked for. */
export function placeFor(place) {
  const invitation = guest();
  if (!invitation || (place.view === "conversation" && place.rest === invitation.conversation)) return place;
  replace(address("conversation", invitation.conversation));
  return { view: "conversation", rest: invitation.conversation, params: new URLSearchParams() };
}
