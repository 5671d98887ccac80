// Icons, as shapes in a square of 24 units that take the colour of the text.

export const SHAPES = {
  mic: '<rect x="9" y="3" width="6" height="11" rx="3"/><path d="M5.5 11.5a6.5 6.5 0 0 0 13 0M12 18v3"/>',
  stop: '<rect x="6.5" y="6.5" width="11" height="11" rx="2" fill="currentColor" stroke="none"/>',
  pause: '<path d="M9 6v12M15 6v12" stroke-width="2.4"/>',
  play: '<path d="M8 5.5v13l10.5-6.5z" fill="currentColor"/>',
  enter: '<path d="M19 6v5a3 3 0 0 1-3 3H5m4-4-4 4 4 4"/>',
  copy: '<rect x="8.5" y="8.5" width="11" height="11" rx="2"/><path d="M15.5 8.5v-2a2 2 0 0 0-2-2h-7a2 2 0 0 0-2 2v7a2 2 0 0 0 2 2h2"/>',
  download: '<path d="M12 4v11m-4.5-4L12 15.5 16.5 11M5 19.5h14"/>',
  sliders: '<path d="M4 8h9m5 0h2M4 16h2m5 0h9"/><circle cx="15.5" cy="8" r="2.3"/><circle cx="8.5" cy="16" r="2.3"/>',
  warn: '<path d="M12 4 3 19.5h18zM12 10v4.5m0 2.5v.1"/>',
  info: '<circle cx="12" cy="12" r="8.5"/><path d="M12 11v5m0-8v.1"/>',
  file: '<path d="M6 3.5h7.5L18.5 8.5v12H6zM13.5 3.5v5h5"/>',
  upload: '<path d="M12 16V5m-4.5 4L12 4.5 16.5 9M5 19.5h14"/>',
  close: '<path d="m6.5 6.5 11 11m0-11-11 11"/>',
  retry: '<path d="M19 12a7 7 0 1 1-2-5m2-3v4h-4"/>',
  search: '<circle cx="11" cy="11" r="6.5"/><path d="m16 16 4.5 4.5"/>',
  trash: '<path d="M5 7h14M10 7V4.5h4V7m-7.5 0 .8 12.5h9.4L17.5 7"/>',
  undo: '<path d="M8 5 4 9l4 4M4.5 9H14a5 5 0 0 1 0 10h-3"/>',
  redo: '<path d="m16 5 4 4-4 4m3.5-4H10a5 5 0 0 0 0 10h3"/>',
  pen: '<path d="M5 19l.8-3.8L16 5l3 3L8.8 18.2z"/>',
  link: '<path d="M10 14a4 4 0 0 0 5.7 0l3-3A4 4 0 0 0 13 5.3l-1 1M14 10a4 4 0 0 0-5.7 0l-3 3A4 4 0 0 0 11 18.7l1-1"/>',
  full: '<path d="M5 9V5h4m6 0h4v4m0 6v4h-4m-6 0H5v-4"/>',
  down: '<path d="M12 5v14m-6-6 6 6 6-6"/>',
  back: '<path d="M19 12H5m6-6-6 6 6 6"/>',
  sun: '<circle cx="12" cy="12" r="4"/><path d="M12 3v2m0 14v2M3 12h2m14 0h2M5.6 5.6 7 7m10 10 1.4 1.4M18.4 5.6 17 7M7 17l-1.4 1.4"/>',
  moon: '<path d="M19.5 14A8 8 0 0 1 10 4.5a8 8 0 1 0 9.5 9.5z"/>',
  auto: '<circle cx="12" cy="12" r="8"/><path d="M12 4v16a8 8 0 0 0 0-16z" fill="currentColor"/>',
  people:
    '<circle cx="9" cy="9" r="3.5"/><path d="M3 19.5a6 6 0 0 1 12 0M15.5 5.8a3.5 3.5 0 0 1 0 6.4M17.5 14.5a6 6 0 0 1 3.5 5"/>',
};

/** The icon of this name. */
export const icon = (name) => drawing(SHAPES[name]);

/** An icon of these shapes (SVG markup). */
export function drawing(shapes) {
  const holder = document.createElement("template");
  holder.innerHTML = `<svg viewBox="0 0 24 24" aria-hidden="true">${shapes}</svg>`;
  return holder.content.firstChild;
}
