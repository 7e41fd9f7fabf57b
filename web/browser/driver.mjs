/**
 * A Chromium for the tests of the page: they are written in Python (tests/support/browsers.py) and drive it from there.
 *
 * One JSON object a line. In: `{id, on, chain: [[member, arguments], …], keep?}`: the members are called (or read) in turn, each
 * of what the one before gave; what the last one gives is kept under a name, or answered. Out: `{id, value}` or
 * `{id, error}`. At the start there is `browser`, and what was seen in all pages: `seen.complaints()` (errors, and what
 * the content security policy refused) and `seen.events()` (alerts that were told on the pages' sockets, by the page's
 * number).
 *
 * Ends with its standard input, so a test that dies leaves no browser behind.
 */
import { createInterface } from "node:readline";

import { decode } from "@msgpack/msgpack";
import { chromium } from "playwright-core";

// How long anything may take on a machine full of tests.
const PATIENCE_MS = 60_000;
// The tests run as root, in containers, without the namespaces that the sandbox is made of.
const MEASURING = ["--js-flags=--expose-gc", "--enable-precise-memory-info"];
const FLAGS = ["--no-sandbox", "--disable-dev-shm-usage", ...MEASURING];

const complaints = [];
const events = [];
let pages = 0;
const browser = await chromium.launch({
  executablePath: process.env["CHROMIUM"] ?? "/usr/bin/chromium",
  args: FLAGS,
  timeout: 2 * PATIENCE_MS,
});
const kept = new Map([
  ["browser", browser],
  ["seen", { complaints: () => complaints.splice(0), events: () => events.splice(0) }],
]);

async function answer({ on, chain, keep }) {
  let value = kept.get(on);
  for (const [name, given] of chain) {
    const member = value[name];
    value = typeof member === "function" ? await member.apply(value, given.map(revived)) : member;
  }
  if (keep === undefined) return typeof value === "object" && value !== null && isHandle(value) ? null : value;
  kept.set(keep, value);
  if (typeof value.addInitScript === "function" && typeof value.newPage === "function") await watch(value);
  return null;
}

/** `{re: "…"}` is a regular expression. */
function revived(value) {
  if (Array.isArray(value)) return value.map(revived);
  if (typeof value !== "object" || value === null) return value;
  if (typeof value.re === "string") return new RegExp(value.re);
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, revived(each)]));
}

/** What belongs to the browser and cannot be told in JSON (a page's response, a handle). */
function isHandle(value) {
  return ![Object.prototype, Array.prototype].includes(Object.getPrototypeOf(value));
}

async function watch(context) {
  context.setDefaultTimeout(PATIENCE_MS);
  await context.exposeBinding("policyViolated", (_, said) => void complaints.push(`policy: ${said}`));
  await context.addInitScript(() => {
    addEventListener("securitypolicyviolation", ({ effectiveDirective, blockedURI, sample }) =>
      globalThis.policyViolated(`${effectiveDirective} ${blockedURI} ${sample}`),
    );
  });
  context.on("weberror", (said) => complaints.push(`error: ${said.error().stack ?? said.error()}`));
  context.on("dialog", (dialog) => {
    complaints.push(`dialog: ${dialog.message()}`);
    void dialog.dismiss();
  });
  context.on("page", (page) => {
    const number = ++pages;
    page.on("websocket", (socket) => socket.on("framereceived", ({ payload }) => hear(number, payload)));
  });
}

function hear(page, payload) {
  const { type, channel, event, offset, prev } = typeof payload === "string" ? JSON.parse(payload) : decode(payload);
  if (type === "alert") events.push({ page, channel, event, offset: Number(offset), prev: Number(prev) });
}

for await (const line of createInterface({ input: process.stdin })) {
  const { id, ...asked } = JSON.parse(line);
  const said = await answer(asked).then(
    (value = null) => ({ id, value }),
    (fault) => ({ id, error: String(fault?.message ?? fault) }),
  );
  process.stdout.write(`${JSON.stringify(said)}\n`);
}
await browser.close();
