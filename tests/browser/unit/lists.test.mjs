import assert from "node:assert/strict";
import { test } from "node:test";
import { Feed, viewerAddress } from "../../../api-gateway/stt_gateway/web/js/conversation/feed.js";
import { FileQueue, nameOf } from "../../../api-gateway/stt_gateway/web/js/files/queue.js";
import { nameOf as titleOf } from "../../../api-gateway/stt_gateway/web/js/library/titles.js";
import { endOf, startOf } from "../../../api-gateway/stt_gateway/web/js/library/days.js";
import { refusal } from "../../../api-gateway/stt_gateway/web/js/files/refused.js";
import { hitsIn } from "../../../api-gateway/stt_gateway/web/js/library/hits.js";
import { highlighted, Search } from "../../../api-gateway/stt_gateway/web/js/library/search.js";

const tick = () => new Promise((resolve) => setTimeout(resolve, 0));
const said = (session_id, utterance, more = {}) => ({
  type: "utterance",
  session_id,
  utterance,
  speaker: session_id,
  text: `${session_id}${utterance}`,
  spoken_ms: utterance,
  cursor: `e-${utterance}`,
  ...more,
});

test("a viewer has each utterance once, and goes on from its place", () => {
  const feed = new Feed();
  feed.apply({ type: "unsettled", session_id: "ann", utterance: 1, speaker: "ann", text: "a", stable: "a" });
  assert.equal(feed.speaking.size, 1);
  assert.equal(feed.apply(said("ann", 1)), "utterance");
  assert.equal(feed.speaking.size, 0);
  assert.equal(feed.apply(said("ann", 1)), null);
  assert.equal(feed.apply({ type: "unsettled", session_id: "ann", utterance: 1, text: "late", stable: "late" }), null);
  feed.apply(said("bob", 2));
  assert.deepEqual(
    feed.utterances.map((one) => one.text),
    ["ann1", "bob2"],
  );
  const colours = ["ann", "bob", null].map((speaker) => feed.colour({ speaker }));
  assert.equal(new Set(colours).size, 3);
  const url = new URL(viewerAddress("ws://h", "call 7/ä", feed.cursor));
  assert.equal(url.pathname, "/v1/stt/conversations/call%207%2F%C3%A4");
  assert.equal(url.searchParams.get("after"), "e-2");
  assert.equal(new URL(viewerAddress("ws://h", "x", "")).searchParams.has("after"), false);
});

test("who spoke is put right, in the newest session of that name", () => {
  const feed = new Feed();
  for (const spoken_ms of [1, 2]) feed.apply({ ...said("desk", 1), speaker: "Speaker 1", spoken_ms });
  feed.apply({ ...said("bob", 1), speaker: "Bob" });
  const utterances = [{ utterance: 1, speaker: "Speaker 2" }, { utterance: 9, speaker: null }];
  assert.equal(feed.apply({ type: "speakers_revised", session_id: "desk", utterances, cursor: "e-7" }), "speakers");
  assert.deepEqual(
    feed.utterances.map(({ speaker }) => speaker),
    ["Speaker 1", "Speaker 2", "Bob"],
  );
  assert.equal(feed.cursor, "e-7");
});

test("two channels of a session are two voices that are shown side by side", () => {
  const feed = new Feed();
  const saying = (channel, text) =>
    feed.apply({ type: "unsettled", session_id: "call", utterance: 1, speaker: null, channel, text, stable: "" });
  saying(0, "hel");
  saying(1, "yes");
  assert.deepEqual(
    [...feed.speaking.values()].map((one) => one.text),
    ["hel", "yes"],
  );
  feed.apply(said("call", 1, { speaker: null, channel: 1 }));
  assert.deepEqual(
    [...feed.speaking.values()].map((one) => one.channel),
    [0],
  );
  assert.notEqual(feed.colour({ speaker: null, channel: 0 }), feed.colour({ speaker: null, channel: 1 }));
});

function transport({ fail = null, ended = null } = {}) {
  const log = { uploads: [], cancelled: [], views: [] };
  return {
    log,
    upload(file, parameters, onProgress, signal) {
      return new Promise((resolve, reject) => {
        log.uploads.push({ file, parameters, onProgress, resolve });
        signal.addEventListener("abort", () => reject(new Error("aborted")));
        if (fail) reject(Object.assign(new Error(fail), { code: fail }));
      });
    },
    watch: (jobId, onView) =>
      new Promise((resolve) => {
        log.views.push({
          jobId,
          tell: (view) => {
            onView(view);
            if (view.status === "completed") resolve();
          },
        });
      }),
    cancel: async (jobId) => {
      log.cancelled.push(jobId);
      return ended ?? { status: "cancelled", progress: 0 };
    },
  };
}

