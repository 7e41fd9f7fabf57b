/** Time and chance, which everything here is given, so that tests can give others. */

export interface Clock {
  /** Milliseconds of a clock that only goes forward. */
  now(): number;
  /** Milliseconds since 1970. */
  wall(): number;
  /** Uniform in [0, 1). */
  random(): number;
  /** Calls back after so many milliseconds, unless what it gives back is called before. */
  after(ms: number, call: () => void): () => void;
}

// A longer one would ring at once.
const TIMER_MAX_MS = 2 ** 31 - 1;

export const CLOCK: Clock = {
  now: () => performance.now(),
  wall: () => Date.now(),
  random: () => Math.random(),
  after: (ms, call) => {
    const timer = setTimeout(call, Math.min(ms, TIMER_MAX_MS));
    return () => clearTimeout(timer);
  },
};
