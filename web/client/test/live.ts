/**
 * The client against a real engine: node live.js URL TOKEN FORM. `tests/integration/test_javascript_client.py` runs it.
 *
 * Follows a framework, rings, hears it, acknowledges it; its connection is cut, something happens meanwhile, it comes back
 * and has missed nothing. Then it says READY: the engine may be killed and started again. It ends with 0 when it hears
 * the alert `after`, if each event came once, in order, and without a gap.
 */

import assert from "node:assert/strict";
import { WebSocket } from "ws";
import { AlertBook, Client, type AlertMessage, type WireForm } from "../src/index.js";

const [url = "", token = "", form = "json"] = process.argv.slice(2) as [string, string, WireForm];
const sockets: WebSocket[] = [];

/** Remembers its connections, so that they can be cut. */
class Cuttable extends WebSocket {
  constructor(address: string, subprotocols: string[]) {
    super(address, subprotocols);
    sockets.push(this);
  }
}

/** Lets nobody through while it is closed. */
class Gate {
  private opened = Promise.resolve();
  open = (): void => {};

  close(): void {
    this.opened = new Promise((resolve) => (this.open = resolve));
  }

  pass(): Promise<void> {
    return this.opened;
  }
}

const heard: AlertMessage[] = [];
const gate = new Gate();
const client = new Client({
  url,
  form,
  WebSocket: Cuttable,
  token: async () => {
    await gate.pass();
    return token;
  },
});
const other = new Client({ url, form, WebSocket, token });
const book = new AlertBook();
book.follow(client);

/** When the client has heard an event of an alert with this title. */
function event(word: string, title: string): Promise<AlertMessage> {
  return new Promise((resolve) => {
    const look = (): void => {
      const found = heard.find((message) => message.event === word && message.data?.title === title);
      if (found) resolve(found);
    };
    client.onAlert(look);
    look();
  });
}

function state(wanted: string): Promise<void> {
  return new Promise((resolve) => {
    const look = (): void => void (client.state === wanted && resolve());
    client.onState(look);
    look();
  });
}

client.onAlert((message) => void heard.push(message));
client.onLost((lost) => assert.fail(`lost: ${JSON.stringify(lost)}`));
client.connect();
other.connect();

const answer = await client.subscribe("web", { snapshot: true });
assert.equal(answer?.reason, "fresh");
assert.equal(sockets[0]?.protocol, `tocsin.v1.${form}`);

const fired = await client.trigger({ framework_id: "web", title: "first", current_value: 97.5, labels: { ü: "ö" } });
assert.equal(fired.status, "fired");
const first = await event("fired", "first");
assert.equal(first.data?.labels?.["ü"], "ö");
assert.equal(first.data.current_value, 97.5);
assert.equal((await client.acknowledge(first.data.id, "looking")).status, "acknowledged");
assert.equal((await event("acknowledged", "first")).data?.notes, "looking");
assert.equal((await client.acknowledge([first.data.id, "nobody-knows"]))[1]?.reason, "unknown_alert");
await assert.rejects(client.subscribe("alerts:elsewhere:web"), { code: 102 });

gate.close();
sockets.at(-1)?.terminate();
await state("connecting");
const missed = await other.triggerMany([
  { framework_id: "web", title: "missed" },
  { framework_id: "web", title: "missed, too", severity: "critical" },
]);
assert.deepEqual(
  missed.map((result) => result.status),
  ["fired", "fired"],
);
gate.open();
await event("fired", "missed, too");
assert.equal(client.statistics().reconnects, 1);
assert.equal(book.list()[0]?.title, "missed, too");
assert.equal((await client.resolve(first.data.id)).status, "resolved");
await event("resolved", "first");
other.close();

console.log("READY");
await event("fired", "after");
const offsets = heard.map((message) => message.offset);
assert.deepEqual(
  offsets,
  offsets.map((_, index) => index + 1),
  "each event once, in order, without a gap",
);
assert.equal(book.open, 3);
const { duplicates, lost, gaps, unreadable } = client.statistics();
assert.deepEqual({ duplicates, lost, gaps, unreadable }, { duplicates: 0, lost: 0, gaps: 0, unreadable: 0 });
client.close();
