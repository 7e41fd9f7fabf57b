/**
 * Short words at the edge of the page: what was done (with undo), and what failed and why.
 *
 * A success goes after a while, but not while it is pointed at or has the focus; a failure stays until it is put away.
 * At most `TOASTS_MAX` at once; which were pushed out is counted and said.
 */
import { useEffect, useState } from "react";

import { reasonOf } from "../api.ts";
import { makeStore, useStore } from "../store.ts";
import { Button, IconButton } from "./button.tsx";

export interface Toast {
  id: number;
  kind: "done" | "failed";
  text: string;
  action?: { says: string; does: () => void };
}

export const TOASTS_MAX = 4;
const SHOWN_MS = 8_000;

interface Toasts {
  shown: readonly Toast[];
  pushedOut: number;
}

const store = makeStore<Toasts>({ shown: [], pushedOut: 0 });
let lastId = 0;

function put(toast: Omit<Toast, "id">): void {
  lastId += 1;
  const { shown, pushedOut } = store.get();
  const next = [...shown, { ...toast, id: lastId }];
  const over = Math.max(0, next.length - TOASTS_MAX);
  store.set({ shown: next.slice(over), pushedOut: pushedOut + over });
}

/** Says that something was done; `action` takes it back, or leads on. */
export function sayDone(text: string, action?: Toast["action"]): void {
  put({ kind: "done", text, ...(action && { action }) });
}

/** Says that something failed, and why: in the engine's words if it was the engine. */
export function sayFailed(what: string, fault: unknown, action?: Toast["action"]): void {
  put({ kind: "failed", text: `${what}: ${reasonOf(fault)}`, ...(action && { action }) });
}

function dismiss(id: number): void {
  const shown = store.get().shown.filter((each) => each.id !== id);
  store.set({ shown, pushedOut: shown.length === 0 ? 0 : store.get().pushedOut });
}

/** What is said just now. */
export function toastsNow(): readonly Toast[] {
  return store.get().shown;
}

export function ToastList() {
  const { shown, pushedOut } = useStore(store);
  return (
    <div className="toasts" role="region" aria-label="Messages">
      {pushedOut > 0 && <p className="toast">{pushedOut} earlier messages were put away</p>}
      {/* Both are there from the start: screen readers read only what comes into a region that they know. */}
      <div role="status">{shown.filter((each) => each.kind === "done").map(card)}</div>
      <div role="alert">{shown.filter((each) => each.kind === "failed").map(card)}</div>
    </div>
  );
}

function card(toast: Toast) {
  return <ToastCard key={toast.id} toast={toast} />;
}

function ToastCard({ toast }: { toast: Toast }) {
  const [isHeld, setHeld] = useState(false);
  const { id, kind, action } = toast;
  useEffect(() => {
    if (isHeld || kind === "failed") return;
    const timer = setTimeout(() => dismiss(id), SHOWN_MS);
    return () => clearTimeout(timer);
  }, [isHeld, kind, id]);
  function act(): void {
    dismiss(id);
    action?.does();
  }
  const hold = { onPointerEnter: () => setHeld(true), onPointerLeave: () => setHeld(false) };
  return (
    <div className={`toast ${kind}`} {...hold} onFocus={() => setHeld(true)} onBlur={() => setHeld(false)}>
      <p>{toast.text}</p>
      {action && <Button onClick={act}>{action.says}</Button>}
      <IconButton icon="close" label="Put away" onClick={() => dismiss(id)} />
    </div>
  );
}
