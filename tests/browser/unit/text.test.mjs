import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { commonPrefix, liveWords, Transcript } from "../../../api-gateway/stt_gateway/web/js/live/transcript.js";
import { cueClock, shortClock } from "../../../api-gateway/stt_gateway/web/js/text/clock.js";
import { columnsOf, LINE_CHARS } from "../../../api-gateway/stt_gateway/web/js/text/cue_words.js";
import { placedWords } from "../../../api-gateway/stt_gateway/web/js/text/spacing.js";
import { socketBase } from "../../../api-gateway/stt_gateway/web/js/live/address.js";
import { cues, plainText, srt, vtt } from "../../../api-gateway/stt_gateway/web/js/text/subtitles.js";
import { en } from "../../../api-gateway/stt_gateway/web/js/i18n/en.js";
import { fr } from "../../../api-gateway/stt_gateway/web/js/i18n/fr.js";
import { de } from "../../../api-gateway/stt_gateway/web/js/i18n/de.js";
import { unrecognizedPlaces, warningTexts } from "../../../api-gateway/stt_gateway/web/js/files/warnings.js";
import { preferredLanguage } from "../../../api-gateway/stt_gateway/web/js/i18n/index.js";
import { turnsOf } from "../../../api-gateway/stt_gateway/web/js/text/turns.js";
import { fileStem } from "../../../api-gateway/stt_gateway/web/js/ui/save.js";
import { address, parse } from "../../../api-gateway/stt_gateway/web/js/router.js";

const final = (text, start_ms, end_ms, words = []) => ({
  type: "final",
  text,
  start_ms,
  end_ms,
  language: "en",
  confidence: 0.9,
  words,
});
const utterance = (text, startMs, endMs, words = [], language = "en") => ({ text, startMs, endMs, words, language });

test("two who talk at once are shown side by side, and a final ends its own channel's line", () => {
  const transcript = new Transcript();
  const say = (channel, text) => transcript.apply({ type: "partial", text, stable: "", start_ms: 20, channel });
  say(1, "yes");
  say(0, "hel");
  say(1, "yes I");
  assert.deepEqual(
    transcript.live.map(({ channel, text }) => [channel, text]),
    [
      [0, "hel"],
      [1, "yes I"],
    ],
  );
  transcript.apply({ ...final("Yes.", 20, 900), channel: 1 });
  assert.deepEqual(
    transcript.live.map(({ channel }) => channel),
    [0],
  );
  assert.equal(plainText(transcript.utterances), "Channel 1: Yes.\n");
});

test("a transcript grows by finals, and shows the sentence being spoken", () => {
  const transcript = new Transcript();
  const partial = { type: "partial", text: "Ever tried", stable: "Ever", unstable: "tried", start_ms: 20 };
  assert.equal(transcript.apply(partial), "live");
  assert.deepEqual(transcript.live, [{ channel: null, text: "Ever tried", stable: "Ever", startMs: 20 }]);
  assert.equal(transcript.apply(final("Ever tried.", 20, 900)), "final");
  assert.deepEqual(transcript.live, []);
  assert.equal(transcript.apply(final("", 1000, 1100)), "final");
  assert.equal(plainText(transcript.utterances), "Ever tried.\n");
  transcript.continueAt(5000);
  transcript.apply(final("Again.", 100, 200));
  assert.equal(transcript.utterances[1].startMs, 5100);
  assert.notEqual(transcript.utterances[0].key, transcript.utterances[1].key);
});

test("finals say who speaks, and revisions put it right, also in what was cleared", () => {
  const transcript = new Transcript();
  const told = (utterance, text, speaker, turns) => ({ ...final(text, 0, 900), utterance, speaker, turns });
  const voices = () => transcript.utterances.map(({ speaker, turns }) => [speaker, turns.map((turn) => turn.speaker)]);
  transcript.apply(told(1, "Ever tried.", "Speaker 1"));
  transcript.apply(told(2, "No.", null));
  const putBack = transcript.clear(false);
  const turns = [{ word: 0, speaker: "Speaker 1" }, { word: 1, speaker: "Anna" }];
  const utterances = [{ utterance: 1, speaker: "Speaker 2" }, { utterance: 2, speaker: "Anna", turns }, { utterance: 9, speaker: "x" }];
  assert.equal(transcript.apply({ type: "speakers_revised", utterances }), "speakers");
  putBack();
  assert.deepEqual(voices(), [["Speaker 2", []], ["Anna", ["Speaker 1", "Anna"]]]);
});

