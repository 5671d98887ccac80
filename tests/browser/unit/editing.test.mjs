import assert from "node:assert/strict";
import { test } from "node:test";
import { matches, replaced } from "../../../api-gateway/stt_gateway/web/js/editor/find.js";
import { Revisions } from "../../../api-gateway/stt_gateway/web/js/editor/revisions.js";

const said = (...texts) => texts.map((text, start) => ({ id: start, start, text }));

test("words are found whatever their case, and replaced as they are written", () => {
  const segments = said(" Ever tried.", "No.", "Ever failed, ever.");
  assert.deepEqual(matches(segments, "EVER"), [
    { segment: 0, at: 0, length: 4 },
    { segment: 2, at: 0, length: 4 },
    { segment: 2, at: 13, length: 4 },
  ]);
  assert.deepEqual(matches(segments, ""), []);
  assert.deepEqual(replaced(segments, "ever", "$&n"), [
    { segment: 0, text: "$&n tried." },
    { segment: 2, text: "$&n failed, $&n." },
  ]);
  assert.deepEqual(replaced(said("a.c (b)", "abc"), "a.c (", "x"), [{ segment: 0, text: "xb)" }]);
});

/** A server with one transcript, whose revisions a test sees. */
function server(segments) {
  const log = [];
  const versions = [segments];
  const transcript = () => ({ id: "t", revision: versions.length - 1, segments: versions.at(-1), speakers: [], text: "" });
  return {
    log,
    others: (changed) => versions.push(changed),
    transcript,
    async load() {
      return transcript();
    },
    async save({ texts = [], restore, revision }) {
      log.push({ texts, restore, revision });
      if (revision !== versions.length - 1) throw Object.assign(new Error("conflict"), { code: "conflict" });
      const now = versions.at(-1).map((one) => ({ ...one }));
      for (const { segment, text } of texts) now[segment].text = text;
      versions.push(restore === undefined ? now : versions[restore]);
      return { revision: versions.length - 1 };
    },
  };
}

const edited = (wire, onConflict) =>
  new Revisions(wire.transcript(), { save: wire.save, load: wire.load, onConflict: async () => onConflict() });

test("edits are undone and done again, and a new one ends what could be done again", async () => {
  const wire = server(said("a", "b"));
  const revisions = edited(wire);
  const text = () => revisions.transcript.segments.map((one) => one.text).join(" ");
  // Two at once are made one after the other.
  await Promise.all([1, 2].map((n) => revisions.edit({ texts: [{ segment: 0, text: `a${n}` }] })));
  assert.equal(text(), "a2 b");
  await revisions.undo();
  await revisions.undo();
  assert.deepEqual([text(), revisions.canUndo, revisions.canRedo], ["a b", false, true]);
  await revisions.redo();
  assert.equal(text(), "a1 b");
  await revisions.edit({ texts: [{ segment: 1, text: "c" }] });
  assert.deepEqual([text(), revisions.canRedo], ["a1 c", false]);
  await revisions.undo();
  assert.equal(text(), "a1 b");
});

test("on a conflict the reader chooses; a change finds its sentence by its time", async () => {
  let mine = true;
  const wire = server(said("a", "b"));
  const revisions = edited(wire, () => mine);
  wire.others([{ id: 0, start: 1, text: "B" }]);
  assert.equal(await revisions.edit({ texts: [{ segment: 1, text: "c" }] }), true);
  assert.deepEqual(wire.log.at(-1).texts, [{ segment: 0, text: "c" }]);
  wire.others([{ id: 0, start: 1, text: "D" }]);
  assert.equal(await revisions.undo(), false, "what others have made is not undone");
  assert.equal(revisions.transcript.segments[0].text, "D");
  mine = false;
  wire.others([{ id: 0, start: 1, text: "E" }]);
  assert.equal(await revisions.edit({ texts: [{ segment: 0, text: "x" }] }), false);
  assert.deepEqual([revisions.transcript.segments[0].text, revisions.canUndo], ["E", false]);
});

test("a change is reported when it is made, and not when the server cannot be reached", async () => {
  const wire = server(said("a"));
  let isAway = true;
  const save = (edit) => (isAway ? Promise.reject(new Error("away")) : wire.save(edit));
  const revisions = new Revisions(wire.transcript(), { save, load: wire.load, onConflict: async () => true });
  let told = 0;
  revisions.addEventListener("change", () => (told += 1));
  const edit = { texts: [{ segment: 0, text: "b" }] };
  await assert.rejects(revisions.edit(edit), /away/);
  assert.equal(told, 0, "what the reader has written stays");
  isAway = false;
  await revisions.edit(edit);
  assert.deepEqual([told, revisions.transcript.segments[0].text], [1, "b"]);
  wire.others(said("c"));
  const load = async () => {
    isAway = true;
    return wire.transcript();
  };
  Object.assign(revisions, { load });
  await assert.rejects(revisions.edit(edit), /away/);
  assert.deepEqual([told, revisions.transcript.segments[0].text], [2, "c"], "others have changed it");
});
