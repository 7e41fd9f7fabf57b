/** What a button has the engine do: busy meanwhile, and a failure is said. */
import { useState } from "react";

import { sayFailed } from "./toasts.tsx";

export interface Doing {
  /** The name of what is under way, for the button that began it; null: nothing is. */
  doing: string | null;
  /** Begins `deed`; if it fails, `failed` is said with the reason. */
  begin: (name: string, failed: string, deed: () => Promise<unknown>) => void;
}

/** `onEnd` is called when a deed has ended, well or not: what is shown is asked for again. */
export function useDoing(onEnd?: () => void): Doing {
  const [doing, setDoing] = useState<string | null>(null);
  async function run(name: string, failed: string, deed: () => Promise<unknown>): Promise<void> {
    setDoing(name);
    try {
      await deed();
    } catch (fault) {
      sayFailed(failed, fault);
    } finally {
      setDoing(null);
      onEnd?.();
    }
  }
  return { doing, begin: (name, failed, deed) => void run(name, failed, deed) };
}
