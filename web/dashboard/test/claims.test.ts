import assert from "node:assert/strict";
import { test } from "node:test";

import { may, readClaims } from "../src/claims.ts";

function token(claims: object): string {
  const payload = Buffer.from(JSON.stringify(claims)).toString("base64url");
  return `e30.${payload}.c2lnbmF0dXJl`;
}

test("a token says who, where, what and until when", () => {
  const claims = readClaims(token({ sub: "Änn", workspaceId: "acme", role: "editor", exp: 1_800_000_000 }));
  assert.deepEqual(claims, {
    user: "Änn",
    workspace: "acme",
    role: "editor",
    channels: null,
    expiresAt: 1_800_000_000_000,
  });
});

test("other names of the claims are taken, and without a role one may only look", () => {
  const claims = readClaims(token({ userId: "bob", workspace: "acme", exp: 1, channels: ["web"], role: "king" }));
  assert.equal(claims?.user, "bob");
  assert.equal(claims?.role, "viewer");
  assert.deepEqual(claims?.channels, ["web"]);
});

test("what is no token is none", () => {
  for (const text of ["", "abc", "a.b.c", "a.e30.c", token({ sub: "ann" }), "a.bnVsbA.c"]) {
    assert.equal(readClaims(text), null, text);
  }
});

test("a responder may silence and not edit", () => {
  assert.equal(may({ role: "responder" }, "silence"), true);
  assert.equal(may({ role: "responder" }, "edit"), false);
});
