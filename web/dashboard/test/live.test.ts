import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";

import type { Alert } from "../src/alerts.ts";
import { book, connectionNow, isKnownNow, onAlert, reconnectNow, shownNow, startLive } from "../src/live.ts";
import { endSession, problemNow, session, signIn, signOut } from "../src/session.ts";
import { alert } from "./alerts.ts";
import { aToken, FakeSocket, settled, socket } from "./sockets.ts";

const ALL = "alerts:main:*";
const PLACE = { epoch: "e" };
let protocol = 1;
let stop = (): void => {};

beforeEach(async () => {
  mock.timers.enable({ apis: ["setTimeout", "Date"], now: Date.parse("2026-01-05T10:00:00Z") });
  // How long a pause before the next try is, is chance: the least one would be over while a test still looks at the break.
  mock.method(Math, "random", () => 0.5);
  FakeSocket.made = [];
  protocol = 1;
  const told = { name: "tocsin", version: "1.2", ws: "ws://engine", heartbeat_s: 30 };
  Object.assign(globalThis, {
    WebSocket: FakeSocket,
    fetch: () => Promise.resolve(new Response(JSON.stringify({ ...told, protocol }))),
    document: { querySelector: () => ({ getAttribute: () => "ws://engine:3008" }) },
    location: { protocol: "http:" },
    sessionStorage: { setItem: () => {}, removeItem: () => {} },
  });
  assert.equal(signIn(aToken("ann")), null);
});

afterEach(() => {
  stop();
  signOut();
  mock.timers.reset();
  mock.restoreAll();
});

async function start(): Promise<void> {
  stop = startLive();
  await settled();
}

/** Time goes by, and what waits for it is done. */
async function pass(ms: number): Promise<void> {
  mock.timers.tick(ms);
  await settled();
}

/** A connection that has shown these alerts, all of them open. */
async function connected(...alerts: readonly Alert[]): Promise<FakeSocket> {
  const here = socket();
  here.greet();
  await settled();
  const id = here.sent.find((each) => each["channel"] === "workspace")?.["id"];
  here.say({ type: "subscribed", id, channel: ALL, recovered: false, reason: "fresh", ...PLACE, offset: 5 });
  here.say({ type: "snapshot", channel: ALL, alerts, page: 0, last: true, ...PLACE, offset: 5 });
  await pass(500);
  return here;
}

function event(offset: number, data: Alert): object {
  const timestamp = "2026-01-05T10:00:01.000000Z";
  return { type: "alert", channel: ALL, event: "fired", timestamp, data, ...PLACE, offset, prev: offset - 1 };
}

function ids(): string[] {
  return shownNow().map((each) => each.id);
}

test("what is open is shown, then what happens, and listeners hear of it", async () => {
  await start();
  const here = await connected(alert("1"));
  assert.equal(connectionNow().status, "live");
  assert.deepEqual(ids(), ["1"]);
  const heard: string[] = [];
  const end = onAlert((message) => heard.push(message.data?.id ?? ""));
  here.say(event(6, alert("2")));
  await pass(100);
  end();
  here.say(event(7, alert("3")));
  await pass(100);
  assert.deepEqual(ids(), ["3", "2", "1"]);
  assert.deepEqual(heard, ["2"]);
});

test("a hundred events at once are drawn once", async () => {
  await start();
  const here = await connected();
  const drawn: number[] = [];
  const before = shownNow();
  for (let offset = 6; offset < 106; offset += 1) here.say(event(offset, alert(String(offset))));
  assert.equal(shownNow(), before);
  await pass(100);
  drawn.push(shownNow().length);
  assert.deepEqual(drawn, [100]);
});

test("a connection that broke says since when, and comes back with what was shown still there", async () => {
  await start();
  const here = await connected(alert("1"));
  const lostAt = Date.now();
  here.end();
  await pass(10);
  assert.deepEqual({ ...connectionNow(), why: "" }, { status: "offline", lostAt, why: "" });
  assert.deepEqual(ids(), ["1"]);
  await pass(5_000);
  assert.equal(FakeSocket.made.length, 2);
  await connected(alert("1"), alert("2"));
  assert.deepEqual(connectionNow(), { status: "live", lostAt: null, why: "" });
  assert.deepEqual(ids(), ["2", "1"]);
});

test("an engine of another version is not misunderstood: it is said who is to be updated", async () => {
  protocol = 2;
  await start();
  assert.ok(FakeSocket.made.every((each) => each.isClosed && each.sent.length === 0));
  assert.equal(connectionNow().status, "closed");
  assert.match(connectionNow().why, /engine \(1\.2\) speaks protocol 2, this client 1: reload the page/);
  protocol = 1;
  reconnectNow();
  await settled();
  await connected(alert("1"));
  assert.equal(connectionNow().status, "live", "it is asked again when one wishes");
});

test("a refused token ends the session and not the view, and a new one connects again", async () => {
  await start();
  const here = await connected(alert("1"));
  here.end(3500, "revoked");
  await settled();
  assert.match(session.get()?.ended ?? "", /does not accept your token/);
  assert.deepEqual(ids(), ["1"]);
  signIn(aToken("ann", "another"));
  await pass(5_000);
  await connected(alert("1"));
  assert.equal(connectionNow().status, "live");
});

test("a token that was never good leads back to the door, which says why", async () => {
  await start();
  socket().onopen?.();
  socket().end(3500, "revoked");
  await settled();
  assert.equal(session.get(), null);
  assert.match(problemNow() ?? "", /does not accept this token .*revoked.*tocsin token/);
  assert.equal(signIn(aToken("ann")), null);
  assert.equal(problemNow(), null);
});

test("before all that is open was told, nothing is known to be quiet", async () => {
  await start();
  const here = socket();
  here.greet();
  await pass(500);
  assert.equal(connectionNow().status, "live");
  assert.equal(isKnownNow(), false);
  const id = here.sent.find((each) => each["channel"] === "workspace")?.["id"];
  here.say({ type: "subscribed", id, channel: ALL, recovered: false, reason: "fresh", ...PLACE, offset: 5 });
  here.say({ type: "snapshot", channel: ALL, alerts: [alert("1")], page: 0, last: false, ...PLACE, offset: 5 });
  await pass(500);
  assert.equal(isKnownNow(), false);
  here.say({ type: "snapshot", channel: ALL, alerts: [], page: 1, last: true, ...PLACE, offset: 5 });
  assert.equal(isKnownNow(), false, "not before it is drawn");
  await pass(500);
  assert.equal(isKnownNow(), true);
  stop();
  assert.deepEqual([isKnownNow(), ids()], [false, []], "the next one begins without knowing");
});

test("while a new token is awaited nothing is dialled", async () => {
  await start();
  const here = await connected();
  endSession("Your token has ended.");
  here.end(3005, "token expired");
  await pass(60_000);
  assert.equal(FakeSocket.made.length, 1);
});

test("whoever signs out leaves nothing behind", async () => {
  await start();
  await connected(alert("1"));
  stop();
  assert.equal(book.size, 0);
  assert.deepEqual(connectionNow(), { status: "connecting", lostAt: null, why: "" });
  assert.equal(socket().isClosed, true);
});
