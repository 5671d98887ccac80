// Holds sessions with the JavaScript client, one after another: each line of its input says what to do; it prints a line
// of JSON for whatever happens, and {"over": true} when that session is over. The audio is what lies at `audio`.
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { connect, SessionError } from "../../client-js/src/index.js";

const tell = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const { random } = Math;

async function speak(session, { audio, chunkBytes, everyMs }) {
  const samples = readFileSync(audio);
  for (let at = 0; at < samples.length; at += chunkBytes) {
    await session.send(samples.subarray(at, at + chunkBytes));
    await pause(everyMs);
  }
  await session.stop();
}

async function converse({ url, options, quick, ...speech }) {
  // Its intervals become a fiftieth: a random number from 0 to 1 would be half of them to all.
  Math.random = quick ? () => -0.96 : random;
  try {
    const session = await connect(url, {
      ...options,
      onLost: (reason) => tell({ lost: reason }),
      onResumed: () => tell({ resumed: true }),
    });
    // Whatever ends the session is thrown where its events are read, too.
    speak(session, speech).catch((error) => {
      if (!(error instanceof SessionError)) throw error;
    });
    for await (const event of session) tell({ event });
  } catch (error) {
    if (!(error instanceof SessionError)) throw error;
    const { code, message, retryAfterS } = error;
    tell({ error: { code, message, retry_after_s: retryAfterS } });
  }
  tell({ over: true });
}

for await (const line of createInterface({ input: process.stdin })) await converse(JSON.parse(line));
