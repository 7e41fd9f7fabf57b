/**
 * How long to wait before the next try to connect: exponential with full jitter, which spreads a thousand pages of a
 * restarted engine best ("Exponential Backoff And Jitter", AWS Architecture Blog, 2015). Pure: time and chance are
 * passed in, and the numbers are those of the Python client.
 */

/** How to come back. `attempts`: tries in vain before giving up for good. */
export interface Reconnect {
  baseMs: number;
  capMs: number;
  attempts: number;
}

// A page stays open all day: it gives up only if it is told to.
export const RECONNECT: Reconnect = { baseMs: 250, capMs: 30_000, attempts: Infinity };
// While an outage is young the ceiling is low: a restart of the engine is over for everybody in less than 5 s.
const YOUNG_OUTAGE_MS = 60_000;
const YOUNG_CAP_MS = 4_000;
// A connection that ends sooner was no success: else a server that throws us out at once would be stormed.
const STABLE_MS = 10_000;
// A server may ask for a longer pause than our own ceiling, but not for a day.
const ASKED_MAX_MS = 300_000;

/** The tries since the last connection that lasted. Times in milliseconds, of any one clock. */
export class Backoff {
  private tries = 0;

  constructor(
    private since: number,
    private readonly reconnect: Reconnect = RECONNECT,
  ) {}

  /** A connection has ended that was ready for so long (0: never). */
  ended(now: number, lastedMs: number): void {
    if (lastedMs < STABLE_MS) return;
    this.tries = 0;
    this.since = now;
  }

  /** The pause before the next try; undefined: there were enough. `chance` is uniform in [0, 1). */
  delayMs(now: number, chance: number, askedMs?: number): number | undefined {
    if (this.tries >= this.reconnect.attempts) return undefined;
    const ceiling = Math.min(this.cap(now), this.reconnect.baseMs * 2 ** Math.min(this.tries, 16));
    this.tries += 1;
    return askedMs === undefined ? ceiling * chance : Math.min(Math.max(askedMs, 0), ASKED_MAX_MS);
  }

  private cap(now: number): number {
    const isYoung = now - this.since < YOUNG_OUTAGE_MS;
    return isYoung ? Math.min(YOUNG_CAP_MS, this.reconnect.capMs) : this.reconnect.capMs;
  }
}
