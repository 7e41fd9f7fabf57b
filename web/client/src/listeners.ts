/** Whoever wants to be told something. */

export type Listener<Value> = (value: Value) => void;

export class Listeners<Value> {
  private readonly all = new Set<Listener<Value>>();

  /** Adds one; what it gives back takes it away again. */
  add(listener: Listener<Value>): () => void {
    // Its own object, so that the same function may be added twice.
    const one: Listener<Value> = (value) => listener(value);
    this.all.add(one);
    return () => void this.all.delete(one);
  }

  /** Tells everybody. One that throws does not keep the others from hearing; its error is uncaught, as of any event. */
  tell(value: Value): void {
    for (const listener of this.all) {
      try {
        listener(value);
      } catch (fault) {
        report(fault);
      }
    }
  }
}

/** As a browser does with an error of a listener; Node ends of it, as of any that nobody catches. */
function report(fault: unknown): void {
  if (globalThis.reportError) return globalThis.reportError(fault);
  queueMicrotask(() => {
    throw fault;
  });
}
