/** Our MessagePack reads what others write and writes what others read; the usual library is the oracle. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import * as oracle from "@msgpack/msgpack";
import { decode } from "../src/codec.js";
import { decodeMsgpack, encodeMsgpack } from "../src/msgpack.js";

const GOLDEN = new URL("../../../../../tests/golden/", import.meta.url);
const WHOLE = [0, 1, 127, 128, 255, 256, 65_535, 65_536, 2 ** 32 - 1, 2 ** 32, 2 ** 53 - 1];
const NEGATIVE = [-1, -32, -33, -128, -129, -32_768, -32_769, -(2 ** 31), -(2 ** 31) - 1, -(2 ** 53) + 1];
const REAL = [0.5, -1e300, 97.5, Infinity];
const TEXTS = ["", "a", "ü", "x".repeat(31), "x".repeat(32), "x".repeat(256), "ü".repeat(70_000), "\uFEFFmark", "😀"];
const LISTS = [[], [1, [2, [3]]], Array.from({ length: 20 }, (_, at) => at), Array.from({ length: 70_000 }, () => 0)];
const MANY_FIELDS = Object.fromEntries(Array.from({ length: 20 }, (_, at) => [`k${at}`, at]));
const MAPS = [{}, { a: 1, b: { c: ["d"] } }, MANY_FIELDS];
const VALUES: unknown[] = [null, true, false, ...WHOLE, ...NEGATIVE, ...REAL, ...TEXTS, ...LISTS, ...MAPS];

for (const [number, value] of VALUES.entries()) {
  test(`value ${number} (${(JSON.stringify(value) ?? "").slice(0, 30)}) is the same for us and for the oracle`, () => {
    assert.deepEqual(decodeMsgpack(oracle.encode(value)), value);
    assert.deepEqual(oracle.decode(encodeMsgpack(value)), value);
    assert.deepEqual(decodeMsgpack(oracle.encode(value, { forceFloat32: false, useBigInt64: false })), value);
  });
}

test("every cut and every changed byte of a message is read, or refused, without anything worse", () => {
  const whole = oracle.encode({ type: "alert", offset: 2 ** 40, data: { title: "ü", list: [1.5, null, true] } });
  for (let size = 0; size < whole.length; size++) assert.throws(() => decodeMsgpack(whole.subarray(0, size)));
  for (let at = 0; at < whole.length; at++) {
    for (let byte = 0; byte < 256; byte++) {
      const changed = whole.slice();
      changed[at] = byte;
      assert.doesNotThrow(() => decode(changed, "msgpack"));
    }
  }
});

test("what is not on this wire is refused", () => {
  for (const bytes of [
    [0xc1],
    [0xc4, 0],
    [0xd4, 1, 2],
    [0x81, 1, 2],
    [0x01, 0x02],
    [0xa1, 0xff],
    [0xdd, 255, 255, 255, 255],
  ]) {
    assert.throws(() => decodeMsgpack(new Uint8Array(bytes)));
  }
});

test("a label may be called like anything", () => {
  const read = decodeMsgpack(oracle.encode(JSON.parse('{"__proto__": {"x": 1}, "constructor": "c"}'))) as object;
  assert.deepEqual(Object.keys(read), ["__proto__", "constructor"]);
  assert.equal(({} as Record<string, unknown>)["x"], undefined);
});

test("both forms of each message that a server says mean the same", () => {
  const texts = lines("wire.json");
  let read = 0;
  for (const [name, hex] of lines("wire.msgpack.hex")) {
    const inText = decode(texts.get(name), "json");
    const inBytes = decode(Buffer.from(hex, "hex"), "msgpack");
    assert.deepEqual(inBytes, inText, name);
    if (inText) read += 1;
    assert.equal(inText !== null, !FROM_CLIENT.test(texts.get(name) ?? ""), name);
  }
  assert(read >= 20);
});

const FROM_CLIENT =
  /^\{"type":"(auth|refresh|subscribe|unsubscribe|trigger|reading|acknowledge|resolve|received|seen|read|ping)"/;

function lines(file: string): Map<string, string> {
  const text = readFileSync(new URL(file, GOLDEN), "utf8").trimEnd();
  return new Map(text.split("\n").map((line) => line.split("\t", 2) as [string, string]));
}
