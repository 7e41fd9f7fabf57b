/** What stands where there is nothing to show yet, or any more: loading, empty with what to do next, failed with why. */
import { Component, type ReactNode } from "react";

import type { Asked } from "../asked.ts";
import { reasonOf } from "../api.ts";
import { Button } from "./button.tsx";

export function Empty({ title, children }: { title: string; children?: ReactNode }) {
  return (
    <div className="empty">
      <h2>{title}</h2>
      {children}
    </div>
  );
}

export function Loading({ what }: { what: string }) {
  return (
    <p className="loading" role="status">
      Loading {what}…
    </p>
  );
}

export function Failed({ what, why, again }: { what: string; why: string; again?: () => void }) {
  return (
    <div className="empty failed" role="alert">
      <h2>{what} could not be loaded</h2>
      <p>{why}</p>
      {again && <Button onClick={again}>Try again</Button>}
    </div>
  );
}

/** An answer as soon as it is there; else that it is loading, or why it failed. `what`: "Rules". */
export function Answered<T>({
  asked,
  what,
  children,
}: {
  asked: Asked<T>;
  what: string;
  children: (value: T) => ReactNode;
}) {
  if (asked.value !== undefined) return <>{children(asked.value)}</>;
  if (asked.error !== null) return <Failed what={what} why={asked.error} again={asked.again} />;
  return <Loading what={what.toLowerCase()} />;
}

/** A view that breaks says so, and leaves the rest of the page as it is. */
export class Boundary extends Component<{ what: string; children: ReactNode }, { fault: unknown }> {
  override state = { fault: null as unknown };

  static getDerivedStateFromError(fault: unknown) {
    return { fault };
  }

  override render(): ReactNode {
    if (this.state.fault === null) return this.props.children;
    const again = () => this.setState({ fault: null });
    return <Failed what={this.props.what} why={reasonOf(this.state.fault)} again={again} />;
  }
}
