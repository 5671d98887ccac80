// A WebSocket whose other end is the test, and what a server says.

export class FakeSocket {
  bufferedAmount = 0;
  sent = [];
  constructor(url, subprotocols = []) {
    this.url = new URL(url);
    this.subprotocols = subprotocols;
    const carried = subprotocols.find((name) => name.startsWith("query."))?.slice("query.".length) ?? "";
    const secret = new URLSearchParams(Buffer.from(carried, "base64url").toString());
    this.query = Object.fromEntries([...this.url.searchParams, ...secret]);
  }
  /** Keeps the number of a chunk, the type of a message. */
  send(message) {
    this.sent.push(typeof message === "string" ? JSON.parse(message).type : new DataView(message.buffer).getUint32(0));
  }
  close(code) {
    this.closedWith = code;
  }
  tell(event) {
    this.onmessage({ data: JSON.stringify(event) });
  }
  drop(code, reason = "") {
    this.onclose({ code, reason });
  }
}

export const waited = (ms = 0) => new Promise((resolve) => setTimeout(resolve, ms));

export const ready = (more = {}) => ({
  type: "ready",
  event: 1,
  session_id: "s",
  resume_token: "T",
  resume_from_seq: 0,
  resumed: null,
  ...more,
});

export const final = (utterance, event) => ({
  type: "final",
  event,
  utterance,
  text: `u${utterance}`,
  start_ms: 0,
  end_ms: 1,
  words: [],
});
