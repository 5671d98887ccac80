// Links to the views. The current view is marked, and so is one whose microphone is open.
import { address } from "../router.js";
import { h } from "./dom.js";
import { drawing } from "./icons.js";

/** Fills `element` with a link for each of `views` (views.js); their texts are set by the frame. Returns `draw(current)`,
 * to be called after every change of view, room or recording. */
export function navigation(element, views, app) {
  const links = Object.entries(views).map(([name, { icon }]) => ({
    name,
    link: h("a", { href: address(name), "data-view": name }, drawing(icon), h("span", { "data-text": `nav.${name}` })),
  }));
  element.replaceChildren(...links.map(({ link }) => link));

  return (current) => {
    for (const { name, link } of links) {
      if (name === current) link.setAttribute("aria-current", "page");
      else link.removeAttribute("aria-current");
      link.classList.toggle("on-air", name === app.onAir.open?.view);
      if (name === "conversation") link.href = address(name, app.room?.id);
    }
  };
}
