// The views of the page, in the order of the navigation; an unknown address means the first. A view's name is its address
// and, as `nav.<name>`, its text.
import * as live from "./live/view.js";
import { SHAPES } from "./ui/icons.js";

/** `icon`: shapes, see ui/icons.js. `load(query)`: promise of a module with `create(app)`; some browsers never refetch a
 * module URL that failed once, so each attempt has another query. */
export const VIEWS = {
  live: { icon: SHAPES.mic, load: async () => live },
  files: {
    icon: '<path d="M6 3.5h7.5L18.5 8.5v12H6zM13.5 3.5v5h5"/><path d="M9 15v-1.5M12 17v-5.5M15 15.5V14"/>',
    load: (query) => import(`./files/view.js${query}`),
  },
  library: { icon: SHAPES.search, load: (query) => import(`./library/view.js${query}`) },
  conversation: {
    icon: '<path d="M4 5h11v8H9l-3.5 3V13H4z"/><path d="M18 9h2.5v8H19v3l-3.5-3H10"/>',
    load: (query) => import(`./conversation/view.js${query}`),
  },
};
