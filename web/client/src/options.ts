/** What a client is made with, and what that means for the connection. */

import { about } from "./about.js";
import { RECONNECT, type Reconnect } from "./backoff.js";
import { CLOCK, type Clock } from "./clock.js";
import type { WireForm } from "./codec.js";
import type { SocketClass } from "./connection.js";
import { TocsinError } from "./errors.js";
import type { Target } from "./link.js";
import type { Credentials } from "./messages.js";

/** A token, or a one-use ticket. */
export type Token = string | { ticket: string };

export interface ClientOptions {
  /**
   * A text; or a function that gets a fresh one for each connection, and for a connection that outlives its token (with
   * a text the client ends when the token does). To end the client, it throws ClientStopped.
   */
  token: string | (() => Token | Promise<Token>);
  /** `ws://…` or `wss://…`; the address of the engine's HTTP door, which is asked; without it the page's own host. */
  url?: string | URL;
  /** How messages are written; both say the same. */
  form?: WireForm;
  /** In place of the browser's. */
  WebSocket?: unknown;
  /** `baseMs`, `capMs`: the pauses between tries. `attempts`: so many in vain, and the client ends; never by itself. */
  reconnect?: Partial<Reconnect>;
  /** How long a request may take, waiting for a connection included. */
  requestMs?: number;
  /** Tells the server every few seconds what has arrived, for its record of who received which alert. */
  received?: boolean;
  clock?: Clock;
}

// A commit takes milliseconds, and a server in trouble says so; this is for one that says nothing.
export const REQUEST_MS = 15_000;

export function clockOf(options: ClientOptions): Clock {
  return options.clock ?? CLOCK;
}

/** Where to connect, as whom, and how. Throws TocsinError for an address that cannot be one. */
export function targetOf(options: ClientOptions): Target {
  const { token, form = "msgpack", WebSocket: socketClass, reconnect } = options;
  return {
    url: addressOf(options.url),
    credentials: async () => credentialsOf(typeof token === "function" ? await token() : token),
    hasFreshTokens: typeof token === "function",
    form,
    socketClass: socketClass as SocketClass | undefined,
    reconnect: { ...RECONNECT, ...reconnect },
  };
}

function credentialsOf(token: Token): Credentials {
  return typeof token === "string" ? { token } : token;
}

/** Of an HTTP address the engine is asked each time: it may be another one after a restart. */
function addressOf(given: string | URL | undefined): () => Promise<string> {
  const host = given ?? globalThis.location?.origin;
  if (host === undefined) throw new TocsinError("there is no page to ask for the address: give `url`");
  const url = URL.canParse(host) ? new URL(host) : null;
  switch (url?.protocol) {
    case "ws:":
    case "wss:":
      if (url.pathname === "/") url.pathname = "/ws";
      return () => Promise.resolve(url.href);
    case "http:":
    case "https:":
      return async () => (await about(url.href)).ws;
    default:
      throw new TocsinError(`url ${String(host)} is not allowed: use ws://, wss://, http:// or https://HOST:PORT`);
  }
}
