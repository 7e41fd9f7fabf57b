/**
 * Runs one thing at a time; of what is wanted meanwhile only the newest. Pure but for what it is given to run.
 *
 * The engine computes two backtests at once, for everybody: who types must not take both.
 */
export function latestOnly<T>(run: (wanted: T) => Promise<void>): (wanted: T) => void {
  let isRunning = false;
  let next: { wanted: T } | null = null;
  async function go(wanted: T): Promise<void> {
    isRunning = true;
    try {
      await run(wanted);
    } finally {
      isRunning = false;
      const waiting = next;
      next = null;
      if (waiting) void go(waiting.wanted);
    }
  }
  return (wanted) => {
    if (isRunning) next = { wanted };
    else void go(wanted);
  };
}
