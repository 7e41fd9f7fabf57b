/** Changes come faster than anybody sees: a hundred a second are drawn once a frame, and rarely while nobody looks. */

type Subscribe = (listener: () => void) => () => void;

// A page in the background draws no frames, but its title still tells how many alerts there are.
const HIDDEN_MS = 250;

/** The same, told at most once a frame. */
export function drawn(subscribe: Subscribe): Subscribe {
  return (listener) => {
    let cancel: (() => void) | undefined;
    const tell = (): void => {
      cancel?.();
      cancel = undefined;
      listener();
    };
    const stop = subscribe(() => void (cancel ??= soon(tell)));
    return () => {
      stop();
      cancel?.();
    };
  };
}

/** With the next frame, or after a while if none comes. */
function soon(call: () => void): () => void {
  const frame = globalThis.requestAnimationFrame?.(call);
  const timer = setTimeout(call, HIDDEN_MS);
  return () => {
    if (frame !== undefined) cancelAnimationFrame(frame);
    clearTimeout(timer);
  };
}
