/**
 * The example pages in a real browser, and one where something is wrong: node pages.js WS-URL TOKEN FOLDER PORT HTTP-URL. `tests/integration/test_javascript_pages.py`
 * runs it. Builds them with Vite, opens them in Chromium, and ends with 0 if they show what happens; screenshots of them
 * are in the folder then.
 */

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { extname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { decode } from "@msgpack/msgpack";
import { chromium, type Page } from "playwright-core";
import { build } from "vite";
import { WebSocket } from "ws";
import { Client } from "../src/index.js";

const [url = "", token = "", folder = "", port = "0", engine = ""] = process.argv.slice(2);
const at = (path: string): string => fileURLToPath(new URL(path, import.meta.url));
const WEB = at("../../../../");
const KINDS: Record<string, string> = {
  ".html": "text/html",
  ".js": "text/javascript",
  ".css": "text/css",
  ".svg": "image/svg+xml",
};
const CSP = "default-src 'self'; connect-src 'self' ws: wss:";

// So that React's StrictMode does what it does while somebody develops.
process.env["NODE_ENV"] = "development";

/** As somebody who has installed the packages would have it. */
const alias = [
  { find: "@tocsin/client/react/style.css", replacement: join(WEB, "client/src/react/style.css") },
  { find: "@tocsin/client/react", replacement: at("../src/react/index.js") },
  { find: "@tocsin/client", replacement: at("../src/index.js") },
  { find: /^react(-dom)?(?=\/|$)/, replacement: join(WEB, "node_modules/react$1") },
];

const PAGES = {
  client_page: "../docs/examples/client_page",
  hook_page: "../docs/examples/hook_page",
  fault_page: "client/test/fault_page",
  moving_page: "client/test/moving_page",
};
type PageName = keyof typeof PAGES;

async function built(page: PageName): Promise<void> {
  const root = join(WEB, PAGES[page]);
  const outDir = join(folder, page);
  await build({ root, base: "./", configFile: false, logLevel: "warn", resolve: { alias }, build: { outDir } });
}

const server = createServer((request, response) => {
  if (request.url?.startsWith("/api/")) return void forward(request, response);
  const path = new URL(request.url ?? "/", "http://page").pathname;
  const file = path.endsWith("/") ? `${path}index.html` : path;
  readFile(join(folder, file)).then(
    (content) => {
      const kind = KINDS[extname(file)] ?? "application/octet-stream";
      response.writeHead(200, { "Content-Type": kind, "Content-Security-Policy": CSP }).end(content);
    },
    () => response.writeHead(404).end(),
  );
});

/** The page's own host is asked for the API, as in a page that the engine's proxy serves. */
async function forward({ url: path = "", headers }: IncomingMessage, response: ServerResponse): Promise<void> {
  const authorization = headers.authorization ?? "";
  const found = await fetch(new URL(path, engine), { headers: { authorization } });
  const kind = found.headers.get("content-type") ?? "";
  response.writeHead(found.status, { "Content-Type": kind }).end(await found.text());
}

const client = new Client({ url, token, WebSocket });
client.connect();
await Promise.all((Object.keys(PAGES) as PageName[]).map(built));
await new Promise<void>((resolve) => server.listen(Number(port), "127.0.0.1", resolve));
const browser = await chromium.launch({ executablePath: "/usr/bin/chromium", args: ["--no-sandbox"] });
const said: string[] = [];

/** A tab with the page, which counts its sockets. */
async function opened(page: PageName, colorScheme: "light" | "dark", query = ""): Promise<Page & { sockets: number }> {
  const tab = await browser.newPage({ colorScheme, viewport: { width: 720, height: 900 } });
  tab.on("console", (message) => void (message.type() === "error" && said.push(message.text())));
  const counted = Object.assign(tab, { sockets: 0 });
  tab.on("websocket", () => void (counted.sockets += 1));
  tab.on("pageerror", (fault) => void said.push(fault.message));
  await tab.goto(`http://127.0.0.1:${port}/${page}/${query}#token=${token}`);
  return counted;
}

/** The channels that are granted first on the page's next connection. */
function grantsOfNextSocket(page: Page, count: number): Promise<string[]> {
  const channels: string[] = [];
  return new Promise((resolve) => {
    page.once("websocket", (socket) =>
      socket.on("framereceived", ({ payload }) => {
        const message = decode(payload as Buffer) as { type: string; channel: string };
        if (message.type === "subscribed" && channels.push(message.channel) === count) resolve(channels);
      }),
    );
  });
}

/** What axe has to say about it, by the rules of WCAG 2.2 AA. */
async function complaints(page: Page): Promise<string[]> {
  await page.evaluate(await readFile(join(WEB, "node_modules/axe-core/axe.min.js"), "utf8"));
  const look = `axe.run({ runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"] })`;
  const { violations } = await page.evaluate<{ violations: { id: string; nodes: { html: string }[] }[] }>(look);
  return violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html).join(" ")}`);
}

const plain = await opened("client_page", "light");
await plain.getByText("ready").waitFor();
await plain.getByRole("button", { name: "Ring" }).click();
await plain.getByText("Rung at").waitFor();
await plain.getByRole("button", { name: "Acknowledge" }).click();
await plain.getByText("warning acknowledged").waitFor();

for (const scheme of ["light", "dark"] as const) {
  const title = `<img src=x onerror=alert(1)> ${scheme}`;
  const page = await opened("hook_page", scheme);
  await page.getByText("connected, 0 events").waitFor();
  await client.trigger({ framework_id: "page", title, message: "The disk is 97 % full", severity: "critical" });
  await page.locator("#newest", { hasText: title }).waitFor();
  const row = page.getByRole("listitem").filter({ hasText: title });
  await row.getByRole("button", { name: "Acknowledge" }).click();
  await row.getByText("acknowledged").waitFor();
  await page.locator("#newest", { hasText: "2 events" }).waitFor();
  assert.equal(await page.locator("img").count(), 0);
  // That of the hook and that of the components, though StrictMode has mounted everything twice.
  assert.equal(page.sockets, 2);
  await client.triggerMany(
    ["info", "warning", "error"].map((severity) => ({ framework_id: scheme, title: severity, severity })),
  );
  await page.getByText("error", { exact: true }).last().waitFor();
  // Colours are there however the bundler rewrites the style: the mark is not in the colour of the text.
  const colours = await row.evaluate((element) =>
    [element, element.querySelector("svg")!].map((one) => getComputedStyle(one).color),
  );
  assert.notEqual(colours[0], colours[1]);
  assert.deepEqual(await complaints(page), []);
  await page.screenshot({ path: join(folder, `hook_page_${scheme}.png`) });
}
assert.equal(said.join("\n"), "");

const faulty = await opened("fault_page", "light");
const elsewhere = "the token is for the workspace main, not for elsewhere: use one for elsewhere";
await faulty.locator("#elsewhere", { hasText: `connected; error: ${elsewhere}; told: ${elsewhere}` }).waitFor();
await faulty.locator("#here", { hasText: "connected; error: none; told: nothing" }).waitFor();
await faulty
  .locator("#refused", { hasText: /^over; error: the token was refused: .*; told: the token was refused/ })
  .waitFor();
const polled = faulty.getByRole("region", { name: "Polled", exact: true });
await polled.locator("dl", { hasText: /open\D*[1-9]/ }).waitFor();
const count = Number(await polled.locator("dd").first().textContent());
await client.trigger({ framework_id: "page", title: "seen by whoever asks again" });
await polled.locator("dl", { hasText: new RegExp(`open\\D*${count + 1}`) }).waitFor();
const vain = faulty.getByRole("region", { name: "Polled in vain" });
await vain.getByRole("alert").waitFor();
assert.match((await vain.getByRole("alert").textContent()) ?? "", /invalid token/);
// What the browser itself says of an answer 401; nothing else went wrong.
assert.deepEqual(
  said.filter((each) => !each.includes("401")),
  [],
);

const moving = await opened("moving_page", "light", `?url=${encodeURIComponent(url)}`);
const heard = moving.locator("#heard");
await heard.filter({ hasText: "connected; error: none" }).waitFor();
await moving.getByRole("button", { name: "More" }).click();
await moving.getByRole("button", { name: "Less" }).click();
const granted = grantsOfNextSocket(moving, 2);
await moving.getByRole("button", { name: "Move" }).click();
assert.deepEqual((await granted).sort(), ["alerts:main:more", "alerts:main:own"]);
await client.triggerMany(["less", "more", "own"].map((name) => ({ framework_id: name, title: `moved-${name}` })));
await heard.filter({ hasText: "moved-more" }).filter({ hasText: "moved-own" }).waitFor();
assert.doesNotMatch((await heard.textContent()) ?? "", /less|error: (?!none)/);
await browser.close();
server.close();
client.close();
