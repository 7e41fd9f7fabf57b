/** Sockets that do as a test says, in place of the browser's. */

export class FakeSocket {
  static made: FakeSocket[] = [];
  binaryType = "";
  readyState = 0;
  bufferedAmount = 0;
  protocol = "tocsin.v1.json";
  isClosed = false;
  readonly sent: Record<string, unknown>[] = [];
  onopen: (() => void) | null = null;
  onmessage: ((event: { data: string }) => void) | null = null;
  onerror: (() => void) | null = null;
  onclose: ((event: { code: number; reason: string }) => void) | null = null;

  constructor(readonly url: string) {
    FakeSocket.made.push(this);
  }

  send(data: string): void {
    this.sent.push(JSON.parse(data) as Record<string, unknown>);
  }

  close(): void {
    this.isClosed = true;
  }

  say(message: object): void {
    this.onmessage?.({ data: JSON.stringify(message) });
  }

  /** Opens, and takes the token. */
  greet(): void {
    this.readyState = 1;
    this.onopen?.();
    const expiresAt = "2026-01-05T22:00:00Z";
    this.say({ type: "auth_success", clientId: "c", workspaceId: "main", userId: "ann", expiresAt, ping: 30 });
  }

  /** The server's Close; 1006: there was none. */
  end(code = 1006, reason = ""): void {
    this.readyState = 3;
    this.onclose?.({ code, reason });
  }
}

/** The newest connection. */
export function socket(): FakeSocket {
  const newest = FakeSocket.made.at(-1);
  if (!newest) throw new Error("nothing was dialled");
  return newest;
}

/** Everything that promises wait for now. */
export function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** A token that says who it is; the engine would not take it. */
export function aToken(user: string, id = "one"): string {
  const claims = { sub: user, workspaceId: "main", role: "admin", jti: id, exp: 1_800_000_000 };
  return `e30.${Buffer.from(JSON.stringify(claims)).toString("base64url")}.x`;
}