test("speakers of another session are numbered on, since they may be other people", () => {
  const transcript = new Transcript();
  const told = (utterance, speaker) => ({ ...final("Yes.", 0, 900), utterance, speaker });
  const voices = () => transcript.utterances.map(({ speaker }) => speaker);
  transcript.apply(told(1, "Speaker 2"));
  transcript.continueAt(5000);
  transcript.apply(told(1, "Speaker 1"));
  transcript.apply({ type: "speakers_revised", utterances: [{ utterance: 1, speaker: "Speaker 2" }] });
  assert.deepEqual(voices(), ["Speaker 2", "Speaker 4"]);
  transcript.apply({ type: "ready", resumed: false });
  transcript.apply(told(2, "Speaker 1"));
  assert.deepEqual(voices(), ["Speaker 2", "Speaker 4", "Speaker 5"]);
});

test("an utterance of several people is one for each of their turns", () => {
  const words = [["Ever", 0, 300], ["tried?", 300, 800], ["No.", 900, 1200], ["Oh.", 1300, 1500]].map(
    ([word, startMs, endMs]) => ({ word, startMs, endMs }),
  );
  const turns = [{ word: 0, speaker: "Speaker 1" }, { word: 2, speaker: "Speaker 2" }, { word: 3, speaker: "" }];
  const whole = { ...utterance("Ever tried? No. Oh.", 0, 1600, words), speaker: "Speaker 1", turns };
  const found = turnsOf(whole).map(({ speaker, text, startMs, endMs }) => [speaker, text, startMs, endMs]);
  assert.deepEqual(found, [
    ["Speaker 1", "Ever tried?", 0, 800],
    ["Speaker 2", "No.", 900, 1200],
    ["", "Oh.", 1300, 1600],
  ]);
  assert.equal(plainText(turnsOf(whole)), "Speaker 1: Ever tried?\nSpeaker 2: No.\nOh.\n");
  const other = { ...whole, text: "Something else." };
  assert.deepEqual(turnsOf(other), [other], "words that are not the text's cannot divide it");
});

test("text of an earlier page goes on", () => {
  const transcript = new Transcript();
  transcript.restore([utterance("Before.", 0, 900)]);
  transcript.continueAt(900);
  transcript.apply(final("After.", 100, 200));
  assert.deepEqual(
    transcript.utterances.map((u) => [u.text, u.startMs]),
    [
      ["Before.", 0],
      ["After.", 1000],
    ],
  );
  assert.notEqual(transcript.utterances[0].key, transcript.utterances[1].key);
});

test("words of a partial carry the spaces of its text", () => {
  assert.deepEqual(liveWords({ text: "Ever tried again", stable: "Ever" }), [
    { text: "Ever", isStable: true },
    { text: " tried", isStable: false },
    { text: " again", isStable: false },
  ]);
  for (const [text, stable] of [
    ["今日は天気", "今日は"],
    ["我们用machine learning做", "我们用machine"],
    ["สวัสดีครับ วันนี้", "สวัสดีครับ"],
  ]) {
    const words = liveWords({ text, stable });
    assert.equal(words.map((w) => w.text).join(""), text);
    assert.equal(
      words
        .filter((w) => w.isStable)
        .map((w) => w.text)
        .join(""),
      stable,
    );
  }
  assert.deepEqual(liveWords({ text: "", stable: "" }), []);
});

test("words stand in their text with its spaces", () => {
  const spaced = (text, words) =>
    placedWords(
      text,
      words.map((word) => ({ word })),
    )?.map((found) => (found.spaced ? ` ${found.text}` : found.text));
  assert.deepEqual(spaced("我用machine learning。", ["我", "用", "machine", "learning。"]), [
    "我",
    "用",
    "machine",
    " learning。",
  ]);
  assert.deepEqual(spaced(" Ever  tried. ", ["Ever", "", "tried."]), ["Ever", " tried."]);
  assert.equal(placedWords("other words", [{ word: "Ever" }]), null);
  assert.equal(placedWords("Ever tried.", []), null);
});

test("the server's WebSockets lie where the page does", () => {
  assert.equal(socketBase("https://a:1/#/live"), "wss://a:1");
  assert.equal(socketBase("http://[::1]:8000/tools/stt/?a=b#/files/x"), "ws://[::1]:8000/tools/stt");
});

