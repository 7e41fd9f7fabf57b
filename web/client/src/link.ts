/**
 * Keeps a client connected: dials, and after a break again, with growing pauses; brings the next token before the one in
 * use ends. Owns the connection that there is now, and the timers. Ends when it is stopped, when the server says not to
 * come back (3500-3999), when the token is refused for good, or after enough tries.
 */

import { Backoff, type Reconnect } from "./backoff.js";
import type { Clock } from "./clock.js";
import { Connection, type SocketClass } from "./connection.js";
import type { WireForm } from "./codec.js";
import type { Dialogue } from "./dialogue.js";
import type { Effect, Ended } from "./effects.js";
import { ClientStopped, ConnectionLost, mayReconnect } from "./errors.js";
import { refreshAfterMs, RETRY_MS } from "./freshness.js";
import type { ClientMessage, Credentials, ServerMessage } from "./messages.js";

// A token service, or a host that does not say where its socket is, is away when it is slower; the next try asks again.
const PROGRAM_MS = 10_000;
// A page that drowns its own connection is told so, before the browser's memory is full.
const BUFFERED_MAX_BYTES = 1_048_576;

export interface Target {
  url(): Promise<string>;
  /** The next credentials. Rejects with ClientStopped if there will be none. */
  credentials(): Promise<Credentials>;
  hasFreshTokens: boolean;
  form: WireForm;
  socketClass: SocketClass | undefined;
  reconnect: Reconnect;
}

export interface Owner {
  perform(effects: Effect[]): void;
  /** The state may have changed, for this reason. */
  changed(why: string): void;
  stopped(fault: ClientStopped): void;
}

export class Link {
  private connection: Connection | undefined;
  private backoff: Backoff;
  private readyAt: number | undefined;
  private wasEverReady = false;
  /** Of the present try; what belongs to an older one is nobody's business any more. */
  private turn = 0;
  private cancelPause: (() => void) | undefined;
  private cancelRefresh = (): void => {};

  constructor(
    private readonly target: Target,
    private readonly clock: Clock,
    private readonly dialogue: Dialogue,
    private readonly owner: Owner,
  ) {
    this.backoff = new Backoff(clock.now(), target.reconnect);
  }

  /** Whether one more message may be pushed. */
  get hasRoom(): boolean {
    return (this.connection?.bufferedBytes ?? 0) < BUFFERED_MAX_BYTES;
  }

  start(): void {
    this.backoff = new Backoff(this.clock.now(), this.target.reconnect);
    void this.dial();
    this.owner.changed("");
  }

  /** Ends everything; `fault` is for whoever still waits. */
  stop(fault: ClientStopped): void {
    this.drop();
    this.owner.perform(this.dialogue.ended(fault));
    this.owner.stopped(fault);
    this.owner.changed(fault.message);
  }

  /** Something has changed outside (the network is back, the page is looked at): tries now, or asks if the server lives. */
  wake(): void {
    if (this.connection) this.connection.probe();
    else if (this.cancelPause) void this.dial();
  }

  send(message: ClientMessage): void {
    this.connection?.send(message);
  }

  /** The server has greeted us. */
  greeted(isRefresh: boolean): void {
    if (!isRefresh) this.readyAt = this.clock.now();
    this.wasEverReady = true;
    this.keepFresh();
    if (!isRefresh) this.owner.changed("");
  }

  /** This connection is of no use. */
  hangUp(ended: Ended): void {
    this.ended(ended);
  }

  private async dial(): Promise<void> {
    this.drop();
    this.dialogue.connecting();
    const { turn, target } = this;
    try {
      const [url, credentials] = await this.within(Promise.all([target.url(), target.credentials()]));
      if (turn === this.turn) this.connect(url, credentials);
    } catch (fault) {
      if (turn !== this.turn) return;
      if (fault instanceof ClientStopped) this.stop(fault);
      else this.ended({ reason: `not connected: ${fault instanceof Error ? fault.message : String(fault)}` });
    }
  }

  private connect(url: string, credentials: Credentials): void {
    const socketClass = this.target.socketClass ?? (globalThis.WebSocket as SocketClass | undefined);
    if (!socketClass) throw new ClientStopped("there is no WebSocket here: give one, for example that of `ws`");
    this.connection = new Connection(url, this.target.form, socketClass, this.clock, {
      opened: () => {
        this.owner.perform(this.dialogue.opened(credentials));
        this.owner.changed("");
      },
      heard: (message: ServerMessage | null) => this.owner.perform(this.dialogue.hear(message)),
      ended: (ended) => this.ended(ended),
    });
  }

  private ended({ code, reason: why, isNeverOpened }: Ended): void {
    // Where we were let in once the origin is known to be good.
    const reason = isNeverOpened && !this.wasEverReady ? `${why}${originDoubt()}` : why;
    const now = this.clock.now();
    const lastedMs = this.readyAt === undefined ? 0 : now - this.readyAt;
    this.drop();
    this.owner.perform(this.dialogue.broken(new ConnectionLost(reason)));
    if (!mayReconnect(code)) return this.stop(new ClientStopped(reason, code));
    this.backoff.ended(now, lastedMs);
    const pauseMs = this.backoff.delayMs(now, this.clock.random(), this.dialogue.askedMs);
    if (pauseMs === undefined) return this.stop(new ClientStopped(`gave up after many tries: ${reason}`));
    this.cancelPause = this.clock.after(pauseMs, () => void this.dial());
    this.owner.changed(reason);
  }

  /** Lets go of the connection, and of all that was to come. */
  private drop(): void {
    this.turn += 1;
    this.cancelPause?.();
    this.cancelPause = undefined;
    this.cancelRefresh();
    this.readyAt = undefined;
    this.connection?.close();
    this.connection = undefined;
  }

  private keepFresh(): void {
    this.cancelRefresh();
    const { session } = this.dialogue;
    const pauseMs = session && this.target.hasFreshTokens ? refreshAfterMs(session, this.clock.wall()) : undefined;
    if (pauseMs !== undefined) this.refreshAfter(pauseMs);
  }

  /** And again, until the server greets us anew, which sets the next time. */
  private refreshAfter(pauseMs: number): void {
    const dueAt = this.clock.now() + pauseMs;
    this.cancelRefresh = this.clock.after(pauseMs, () => {
      // A timer is shorter than some tokens live.
      const left = dueAt - this.clock.now();
      if (left > RETRY_MS) return this.refreshAfter(left);
      this.refreshAfter(RETRY_MS);
      void this.refresh();
    });
  }

  private async refresh(): Promise<void> {
    const { turn } = this;
    try {
      const credentials = await this.within(this.target.credentials());
      // A ticket is good for a new connection only: the server will end this one, and we come back with it.
      if (turn === this.turn && "token" in credentials) this.send({ type: "refresh", token: credentials.token });
    } catch {
      // The token in use is good for a while, and we ask again.
    }
  }

  /** What the program's own functions give; they may not keep us for ever. */
  private within<Value>(value: Promise<Value>): Promise<Value> {
    return new Promise((resolve, reject) => {
      const late = new Error(`no token or address within ${PROGRAM_MS / 1e3} s`);
      const cancel = this.clock.after(PROGRAM_MS, () => reject(late));
      void value.then(resolve, reject).finally(cancel);
    });
  }
}

/** An engine takes pages of the origins that it was told of; to a page its refusal looks as if nobody were there. */
function originDoubt(): string {
  const origin = globalThis.location?.origin;
  return origin ? `: nobody listens there, or the engine does not take pages of ${origin} ([gateway] origins)` : "";
}
