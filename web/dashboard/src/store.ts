/**
 * One value, whoever wants to know of its changes, and a hook that draws again when it changes.
 *
 * All that the page remembers outside of a component is a Store with one owner: the file that makes it. There is no
 * state library: what one would add (reducers, middleware, contexts) nobody here needs.
 */
import { useSyncExternalStore } from "react";

export interface Store<T> {
  get(): T;
  set(next: T): void;
  subscribe(onChange: () => void): () => void;
}

/** A Store that only its owner sets. */
export type Source<T> = Pick<Store<T>, "get" | "subscribe">;

export function makeStore<T>(first: T): Store<T> {
  let value = first;
  const listeners = new Set<() => void>();
  return {
    get: () => value,
    set: (next) => {
      if (Object.is(next, value)) return;
      value = next;
      for (const listener of listeners) listener();
    },
    subscribe: (onChange) => {
      listeners.add(onChange);
      return () => void listeners.delete(onChange);
    },
  };
}

/**
 * The same value, but listeners hear of it at most once in so many milliseconds: at once of the first change, and of the
 * last one in any case.
 */
export function slowed<T>(source: Source<T>, pauseMs: number): Source<T> {
  const slow = makeStore(source.get());
  let timer: ReturnType<typeof setTimeout> | undefined;
  function pass(): void {
    const isNew = !Object.is(source.get(), slow.get());
    timer = isNew ? setTimeout(pass, pauseMs) : undefined;
    slow.set(source.get());
  }
  source.subscribe(() => void (timer === undefined && pass()));
  return { get: slow.get, subscribe: slow.subscribe };
}

export function useStore<T>(store: Source<T>): T {
  return useSyncExternalStore(store.subscribe, store.get);
}
