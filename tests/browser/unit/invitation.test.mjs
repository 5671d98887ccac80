import assert from "node:assert/strict";
import { test } from "node:test";
import { readInvitation } from "../../../api-gateway/stt_gateway/web/js/ui/invitation.js";

const written = (claims) => `stt1i.${Buffer.from(claims).toString("base64url")}.c2lnbmF0dXJl`;

test("an invitation says which conversation it opens, and whether its holder may speak there", () => {
  const claims = { k: "k".repeat(12), c: "Büro 7/🙂", w: true, i: 1, e: 2 };
  assert.deepEqual(readInvitation(written(JSON.stringify(claims))), { conversation: "Büro 7/🙂", speak: true });
  assert.equal(readInvitation(written(JSON.stringify({ ...claims, w: false }))).speak, false);
});

test("nothing else is an invitation", () => {
  const others = [null, undefined, "", "stt_abc_def", "stt1.e30.x", "stt1i.", "stt1i.%%%.x", written("no json")];
  for (const text of [...others, written("{}"), written('{"c":""}'), written('{"c":7}')])
    assert.equal(readInvitation(text), null, text);
});
