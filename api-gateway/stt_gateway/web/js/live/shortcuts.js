// Keys of the Live page.

/** Returns a listener for "keydown". The space bar works where no element with a use of its own for it has the focus:
 * on the page itself and in `scroller`. */
export function shortcuts({ recording, actions, controls, options, onStart, scroller }) {
  const isSpaceFree = (target) => target === document.body || target === scroller || target.id === "main";
  const withAlt = {
    KeyS: () => recording.stop(),
    KeyE: () => recording.finalize(),
    KeyC: () => actions.copy(),
    KeyP: () => controls.pause.click(),
  };
  const startOrPause = () => {
    if (recording.isOn) controls.pause.click();
    else if (recording.phase === "idle") onStart();
  };
  return (event) => {
    if (event.ctrlKey || event.metaKey || event.repeat) return;
    const isSpace = !event.altKey && event.code === "Space" && isSpaceFree(event.target);
    const action = event.altKey ? withAlt[event.code] : isSpace && startOrPause;
    if (action) {
      event.preventDefault();
      action();
    } else if (!event.altKey && event.key === "Escape" && options.isOpen) {
      options.close();
      options.button.focus();
    }
  };
}