test("the spaces between the parts of a text are read from it, as by the server", () => {
  const examples = JSON.parse(readFileSync(new URL("../../data/text_parts.json", import.meta.url)));
  for (const { text, parts, spaces } of examples) {
    const placed = placedWords(text, parts.map((word) => ({ word })));
    assert.deepEqual(placed?.map(({ spaced }) => spaced) ?? null, spaces, text);
  }
});

test("words that stay are known by their beginning", () => {
  const words = (text) => liveWords({ text, stable: "" });
  assert.equal(commonPrefix(words("ever tried a"), words("ever tried again")), 2);
});

test("clocks", () => {
  assert.equal(shortClock(83_000), "1:23");
  assert.equal(shortClock(3_723_000), "1:02:03");
  assert.equal(cueClock(83_004, ","), "00:01:23,004");
  assert.equal(cueClock(3_599_999.6, "."), "01:00:00.000");
});

test("subtitles have at most two lines of 42 characters, cut between words at their times", () => {
  const words = Array.from({ length: 60 }, (_, i) => ({ word: `word${i}`, startMs: i * 100, endMs: i * 100 + 90 }));
  const made = cues([utterance(words.map((w) => w.word).join(" "), 0, 6000, words)]);
  assert.ok(made.length > 3);
  for (const cue of made) {
    assert.ok(cue.lines.length <= 2);
    for (const line of cue.lines) assert.ok(line.length <= 42);
  }
  assert.equal(made.flatMap((cue) => cue.lines).join(" "), words.map((w) => w.word).join(" "));
  assert.equal(made[1].startMs, words[made[0].lines.join(" ").split(" ").length].startMs);
});

test("subtitles are those that the server makes", () => {
  const examples = JSON.parse(readFileSync(new URL("../../data/subtitles.json", import.meta.url)));
  const spoken = ({ start, end, text, words, channel, speaker }) => {
    const timed = words.map((one) => ({ word: one.word, startMs: one.start * 1000, endMs: one.end * 1000 }));
    return { ...utterance(text, start * 1000, end * 1000, timed), channel, speaker };
  };
  assert.ok(examples.length > 30);
  for (const { segments, text, srt: expected } of examples) assert.equal(srt(segments.map(spoken), text), expected);
});

test("texts without blanks and words longer than a line are cut too", () => {
  const made = cues([utterance("字".repeat(200), 0, 4000, [], "zh"), utterance("a".repeat(100), 0, 1000)]);
  for (const cue of made) for (const line of cue.lines) assert.ok(columnsOf(line) <= LINE_CHARS);
  assert.deepEqual(cues([utterance(" ", 0, 1000)]), []);
});

test("formats", () => {
  const spoken = [utterance("A < B & C --> D", 0, 1500)];
  assert.equal(srt(spoken), "1\n00:00:00,000 --> 00:00:01,500\nA < B & C -> D\n");
  assert.equal(vtt(spoken), "WEBVTT\n\n00:00:00.000 --> 00:00:01.500\nA &lt; B &amp; C --&gt; D\n");
  assert.equal(plainText(spoken), "A < B & C --> D\n");
  assert.equal(srt([]), "");
});

test("speakers are named where they change", () => {
  const talk = [
    { ...utterance("How are you?", 0, 900), speaker: "Speaker 1" },
    { ...utterance("Waiting.", 1000, 1900), speaker: "Speaker 1" },
    { ...utterance("Fine.", 2000, 2900), speaker: "Speaker 2" },
  ];
  assert.equal(plainText(talk), "Speaker 1: How are you? Waiting.\nSpeaker 2: Fine.\n");
  const said = (file) => file.split("\n").filter((line) => /[a-z]\W$/.test(line));
  assert.deepEqual(said(srt(talk)), ["Speaker 1: How are you?", "Waiting.", "Speaker 2: Fine."]);
  assert.deepEqual(said(vtt(talk)), ["<v Speaker 1>How are you?", "<v Speaker 1>Waiting.", "<v Speaker 2>Fine."]);
});

test("the channel is named where channels were kept apart", () => {
  const call = [
    { ...utterance("Hello?", 0, 1500), channel: 0 },
    { ...utterance("Yes.", 500, 1500), channel: 1 },
  ];
  assert.equal(plainText(call), "Channel 0: Hello?\nChannel 1: Yes.\n");
  assert.match(vtt(call), /00:00:00\.000 --> 00:00:01\.500\n<v Channel 0>Hello\?\n\n00:00:00\.500 .*\n<v Channel 1>Yes\.\n/);
});

