/** A clock that only moves when it is told to, and sockets that do as they are told: for tests of the client. */

import type { Clock } from "../src/clock.js";
import { Client, type ClientOptions } from "../src/index.js";
import type { Socket } from "../src/connection.js";

export class FakeClock implements Clock {
  private time = 0;
  private readonly timers = new Set<{ at: number; call: () => void }>();
  chance = 0.5;

  now(): number {
    return this.time;
  }

  wall(): number {
    return Date.parse("2026-01-01T00:00:00Z") + this.time;
  }

  random(): number {
    return this.chance;
  }

  after(ms: number, call: () => void): () => void {
    const timer = { at: this.time + ms, call };
    this.timers.add(timer);
    return () => void this.timers.delete(timer);
  }

  /** Lets time go by; what it rings may set timers of its own. */
  async pass(ms: number): Promise<void> {
    const end = this.time + ms;
    await settled();
    for (;;) {
      const [next] = [...this.timers].filter((timer) => timer.at <= end).sort((a, b) => a.at - b.at);
      if (!next) break;
      this.timers.delete(next);
      this.time = next.at;
      next.call();
      await settled();
    }
    this.time = end;
  }
}

export class FakeSocket implements Socket {
  static made: FakeSocket[] = [];
  binaryType = "";
  readyState = 0;
  bufferedAmount = 0;
  protocol = "tocsin.v1.json";
  isClosed = false;
  readonly sent: Record<string, unknown>[] = [];
  onopen: ((event: never) => void) | null = null;
  onmessage: ((event: never) => void) | null = null;
  onerror: ((event: never) => void) | null = null;
  onclose: ((event: never) => void) | null = null;

  constructor(
    readonly url: string,
    readonly subprotocols: string[],
  ) {
    FakeSocket.made.push(this);
  }

  send(data: string | Uint8Array): void {
    this.sent.push(JSON.parse(String(data)) as Record<string, unknown>);
  }

  close(): void {
    this.isClosed = true;
  }

  open(): void {
    this.readyState = 1;
    this.onopen?.({} as never);
  }

  say(message: object): void {
    this.onmessage?.({ data: JSON.stringify(message) } as never);
  }

  /** Opens, and takes the token. */
  greet(expiresAt = "2026-01-01T01:00:00Z"): void {
    if (this.readyState === 0) this.open();
    this.say({ type: "auth_success", clientId: "c", workspaceId: "acme", userId: "ann", expiresAt, ping: 30 });
  }

  /** The server's Close; 1006: there was none. */
  end(code = 1006, reason = ""): void {
    this.readyState = 3;
    this.onclose?.({ code, reason } as never);
  }
}

/** Everything that promises wait for now. */
export function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** A client that is being connected, with its clock; its sockets are `FakeSocket.made`. */
export async function aClient(options: Partial<ClientOptions> = {}): Promise<{ client: Client; clock: FakeClock }> {
  FakeSocket.made = [];
  const clock = new FakeClock();
  const client = new Client({
    token: "t",
    url: "ws://engine:3008",
    form: "json",
    WebSocket: FakeSocket,
    clock,
    ...options,
  });
  client.connect();
  await settled();
  return { client, clock };
}

/** The newest connection. */
export function socket(): FakeSocket {
  const newest = FakeSocket.made.at(-1);
  if (!newest) throw new Error("nothing was dialled");
  return newest;
}
