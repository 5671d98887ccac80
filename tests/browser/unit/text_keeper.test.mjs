import assert from "node:assert/strict";
import { test } from "node:test";
import { UnsavedTexts } from "../../../api-gateway/stt_gateway/web/js/live/unsaved.js";
import { TextKeeper } from "../../../api-gateway/stt_gateway/web/js/live/text_keeper.js";
import { OnAir } from "../../../api-gateway/stt_gateway/web/js/live/on_air.js";
import { Transcript } from "../../../api-gateway/stt_gateway/web/js/live/transcript.js";

/** Keys are own properties, as of a real Storage. */
class FakeStorage {
  constructor() {
    Object.defineProperty(this, "room", { enumerable: false, writable: true, value: Infinity });
  }
  getItem(key) {
    return this[key] ?? null;
  }
  setItem(key, value) {
    if (value.length > this.room) throw Object.assign(new Error("full"), { name: "QuotaExceededError" });
    this[key] = value;
  }
  removeItem(key) {
    delete this[key];
  }
}

/** Locks of a browser; `close` gives back those of one tab. */
class FakeLocks {
  #held = new Map(); // name -> tab
  tab(name) {
    return {
      request: async (key, { signal }, action) => {
        if (this.#held.has(key)) {
          // Node does not stay for a signal's timeout alone.
          const awake = setInterval(() => {}, 1000);
          await new Promise((resolve) => signal.addEventListener("abort", resolve));
          clearInterval(awake);
          throw signal.reason;
        }
        this.#held.set(key, name);
        await action();
      },
      query: async () => ({ held: [...this.#held.keys()].map((key) => ({ name: key })) }),
    };
  }
  close(name) {
    for (const [key, tab] of this.#held) if (tab === name) this.#held.delete(key);
  }
}

class FakeRecording extends EventTarget {
  phase = "idle";
  isStored = false;
  offsetMs = 0;
  transcript = new Transcript();
  say(text) {
    this.transcript.apply({ type: "final", text, start_ms: 0, end_ms: 900, language: "en", confidence: 1, words: [] });
    this.dispatchEvent(new CustomEvent("text", { detail: "final" }));
    this.dispatchEvent(new Event("change"));
  }
  refuse(code) {
    this.problem = { code };
  }
  start() {
    this.phase = "asking";
    this.dispatchEvent(new Event("change"));
  }
  get isOn() {
    return this.phase === "live" || this.phase === "paused";
  }
}

const unsavedTexts = (storage, locks, tab = new FakeStorage()) => new UnsavedTexts({ storage, tab, locks });
const texts = (recording) => recording.transcript.utterances.map((one) => one.text);

test("an unsaved text is left behind when its tab is gone, and not before", async () => {
  const storage = new FakeStorage();
  const locks = new FakeLocks();
  const first = unsavedTexts(storage, locks.tab("first"));
  await first.hold();
  first.write([{ text: "Here.", endMs: 900 }]);
  const second = unsavedTexts(storage, locks.tab("second"));
  await second.hold();
  assert.deepEqual(await second.leftBehind(), []);
  locks.close("first");
  const [left] = await second.leftBehind();
  assert.equal(left.utterances[0].text, "Here.");
  const putBack = second.discard(left);
  assert.deepEqual(await second.leftBehind(), []);
  assert.deepEqual(Object.keys(storage), []);
  putBack();
  assert.equal((await second.leftBehind()).length, 1);
});

test("a reloaded tab has its text again, a duplicated one a copy", async () => {
  const storage = new FakeStorage();
  const locks = new FakeLocks();
  const tab = new FakeStorage();
  const before = unsavedTexts(storage, locks.tab("before"), tab);
  await before.hold();
  before.write([{ text: "Here.", endMs: 900 }]);
  const copy = new FakeStorage();
  Object.assign(copy, tab);
  const duplicate = unsavedTexts(storage, locks.tab("duplicate"), copy);
  assert.equal(duplicate.read()[0].text, "Here.");
  await duplicate.hold();
  assert.notEqual(duplicate.key, before.key);
  assert.equal(duplicate.read()[0].text, "Here.");
  locks.close("before");
  const after = unsavedTexts(storage, locks.tab("after"), tab);
  assert.equal(after.key, before.key);
  await after.hold();
  assert.equal(after.key, before.key);
});

test("text is unsaved until it is saved, and stored text never is", () => {
  const storage = new FakeStorage();
  const recording = new FakeRecording();
  const keeper = new TextKeeper(recording, unsavedTexts(storage, null), new FakeStorage());
  recording.isStored = true;
  recording.say("In the library.");
  assert.equal(keeper.isUnsaved, false);
  assert.deepEqual(Object.keys(storage), []);
  recording.isStored = false;
  recording.say("Only here.");
  assert.equal(keeper.isUnsaved, true);
  assert.equal(Object.keys(storage).length, 1);
  keeper.mark(false);
  assert.deepEqual(Object.keys(storage), []);
});

test("a browser without room keeps what it has, and the text stays unsaved", () => {
  const storage = new FakeStorage();
  const tab = new FakeStorage();
  const recording = new FakeRecording();
  const keeper = new TextKeeper(recording, unsavedTexts(storage, null, tab), tab);
  recording.say("First.");
  storage.room = tab.room = 10;
  recording.say("Second.");
  assert.equal(keeper.isUnsaved, true);
  storage.room = tab.room = Infinity;
  const restored = new FakeRecording();
  new TextKeeper(restored, unsavedTexts(storage, null, tab), tab);
  assert.deepEqual(texts(restored), ["First."]);
  assert.equal(restored.offsetMs, 900);
});

test("one recording at a time has the microphone", () => {
  const onAir = new OnAir();
  const live = new FakeRecording();
  const room = new FakeRecording();
  onAir.add(live, "live");
  onAir.add(room, "conversation", "team");
  onAir.start(room, {});
  onAir.start(live, {});
  assert.equal(room.phase, "asking");
  assert.equal(live.phase, "idle");
  assert.equal(live.problem.code, "mic_taken");
  assert.equal(onAir.open, null, "it is not open yet");
  room.phase = "live";
  assert.deepEqual([onAir.open.view, onAir.open.room], ["conversation", "team"]);
  onAir.start(live, {});
  assert.equal(live.phase, "idle");
  // Another room is entered while the last words of the one before still come: its microphone is closed.
  room.phase = "stopping";
  onAir.add(new FakeRecording(), "conversation", "other");
  assert.equal(onAir.isBusy, true);
  onAir.start(live, {});
  assert.equal(live.phase, "asking");
});