test("names are no markup, and channels without one have turns of their own", () => {
  const call = [
    { ...utterance("Hello?", 0, 900), channel: 0, speaker: "A & <b>" },
    { ...utterance("Yes.", 1000, 1900), channel: 1, speaker: "" },
    { ...utterance("Who is it?", 2000, 2900), channel: 1, speaker: "" },
  ];
  assert.equal(plainText(call), "A & <b>: Hello?\nChannel 1: Yes. Who is it?\n");
  assert.match(vtt(call), /\n<v A &amp; &lt;b&gt;>Hello\?\n/);
});

test("every language says everything, with the same places to fill", () => {
  const places = (text) =>
    JSON.stringify(
      [...new Set((typeof text === "string" ? text : Object.values(text).join()).match(/\{\w+\}/g) ?? [])].sort(),
    );
  for (const other of [fr, de]) {
    assert.deepEqual(Object.keys(other).sort(), Object.keys(en).sort());
    for (const key of Object.keys(en)) assert.equal(places(other[key]), places(en[key]), key);
  }
});

test("warnings of a file are put into words, with their places", () => {
  const warning = (code, start, end) => ({ code, message: "as the server says", start, end });
  const told = warningTexts([
    warning("damaged", 0, 61.2),
    warning("damaged", 5.1, 5.1),
    warning("cut_off", 83, 3723),
    warning("cut_off", 83, 83.4),
    warning("time_jump", 83),
    warning("damaged"),
    warning("of_a_newer_server", 1, 9),
  ]);
  assert.deepEqual(told, [
    "The file is damaged from 0:00 to 1:01. What was said there is missing, in whole or in part.",
    "The file is damaged at 0:05. Words may be missing there.",
    "The file ends after 1:23, but should be 1:02:03 long. The rest is missing.",
    "The file is cut off at 1:23. The rest is missing.",
    "The file’s own clock jumps after 1:23. Later times may be wrong.",
    "as the server says",
    "as the server says",
  ]);
  assert.deepEqual(warningTexts(undefined), []);
});

test("places of speech without text are listed", () => {
  const spans = [
    { start: 12.2, end: 15.9 },
    { start: 63.1, end: 63.9 },
  ];
  assert.equal(unrecognizedPlaces(spans), "0:12–0:15, 1:03");
  assert.equal(unrecognizedPlaces(undefined), "");
});

test("speech without text is no lost audio", () => {
  const transcript = new Transcript();
  transcript.continueAt(1000);
  const gap = (cause) => transcript.apply({ type: "gap", from_ms: 500, to_ms: 2500, cause });
  assert.equal(gap("speech_not_recognized"), "gap");
  gap("chunks 3 to 4 never came");
  assert.deepEqual(transcript.gaps, [
    { afterKey: 0, fromMs: 1500, toMs: 3500, isSpeech: true },
    { afterKey: 0, fromMs: 1500, toMs: 3500, isSpeech: false },
  ]);
});

test("the browser's languages choose", () => {
  assert.equal(preferredLanguage("", ["es-ES", "de-CH", "en"]), "de");
  assert.equal(preferredLanguage("fr", ["de"]), "fr");
  assert.equal(preferredLanguage("", ["xx"]), "en");
});

test("addresses within the page", () => {
  const views = ["live", "library", "conversation"];
  const place = parse("#/library/a%2Fb?query=x%20y", views);
  assert.deepEqual([place.view, place.rest, place.params.get("query")], ["library", "a/b", "x y"]);
  assert.equal(parse("#/nonsense", views).view, "live");
  assert.equal(parse("#/conversation/%E0%A4%A", views).rest, "%E0%A4%A");
  assert.equal(address("library", "a/b", { query: "x", language: "" }), "#/library/a%2Fb?query=x");
});

test("a download is called by its title, without the ending of a recording", () => {
  assert.deepEqual(
    ["talk.wav", "Talk.MP4", "Draft 2.0", "Dr. Who", "a/b: c?.m4a", ""].map(fileStem),
    ["talk", "Talk", "Draft 2.0", "Dr. Who", "a_b_ c_", "transcript"],
  );
});
