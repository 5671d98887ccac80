// A program that uses everything; what is wrong in it must be an error.
import { connect, SessionError, type Final, type SttEvent } from "stt-client";

export async function main(audio: Uint8Array): Promise<string[]> {
  const session = await connect("ws://127.0.0.1:8000", {
    language: "en",
    parameters: { endpointing_ms: "300" },
    apiKey: "stt_x",
    openSocket: (url, protocols) => new WebSocket(url, protocols),
    onLost: (reason: string) => console.log(reason),
  });
  await session.send(audio);
  await session.send(new Int16Array(3));
  await session.send(new Blob([]));
  await session.configure({ keyterms: ["Ann"], replacements: { a: "b" } });
  await session.finalize();
  await session.stop();
  const finals: Final[] = [];
  try {
    for await (const event of session) {
      if (event.type === "final") finals.push(event);
      if (event.type === "partial") console.log(event.stable, event.unstable);
    }
  } catch (error) {
    if (!(error instanceof SessionError)) throw error;
    const after: number | null = error.retryAfterS;
    console.log(error.code, after);
  }
  return finals.flatMap(({ words }) => words.map(({ word }) => word));
}

export async function wrong(event: SttEvent): Promise<void> {
  // @ts-expect-error: an option that there is not
  await connect("ws://a", { samplerate: 8000 });
  // @ts-expect-error: text is no audio
  (await connect("ws://a")).send("audio");
  // @ts-expect-error: only some events have it
  console.log(event.words);
}
