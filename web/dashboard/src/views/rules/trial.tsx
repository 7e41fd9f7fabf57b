/** A rule tried on one value, and a marked test alert. */
import { useState } from "react";

import { post } from "../../api.ts";
import { go } from "../../place.ts";
import { Button, sayDone, sayFailed, TextField, useDoing } from "../../ui/index.ts";
import { addressOf } from "./actions.ts";
import { labelsIn } from "./draft.ts";
import type { Rule, Tried } from "./model.ts";

export function Trial({ rule }: { rule: Rule }) {
  const [value, setValue] = useState("");
  const [labels, setLabels] = useState("");
  const [said, setSaid] = useState("");
  const { doing, begin } = useDoing();
  const isBusy = doing !== null;

  const run = (isSent: boolean) =>
    begin("try", `${rule.id} could not be tried`, async () => {
      const tried = await post<Tried>(`${addressOf(rule.id)}/test`, bodyOf(value, labels, isSent));
      setSaid(value.trim() === "" ? "" : verdictOf(tried));
      const alert = tried.sent?.alertId;
      if (alert) sayDone("The test alert rings.", { says: "Show it", does: () => go(`/alerts/${alert}`) });
      else if (tried.sent)
        sayFailed("The test alert does not ring", new Error(tried.sent.message ?? tried.sent.reason));
    });
  return (
    <section className="stack" aria-label="Try it">
      <h3>Try it</h3>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          run(false);
        }}
      >
        <div className="fields">
          <TextField
            label="Value"
            inputMode="decimal"
            value={value}
            onChange={(event) => setValue(event.target.value)}
          />
          <TextField
            label="Labels"
            placeholder="host=web-1, zone=a"
            value={labels}
            onChange={(event) => setLabels(event.target.value)}
          />
        </div>
        <div className="row">
          <Button type="submit" isBusy={isBusy} disabled={value.trim() === ""}>
            What would it say?
          </Button>
          <Button icon="bell" isBusy={isBusy} onClick={() => run(true)}>
            Send a test alert
          </Button>
        </div>
        <p role="status">{said}</p>
      </form>
    </section>
  );
}

function bodyOf(value: string, labels: string, isSent: boolean): unknown {
  const given = value.trim() === "" ? {} : { value: Number(value), labels: labelsIn(labels) };
  return { ...given, send: isSent };
}

/** Its reasons are the engine's words: fired, below_threshold, pending. */
function verdictOf({ backtest }: Tried): string {
  const fired = backtest.events.find(({ event }) => event === "fired");
  const reasons = Object.keys(backtest.reasons).join(", ").replaceAll("_", " ");
  return fired ? `It would ring: ${fired.title}` : `It would not ring: ${reasons || "nothing came of it"}.`;
}
