/** An answer that is asked again by itself, and how old it is: once it cannot be had any more, the last one stays. */
import type { ReactNode } from "react";

import type { Asked } from "../asked.ts";
import { Ago } from "./moment.tsx";
import { Answered } from "./states.tsx";
import type { Fresh } from "../watched.ts";

interface CurrentProps<T> {
  asked: Asked<Fresh<T>>;
  what: string;
  children: (value: T) => ReactNode;
}

export function Current<T>({ asked, what, children }: CurrentProps<T>) {
  return (
    <Answered asked={asked} what={what}>
      {({ value, at }) => (
        <>
          {asked.error !== null && (
            <p className="outdated">
              {/* The age goes on by itself: read aloud each second it would be all that one hears. */}
              This was so <Ago at={at} />. Since then: <span role="status">{asked.error}</span>
            </p>
          )}
          {children(value)}
        </>
      )}
    </Answered>
  );
}

/** Words for whoever may not see something: who may. */
export function NotYours({ children }: { children: ReactNode }) {
  return <p className="hint">{children}</p>;
}
