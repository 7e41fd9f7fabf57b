/**
 * One WebSocket connection, from dialling to closing. Owns the socket and the timer that asks whether the server still
 * lives. Whatever ends it is told once, as `ended`; after that nothing is heard of it any more.
 */

import type { Clock } from "./clock.js";
import { decode, encode, formOf, subprotocolOf, type WireForm } from "./codec.js";
import type { Ended } from "./effects.js";
import type { ClientMessage, ServerMessage } from "./messages.js";
import { Quiet } from "./quiet.js";

/** What is used of a WebSocket: a browser's, or that of `ws` under Node. */
export interface Socket {
  binaryType: string;
  readonly protocol: string;
  readonly readyState: number;
  readonly bufferedAmount: number;
  onopen: ((event: never) => void) | null;
  onmessage: ((event: never) => void) | null;
  onerror: ((event: never) => void) | null;
  onclose: ((event: never) => void) | null;
  send(data: string | Uint8Array<ArrayBuffer>): void;
  close(code?: number): void;
}

export type SocketClass = new (url: string, subprotocols: string[]) => Socket;

/** What its owner is told. */
export interface Hooks {
  opened(): void;
  /** A message; null: one that cannot be read. */
  heard(message: ServerMessage | null): void;
  ended(ended: Ended): void;
}

// Name look-up, TCP, TLS and upgrade together; a server that is slower is as good as away.
const CONNECT_MS = 5_000;
const OPEN = 1;
// No code of the server's: there was no Close at all (RFC 6455 section 7.1.5).
const NO_CLOSE = 1006;

export class Connection {
  private readonly socket: Socket;
  private readonly quiet: Quiet;
  private form: WireForm = "json";
  private cancelTimer: () => void;
  private isOver = false;
  private wasOpen = false;
  private fault = "";

  constructor(
    private readonly url: string,
    form: WireForm,
    socketClass: SocketClass,
    private readonly clock: Clock,
    private readonly hooks: Hooks,
  ) {
    this.quiet = new Quiet(clock.now());
    this.socket = new socketClass(url, [subprotocolOf(form)]);
    this.socket.binaryType = "arraybuffer";
    this.socket.onopen = () => this.opened();
    this.socket.onmessage = (event: { data: unknown }) => this.heard(event.data);
    // A browser does not say what was wrong; Node does. `close` follows.
    this.socket.onerror = (event: { message?: string }) => void (this.fault = event.message ?? "");
    this.socket.onclose = (event: { code: number; reason: string }) => this.closed(event.code, String(event.reason));
    const late = `no connection to ${url} within ${CONNECT_MS / 1e3} s`;
    this.cancelTimer = clock.after(CONNECT_MS, () => this.end({ reason: late }));
  }

  /** What waits to be sent. */
  get bufferedBytes(): number {
    return this.socket.bufferedAmount;
  }

  send(message: ClientMessage): void {
    if (!this.isOver && this.socket.readyState === OPEN) this.socket.send(encode(message, this.form));
  }

  /** Asks now whether the server lives: there is reason to doubt it. */
  probe(): void {
    if (!this.isOver && this.socket.readyState === OPEN) this.look(true);
  }

  /** Ends it politely; nothing is told. The browser waits for the server's answer, we do not. */
  close(): void {
    if (this.isOver) return;
    this.isOver = true;
    this.cancelTimer();
    const { socket } = this;
    socket.onopen = socket.onmessage = socket.onclose = null;
    // `ws` says it as an error when a socket is closed that was not open yet.
    socket.onerror = () => {};
    socket.close(1000);
  }

  private opened(): void {
    this.wasOpen = true;
    this.form = formOf(this.socket.protocol);
    this.quiet.heard(this.clock.now());
    this.hooks.opened();
    this.look();
  }

  private heard(data: unknown): void {
    this.quiet.heard(this.clock.now());
    this.hooks.heard(decode(data, this.form));
  }

  private closed(code: number, reason: string): void {
    const broke = this.fault || (this.wasOpen ? "the connection broke" : `no connection to ${this.url}`);
    if (code === NO_CLOSE) this.end({ reason: broke, isNeverOpened: !this.wasOpen });
    else this.end({ reason: `the server closed it: ${code} ${reason}`.trimEnd(), code });
  }

  /** One timer, set anew only when it rings: hearing something costs nothing. */
  private look(isUrgent = false): void {
    if (this.isOver) return;
    this.cancelTimer();
    const next = this.quiet.look(this.clock.now(), isUrgent);
    if (next.do === "giveUp") return this.end({ reason: "nothing was heard, and no answer came" });
    if (next.do === "ask") this.send({ type: "ping" });
    this.cancelTimer = this.clock.after(next.againMs, () => this.look());
  }

  private end(ended: Ended): void {
    if (this.isOver) return;
    this.close();
    this.hooks.ended(ended);
  }
}