test("two files at once, each with its own progress, the first chosen first", async () => {
  const wire = transport();
  const queue = new FileQueue(wire);
  queue.add([{ name: "a" }, { name: "b" }, { name: "c" }], { language: "en" });
  assert.deepEqual(
    wire.log.uploads.map((one) => one.file.name),
    ["a", "b"],
  );
  assert.equal(queue.isBusy, true);
  wire.log.uploads[0].onProgress(50);
  assert.equal(queue.items.find((item) => item.name === "a").progress, 50);
  wire.log.uploads[0].resolve("job-a");
  await tick();
  assert.equal(wire.log.uploads[2].file.name, "c");
  const item = queue.find("job-a");
  wire.log.views[0].tell({ status: "processing", progress: 20 });
  assert.equal(queue.secondsLeft(item, Date.now()), null, "the server has not estimated yet");
  wire.log.views[0].tell({ status: "processing", progress: 21, estimated_s: 50 });
  assert.equal(item.phase, "processing");
  assert.equal(queue.secondsLeft(item, item.estimate.atMs + 10_000), 40);
  wire.log.views[0].tell({ status: "completed", progress: 100, result: { text: "x" } });
  assert.equal(item.result.text, "x");
});

test("a file is cancelled before and after its upload, and tried again", async () => {
  const wire = transport();
  const queue = new FileQueue(wire);
  queue.add([{ name: "a" }, { name: "b" }], {});
  const [b, a] = queue.items;
  await queue.cancel(b);
  assert.equal(b.phase, "cancelled");
  assert.deepEqual(wire.log.cancelled, []);
  wire.log.uploads[0].resolve("job-a");
  await tick();
  await queue.cancel(a);
  assert.deepEqual(wire.log.cancelled, ["job-a"]);
  queue.retry(b);
  assert.equal(b.phase, "uploading");
});

test("a file that ended before it was cancelled is there, whole", async () => {
  const wire = transport({ ended: { status: "completed", progress: 100, result: { text: "x" } } });
  const queue = new FileQueue(wire);
  queue.add([{ name: "a" }], {});
  wire.log.uploads[0].resolve("job-a");
  await tick();
  await queue.cancel(queue.items[0]);
  const [item] = queue.items;
  assert.deepEqual([item.phase, item.result.text], ["completed", "x"]);
});

test("a renamed file keeps its new name over a reload, whatever the server calls it", async () => {
  const kept = new Map();
  const storage = { getItem: (key) => kept.get(key) ?? null, setItem: (key, value) => kept.set(key, value) };
  const wire = { ...transport(), storage };
  const queue = new FileQueue(wire);
  queue.add([{ name: "a.wav" }], {});
  wire.log.uploads[0].resolve("job-a");
  await tick();
  queue.rename("job-a", "Ada");
  queue.rename("job-of-another-page", "Bob");
  wire.log.views[0].tell({ status: "completed", progress: 100, filename: "a.wav", result: {} });
  assert.equal(nameOf(queue.items[0]), "Ada");
  const again = new FileQueue(wire);
  wire.log.views[1].tell({ status: "completed", progress: 100, filename: "a.wav", result: {} });
  assert.equal(nameOf(again.items[0]), "Ada");
});

test("a refused file says why and does not hold up the others", async () => {
  const queue = new FileQueue(transport({ fail: "too_large" }));
  queue.add([{ name: "a" }, { name: "b" }, { name: "c" }], {});
  await tick();
  await tick();
  assert.deepEqual(
    queue.items.map((item) => item.error?.code),
    ["too_large", "too_large", "too_large"],
  );
});

