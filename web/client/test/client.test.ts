/** The client on a clock of its own: when it comes back, what it asks for, and whom it answers. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { Client, ClientStopped } from "../src/index.js";
import { aClient, FakeSocket, settled, socket } from "./fakes.js";

const PLACE = { channel: "alerts:acme:web", epoch: "e1" };

test("it authenticates as soon as the socket is open, at the path of sockets, in the form that is asked for", async () => {
  const { client } = await aClient();
  socket().open();
  assert.equal(socket().url, "ws://engine:3008/ws");
  assert.deepEqual(socket().subprotocols, ["tocsin.v1.json"]);
  assert.deepEqual(socket().sent, [{ type: "auth", token: "t" }]);
  assert.equal(client.state, "authenticating");
});

test("each connection has a fresh token", async () => {
  let number = 0;
  const { clock } = await aClient({ token: () => Promise.resolve(`t${++number}`) });
  socket().greet();
  socket().end();
  await clock.pass(1_000);
  socket().open();
  assert.deepEqual(socket().sent[0], { type: "auth", token: "t2" });
});

test("a token service that is away is asked again, and what it said is told", async () => {
  let isAway = true;
  const token = () => (isAway ? Promise.reject(new Error("no service")) : Promise.resolve("t"));
  const { client, clock } = await aClient({ token });
  assert.match(client.why, /no service/);
  isAway = false;
  await clock.pass(500);
  assert.equal(FakeSocket.made.length, 1);
});

test("the next token is asked for before the one in use ends, on the same connection", async () => {
  let number = 0;
  const { client, clock } = await aClient({ token: () => Promise.resolve(`t${++number}`) });
  socket().greet("2026-01-01T00:10:00Z");
  for (let s = 0; s < 539; s += 5) {
    await clock.pass(5_000);
    socket().say({ type: "pong" });
  }
  assert.deepEqual(
    socket().sent.filter((message) => message["type"] === "refresh"),
    [{ type: "refresh", token: "t2" }],
  );
  socket().greet("2026-01-01T00:20:00Z");
  assert.equal(client.statistics().refreshes, 1);
  assert.equal(FakeSocket.made.length, 1);
});

test("a server that says nothing is asked after 10 s, and given up 5 s later", async () => {
  const { client, clock } = await aClient();
  socket().greet();
  await clock.pass(10_000);
  assert.deepEqual(socket().sent.at(-1), { type: "ping" });
  const first = socket();
  await clock.pass(5_000);
  assert(first.isClosed);
  assert.equal(client.state, "connecting");
  await clock.pass(4_000);
  assert.equal(FakeSocket.made.length, 2);
});

test("a server that answers the question is kept", async () => {
  const { client, clock } = await aClient();
  socket().greet();
  for (let round = 0; round < 5; round++) {
    await clock.pass(10_000);
    socket().say({ type: "pong" });
  }
  assert.equal(client.state, "ready");
  assert.equal(FakeSocket.made.length, 1);
});

test("a dial that leads nowhere is given up after 5 s", async () => {
  const { client, clock } = await aClient();
  await clock.pass(5_000);
  assert.match(client.why, /within 5 s/);
  assert(FakeSocket.made[0]?.isClosed);
});

test("a page that is not let in is told of the origin, as long as it was never let in", async () => {
  Object.assign(globalThis, { location: { origin: "https://wiki" } });
  try {
    const { client, clock } = await aClient();
    socket().end();
    assert.match(client.why, /no connection to ws:\/\/engine:3008.* pages of https:\/\/wiki \(\[gateway\] origins\)/);
    await clock.pass(5_000);
    socket().greet();
    socket().end();
    assert.equal(client.why, "the connection broke");
    await clock.pass(5_000);
    socket().end();
    assert.match(client.why, /^no connection to ws:\/\/engine:3008\/ws$/);
    client.close();
  } finally {
    Object.assign(globalThis, { location: undefined });
  }
});

test("after a short outage it is back within 5 s, whatever chance says", async () => {
  const { client, clock } = await aClient();
  clock.chance = 0.999;
  socket().greet();
  await clock.pass(9_000);
  socket().end();
  for (let tries = 0; tries < 8; tries++) {
    const before = FakeSocket.made.length;
    await clock.pass(4_000);
    assert(FakeSocket.made.length > before);
    if (tries < 7) socket().end();
  }
  socket().greet();
  assert.equal(client.state, "ready");
});

test("waking it does not wait for the end of the pause", async () => {
  const { client } = await aClient();
  socket().greet();
  socket().end();
  client.wake();
  await settled();
  assert.equal(FakeSocket.made.length, 2);
});

test("it ends after as many tries as it is allowed, and says so", async () => {
  const { client, clock } = await aClient({ reconnect: { attempts: 2, baseMs: 10 } });
  const over = assert.rejects(client.ready(), ClientStopped);
  for (let tries = 0; tries < 3; tries++) {
    socket().end();
    await clock.pass(100);
  }
  await over;
  assert.equal(FakeSocket.made.length, 3);
  assert.match(client.fault?.message ?? "", /gave up/);
});

test("a close code from 3500 to 3999 ends it, and whoever waits is told", async () => {
  const { client, clock } = await aClient();
  socket().greet();
  const asked = client.acknowledge("a1");
  socket().end(3503, "ended by an operator");
  await assert.rejects(asked, { name: "ConnectionLost" });
  await clock.pass(60_000);
  assert.equal(FakeSocket.made.length, 1);
  assert.deepEqual([client.state, client.fault?.closeCode], ["closed", 3503]);
});

test("a request that is made without a connection waits for the next one", async () => {
  const { client } = await aClient();
  const asked = client.acknowledge("a1", "looking");
  socket().greet();
  const sent = socket().sent.at(-1) ?? {};
  assert.deepEqual(sent, { type: "acknowledge", alertId: "a1", notes: "looking", id: sent["id"] });
  const results = [{ status: "acknowledged", reason: "acknowledged", alertId: "a1", offset: 1 }];
  socket().say({ type: "accepted", id: sent["id"], results });
  assert.equal((await asked).status, "acknowledged");
});

test("a request that nobody answers says after its time whether it was sent", async () => {
  const { client, clock } = await aClient();
  const early = assert.rejects(client.ping(), /nothing was sent/);
  await clock.pass(15_000);
  await early;
  socket().greet();
  const late = assert.rejects(client.ping(), /may have been stored/);
  for (let s = 0; s < 15; s += 5) {
    await clock.pass(5_000);
    socket().say({ type: "pong" });
  }
  await late;
  assert.equal(client.statistics().waiting, 0);
});

test("more requests than can wait are refused at once", async () => {
  const { client } = await aClient();
  const waiting = Array.from({ length: 256 }, () => client.ping());
  await assert.rejects(client.ping(), /256 requests/);
  client.close();
  const ends = await Promise.allSettled(waiting);
  assert(ends.every((end) => end.status === "rejected" && end.reason instanceof ClientStopped));
});

test("closed and connected again it goes on where it was", async () => {
  const { client } = await aClient();
  socket().greet();
  const subscribed = client.subscribe("web");
  socket().say({ ...PLACE, type: "subscribed", offset: 7, recovered: false, reason: "fresh", id: 1 });
  await subscribed;
  assert.equal(client.fullName("web"), "alerts:acme:web");
  client.close();
  assert(socket().isClosed);
  client.connect();
  await settled();
  socket().open();
  assert.deepEqual(socket().sent.at(-1)?.["recover"], { epoch: "e1", offset: 7 });
});

test("the time of the last proof is known", async () => {
  const { client, clock } = await aClient();
  socket().greet();
  void client.subscribe("web");
  socket().say({ ...PLACE, type: "subscribed", offset: 7, recovered: false, reason: "fresh", id: 1 });
  await clock.pass(3_000);
  socket().say({ ...PLACE, type: "position", offset: 7, at: "2026-01-01T00:00:03Z" });
  assert.equal(client.verifiedAt("alerts:acme:web"), clock.wall());
});

test("an address that cannot be one is refused at once", () => {
  for (const url of ["engine:3008", "ftp://engine", ""]) {
    assert.throws(() => new Client({ token: "t", url }), /is not allowed/);
  }
});

test("two of the program's listeners are both told, though the first throws", async () => {
  const { client } = await aClient();
  const seen: string[] = [];
  const uncaught = new Promise((resolve) => (globalThis.reportError = resolve));
  client.onState(() => {
    throw new Error("the program's own");
  });
  client.onState((state) => void seen.push(state));
  socket().open();
  assert.deepEqual(seen, ["authenticating"]);
  assert.match(String(await uncaught), /the program's own/);
});
