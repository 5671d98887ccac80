// The browser's storage: `lasting` outlives the tab, `perTab` does not. Where site data is blocked, the page works and
// keeps things only as long as it is open.

const METHODS = {
  getItem(key) {
    return Object.hasOwn(this, key) ? this[key] : null;
  },
  setItem(key, value) {
    this[key] = String(value);
  },
  removeItem(key) {
    delete this[key];
  },
};

export const lasting = storageOf("localStorage");
export const perTab = storageOf("sessionStorage");

/** Stores a value if the browser has room for it; returns whether it did. */
export function store(storage, key, value) {
  try {
    storage.setItem(key, value);
    return true;
  } catch (error) {
    if (error.name !== "QuotaExceededError") throw error;
    return false;
  }
}

/** `window[name]`, or an object with the same methods and with its keys as properties. */
function storageOf(name) {
  try {
    // Some browsers only refuse the first use, others have null.
    globalThis[name].getItem("");
    return globalThis[name];
  } catch (error) {
    if (error.name !== "SecurityError" && !(error instanceof TypeError)) throw error;
    return Object.create(METHODS);
  }
}
