import assert from "node:assert/strict";
import { test } from "node:test";
import { Deletions } from "../../../api-gateway/stt_gateway/web/js/library/deletions.js";
import { sessionQuery } from "../../../api-gateway/stt_gateway/web/js/live/session_query.js";
import { Transcript } from "../../../api-gateway/stt_gateway/web/js/live/transcript.js";
import { accessKey } from "../../../api-gateway/stt_gateway/web/js/ui/access_key.js";
import { readHealth } from "../../../api-gateway/stt_gateway/web/js/ui/health.js";
import { Server } from "../../../api-gateway/stt_gateway/web/js/ui/server.js";

const transcriber = (detail) => ({ service: "transcriber", detail });

test("the model and its languages are those that the transcribers report", () => {
  const replicas = [
    { service: "gateway", detail: {} },
    transcriber({}),
    transcriber({ model: "base", languages: ["en", "de"] }),
    transcriber({ model: "base", languages: ["en", "de", "yue"] }),
  ];
  const { languages, ...rest } = readHealth({ status: "degraded", services: {}, replicas });
  assert.deepEqual(rest, { status: "ready", model: "base", isAnonymous: false });
  assert.deepEqual(languages, ["en", "de", "yue"]);
});

test("a server that tells only its status wants a key", () => {
  assert.equal(readHealth({ status: "healthy" }).isAnonymous, true);
  assert.equal(readHealth({ status: "healthy" }).status, "ready");
});

test("a key goes into headers and subprotocols, and is forgotten", () => {
  assert.deepEqual(accessKey.headers(), {});
  assert.deepEqual(accessKey.subprotocols, []);
  accessKey.keep("k1");
  assert.deepEqual(accessKey.headers(), { Authorization: "Bearer k1" });
  assert.deepEqual(accessKey.headers("k2"), { Authorization: "Bearer k2" });
  assert.deepEqual(accessKey.subprotocols, ["bearer", "k1"]);
  accessKey.forget();
  assert.equal(accessKey.value, "");
});

test("a server without a transcriber has no model, and tells loading from down", () => {
  const unhealthy = (whisper, redis) => readHealth({ status: "unhealthy", services: { whisper, redis } });
  const { status, model, languages } = unhealthy("loading", "connected");
  assert.deepEqual([status, model, languages], ["loading", "", []]);
  assert.equal(unhealthy("missing", "connected").status, "loading");
  assert.equal(unhealthy("loading", "unreachable").status, "down");
  assert.equal(unhealthy("stalled", "connected").status, "down");
});

test("until the languages are known, the user's choice is requested as it is", () => {
  const server = new Server();
  assert.equal(server.languageFor("de"), "de");
  assert.equal(server.languageFor("auto"), "auto");
  assert.equal(server.isMultilingual, true);
  server.languages = ["en"];
  assert.equal(server.languageFor("de"), "auto");
  assert.equal(server.languageFor("en"), "en");
  assert.equal(server.isMultilingual, false);
});

test("a session is requested with the user's settings", () => {
  const server = { languageFor: (code) => code };
  const settings = { language: "fr", pause: "900", prompt: "", keyterms: "" };
  assert.deepEqual(sessionQuery(settings, server), { language: "fr", endpointing_ms: "900" });
  assert.deepEqual(sessionQuery({ ...settings, pause: "auto" }, server), { language: "fr", endpointing: "auto" });
  assert.equal(sessionQuery({ ...settings, prompt: "Ada" }, server).prompt, "Ada");
  assert.equal(sessionQuery({ ...settings, redact: true }, server).redact, "card,email,phone,iban");
  const keyterms = " Ada Lovelace \n\nLovelace, Ada\n" + "k".repeat(120);
  assert.equal(
    sessionQuery({ ...settings, keyterms }, server).keyterms,
    `Ada Lovelace,Lovelace  Ada,${"k".repeat(100)}`,
  );
});

test("cleared text is put back before what was said since; a sentence being spoken stays", () => {
  const transcript = new Transcript();
  const say = (type, text) => transcript.apply({ type, text, stable: text, start_ms: 0, end_ms: 900 });
  const texts = () => transcript.utterances.map(({ text }) => text);
  say("final", "One.");
  say("partial", "Tw");
  const putBack = transcript.clear(true);
  assert.deepEqual([texts(), transcript.live[0].text, transcript.endMs], [[], "Tw", 0]);
  say("final", "Two.");
  putBack();
  assert.deepEqual([texts(), transcript.live, transcript.endMs], [["One.", "Two."], [], 900]);
});

test("a deletion can be undone until it is confirmed, and one that fails is no deletion", async () => {
  const asked = [];
  const failures = [];
  const remove = async (id) => {
    asked.push(id);
    if (id !== "gone" && id !== "kept") return;
    throw Object.assign(new Error(id), { code: id === "gone" ? "not_found" : "unavailable" });
  };
  const deletions = new Deletions({ remove, onFailed: (error) => failures.push(error.message), undoMs: 20 });
  deletions.add("undone");
  deletions.undo("undone");
  deletions.add("late");
  assert.deepEqual([deletions.has("undone"), deletions.has("late"), asked], [false, true, []]);
  await new Promise((resolve) => setTimeout(resolve, 60));
  assert.deepEqual(asked, ["late"]);
  for (const id of ["gone", "kept"]) deletions.add(id);
  deletions.finish();
  await new Promise((resolve) => setTimeout(resolve));
  assert.deepEqual(asked, ["late", "gone", "kept"]);
  deletions.finish();
  assert.equal(asked.length, 3, "nothing is deleted twice");
  assert.deepEqual(failures, ["kept"]);
  assert.deepEqual(["late", "gone", "kept"].map((id) => deletions.has(id)), [true, true, false]);
});
