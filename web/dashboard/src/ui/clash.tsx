/**
 * Saves what was seen, and says so when somebody was faster.
 *
 * An edit names the version that it was made to (ETag). After a 412 what is there now is fetched and shown beside what
 * was typed, which stays; the next save is made to that version, so it is never overwritten unseen.
 */
import { useState } from "react";

import { ApiError, ask } from "../api.ts";
import { Button } from "./button.tsx";
import { Moment } from "./moment.tsx";

interface Versioned {
  version: number;
  updated_at?: string | null;
  updated_by?: string | null;
}

/** The ETag of an object of a list. */
export function etagOf({ version }: Pick<Versioned, "version">): string {
  return `"${version}"`;
}

export function useSave<T extends Versioned>(path: string, seen: string | null) {
  const [etag, setEtag] = useState(seen);
  const [theirs, setTheirs] = useState<T | null>(null);

  async function save(method: "PUT" | "PATCH", body: unknown): Promise<T> {
    try {
      const saved = await ask<T>(method, path, { body, ifMatch: etag });
      setEtag(saved.etag);
      setTheirs(null);
      return saved.value;
    } catch (fault) {
      if (!(fault instanceof ApiError) || fault.status !== 412) throw fault;
      const now = await ask<T>("GET", path);
      setEtag(now.etag);
      setTheirs(now.value);
      throw new Error("Somebody was faster. Nothing of yours is saved yet: look at theirs, then save again.");
    }
  }

  return { save, theirs, forget: () => setTheirs(null) };
}

interface ClashProps<T> {
  theirs: T | null;
  /** What they have where yours differs: pairs of a field's name and its text. */
  differences: (theirs: T) => readonly (readonly [string, string])[];
  onTake: (theirs: T) => void;
}

/** What is there now, if somebody was faster. */
export function Clash<T extends Versioned>({ theirs, differences, onTake }: ClashProps<T>) {
  if (!theirs) return null;
  const found = differences(theirs);
  return (
    <section className="card" role="alert">
      <h3>
        {theirs.updated_by ?? "Somebody"} has changed it {theirs.updated_at && <Moment at={theirs.updated_at} />}
      </h3>
      {found.length === 0 && <p>What they have is what you have.</p>}
      <dl>
        {found.map(([name, text]) => (
          <div key={name}>
            <dt className="hint">{name}</dt>
            <dd>{text || "–"}</dd>
          </div>
        ))}
      </dl>
      <div className="actions">
        <Button onClick={() => onTake(theirs)}>Take theirs</Button>
      </div>
    </section>
  );
}
