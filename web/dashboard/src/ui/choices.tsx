/** Some of several words, in the address; none chosen: all of them. */
import { useId } from "react";

import { setQuery } from "../place.ts";

interface ChoicesProps {
  legend: string;
  name: string;
  all: readonly string[];
  chosen: readonly string[];
  /** What each is called, if not by its own word. */
  called?: Readonly<Record<string, string>>;
}

export function Choices({ legend, name, all, chosen, called }: ChoicesProps) {
  const id = useId();
  function toggle(each: string): void {
    setQuery({ [name]: chosen.includes(each) ? chosen.filter((one) => one !== each) : [...chosen, each] });
  }
  return (
    <div role="group" aria-labelledby={id} className="several">
      <span id={id}>{legend}</span>
      <span className="row">
        {all.map((each) => (
          <button
            key={each}
            type="button"
            className="button plain"
            aria-pressed={chosen.includes(each)}
            onClick={() => toggle(each)}
          >
            {called?.[each] ?? each}
          </button>
        ))}
      </span>
    </div>
  );
}