test("a search finds names first, texts after them, nothing twice, page by page", async () => {
  const asked = [];
  const pages = { filename: [["1", "2"], ["3"]], query: [["2", "4"]] };
  const search = new Search(
    async (parameters) => {
      asked.push(parameters);
      const list = parameters.filename ? "filename" : "query";
      const index = Number(parameters.cursor ?? 0);
      return {
        transcripts: pages[list][index].map((id) => ({
          id,
          snippet: list === "query" ? { text: id, hits: [] } : null,
        })),
        next_cursor: index + 1 < pages[list].length ? String(index + 1) : null,
      };
    },
    { text: "x", language: "de" },
  );
  assert.deepEqual(
    (await search.more()).map((one) => one.id),
    ["1", "2", "4"],
  );
  assert.equal(search.found[1].snippet.text, "2");
  assert.equal(search.hasMore, true);
  assert.deepEqual(
    (await search.more()).map((one) => one.id),
    ["3"],
  );
  assert.equal(search.hasMore, false);
  assert.equal(asked[0].language, "de");
});

test("hits are counted in letters as people see them", () => {
  assert.deepEqual(highlighted("a😀bc", [[1, 3]]), [
    { text: "a", isHit: false },
    { text: "😀b", isHit: true },
    { text: "c", isHit: false },
  ]);
  assert.deepEqual(highlighted("abc"), [{ text: "abc", isHit: false }]);
});

test("a live recording is called by its time until somebody names it", () => {
  globalThis.navigator ??= { languages: ["en-GB"] };
  const session = "ebc58afadf4ddc2f0d2b08720d90dfce";
  const live = { kind: "live", id: `${session}.0123456789ab`, created_at: "2026-11-29T08:50:00Z", filename: null };
  assert.match(titleOf({ ...live, title: session }), /^Live, .*29.*2026.*:50/);
  assert.equal(titleOf({ ...live, title: "For the best view" }), "For the best view");
  assert.equal(titleOf({ ...live, id: "interview-7.0123456789ab", title: "interview-7" }), "interview-7");
  assert.equal(titleOf({ ...live, kind: "job", title: session }), session);
});

test("a day of the library is the user's own, also where the clocks change", () => {
  const zone = process.env.TZ;
  try {
    process.env.TZ = "Pacific/Honolulu";
    assert.deepEqual([startOf("2026-01-01"), endOf("2026-01-01")], ["2026-01-01T10:00:00.000Z", "2026-01-02T10:00:00.000Z"]);
    process.env.TZ = "Asia/Tokyo";
    assert.deepEqual([startOf("2026-01-02"), endOf("2026-01-31")], ["2026-01-01T15:00:00.000Z", "2026-01-31T15:00:00.000Z"]);
    process.env.TZ = "Europe/Berlin";
    assert.equal(new Date(endOf("2026-03-29")) - new Date(startOf("2026-03-29")), 23 * 3600 * 1000);
    assert.deepEqual([startOf(""), endOf("")], ["", ""]);
  } finally {
    if (zone === undefined) delete process.env.TZ;
    else process.env.TZ = zone;
  }
});

test("a file that is no recording is refused by its name, and uploaded when the user insists", async () => {
  const codes = (names) => names.map((name) => refusal({ name, size: 1 }));
  assert.deepEqual(codes(["talk.wav", "talk", "wav", "zip", "a.ts", "VTS_01_1.VOB", "x.unknown"]), Array(7).fill(null));
  assert.deepEqual(codes(["List.M3U8", "book.aax", "a.b.zip", "notes.pdf"]), Array(4).fill("unsupported_media"));
  assert.equal(refusal({ name: "talk.wav", size: 0 }), "empty_file");
  const uploaded = [];
  const files = new FileQueue({
    upload: async ({ name }) => uploaded.push(name) && name,
    watch: async () => {},
  });
  files.add([{ name: "tune.mid", size: 9 }], {});
  assert.deepEqual([files.items[0].phase, files.items[0].error.code], ["failed", "unsupported_media"]);
  await tick();
  assert.deepEqual(uploaded, []);
  files.retry(files.items[0]);
  await tick();
  assert.deepEqual(uploaded, ["tune.mid"]);
});

test("the words of a search are found in a transcript whatever their case and accents", () => {
  const segments = [{ text: " Été, ete." }, { text: "Nichts." }, { text: "Große 𝒢roße" }];
  assert.deepEqual(hitsIn(segments, "ÉTÉ"), [
    { segment: 0, at: 0, length: 3 },
    { segment: 0, at: 5, length: 3 },
  ]);
  assert.deepEqual(hitsIn(segments, "grosse"), [
    { segment: 2, at: 0, length: 5 },
    { segment: 2, at: 6, length: 6 },
  ]);
  assert.deepEqual(hitsIn(segments, " "), []);
});
