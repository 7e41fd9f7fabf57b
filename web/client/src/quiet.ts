/**
 * Whether a silent server lives: after a while it is asked, and if it says nothing to that it is gone. A browser hides
 * the heartbeats of WebSocket itself, so only messages count. Pure.
 */

// Channels prove every 5 s that they are silent; two proofs missing is worth a question.
export const QUIET_MS = 10_000;
// For its answer. Counted from the question: whoever was asleep meanwhile (a closed lid, a throttled tab) asks first.
export const ANSWER_MS = 5_000;

export class Quiet {
  private askedAt: number | undefined;

  constructor(private heardAt: number) {}

  /** Something was heard. */
  heard(now: number): void {
    this.heardAt = now;
    this.askedAt = undefined;
  }

  /** What to do now, and after how long to look again. `isUrgent`: there is reason to ask before it is time. */
  look(now: number, isUrgent = false): { do: "wait" | "ask" | "giveUp"; againMs: number } {
    if (this.askedAt !== undefined) {
      const left = this.askedAt + ANSWER_MS - now;
      return left > 0 ? { do: "wait", againMs: left } : { do: "giveUp", againMs: 0 };
    }
    const left = this.heardAt + QUIET_MS - now;
    if (left > 0 && !isUrgent) return { do: "wait", againMs: left };
    this.askedAt = now;
    return { do: "ask", againMs: ANSWER_MS };
  }
}
