/** The channels of the hook, over one client after the other. */

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Client } from "../src/index.js";
import { Channels } from "../src/react/channels.js";
import { aClient, settled, socket } from "./fakes.js";

const faults: string[] = [];

/** What the newest connection has asked for, in order; `-`: given up. */
function asked(): string[] {
  const said = socket().sent.filter(({ channel }) => channel !== undefined);
  return said.map(({ type, channel }) => `${type === "unsubscribe" ? "-" : ""}${channel as string}`);
}

function someChannels(): Channels {
  faults.length = 0;
  return new Channels((fault) => faults.push(fault.message));
}

/** The channels move to a client that is made now, as the hook does it. */
async function moved(channels: Channels, from?: { client: Client; stop: () => void }) {
  from?.stop();
  from?.client.close();
  const { client } = await aClient();
  const stop = channels.attach(client);
  socket().greet();
  return { client, stop };
}

test("what was asked for is followed by the next client too, and gone after unsubscribe", async () => {
  const channels = someChannels();
  channels.hold("option");
  const first = await moved(channels);
  channels.subscribe("more");
  channels.subscribe("less");
  channels.unsubscribe("alerts:less");
  assert.deepEqual(asked(), ["alerts:option", "alerts:more", "alerts:less", "-alerts:less"]);
  const second = await moved(channels, first);
  assert.deepEqual(asked().sort(), ["alerts:more", "alerts:option"]);
  channels.unsubscribe("more");
  await moved(channels, second);
  assert.deepEqual(asked(), ["alerts:option"]);
});

test("what is asked for before there is a client is followed by the first one", async () => {
  const channels = someChannels();
  channels.subscribe("early");
  await moved(channels);
  assert.deepEqual(asked(), ["alerts:early"]);
});

test("another option takes the place of the last one, unless that was asked for", async () => {
  const channels = someChannels();
  await moved(channels);
  channels.subscribe("kept");
  channels.hold("kept")();
  channels.hold("one")();
  channels.hold(undefined)();
  channels.hold("two");
  assert.deepEqual(asked(), ["alerts:kept", "alerts:one", "-alerts:one", "alerts:two"]);
});

test("an option that was unsubscribed stays away, also on the next client", async () => {
  const channels = someChannels();
  const release = channels.hold("option");
  const first = await moved(channels);
  channels.unsubscribe("option");
  await moved(channels, first);
  assert.deepEqual(asked(), []);
  release();
  assert.deepEqual(asked(), []);
});

test("a refusal is told; that a client was closed before the answer is no fault", async () => {
  const channels = someChannels();
  channels.subscribe("secret");
  const first = await moved(channels);
  socket().say({ type: "error", id: socket().sent.at(-1)?.["id"], code: 3, message: "not yours", temporary: false });
  await settled();
  assert.deepEqual(faults, ["not yours"]);
  channels.subscribe("slow");
  await moved(channels, first);
  await settled();
  assert.deepEqual(faults, ["not yours"]);
});
