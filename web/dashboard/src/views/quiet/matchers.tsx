/** Conditions on labels: a row each. Text such as `host=~"web-.*"` may be pasted into a row as it is. */
import { type ClipboardEvent, useId } from "react";

import { Button, IconButton } from "../../ui/index.ts";
import { NO_MATCHER } from "./drafts.ts";
import { type Matcher, matcherOf, matcherText, type Operator, OPERATORS } from "./quiet.ts";

// What matchers see besides an alert's own labels.
const KNOWN = ["alertname", "severity", "framework_id", "rule_id", "host", "service"];
const SAYS: Record<Operator, string> = {
  "=": "= is",
  "!=": "!= is not",
  "=~": "=~ matches",
  "!~": "!~ matches not",
};

interface MatchersFieldProps {
  legend: string;
  hint: string;
  matchers: readonly Matcher[];
  onChange: (matchers: Matcher[]) => void;
  error?: string | undefined;
}

export function MatchersField({ legend, hint, matchers, onChange, error }: MatchersFieldProps) {
  const id = useId();
  function put(index: number, next: Partial<Matcher>): void {
    onChange(matchers.map((each, at) => (at === index ? { ...each, ...next } : each)));
  }
  return (
    <fieldset className={error ? "matchers field wrong" : "matchers field"} aria-describedby={`${id}-hint ${id}-fault`}>
      <legend>{legend}</legend>
      <p className="hint" id={`${id}-hint`}>
        {hint}
      </p>
      {matchers.map((matcher, index) => (
        <MatcherRow
          key={index}
          number={index + 1}
          names={`${id}-names`}
          matcher={matcher}
          isWrong={Boolean(error)}
          onChange={(next) => put(index, next)}
          onRemove={matchers.length > 1 ? () => onChange(matchers.filter((_, at) => at !== index)) : null}
        />
      ))}
      <datalist id={`${id}-names`}>
        {KNOWN.map((name) => (
          <option key={name} value={name} />
        ))}
      </datalist>
      <div>
        <Button icon="plus" onClick={() => onChange([...matchers, NO_MATCHER])}>
          Add a condition
        </Button>
      </div>
      <p className="fault" id={`${id}-fault`}>
        {error}
      </p>
    </fieldset>
  );
}

interface MatcherRowProps {
  number: number;
  names: string;
  matcher: Matcher;
  isWrong: boolean;
  onChange: (next: Partial<Matcher>) => void;
  onRemove: (() => void) | null;
}

function MatcherRow({ number, names, matcher, isWrong, onChange, onRemove }: MatcherRowProps) {
  function paste(event: ClipboardEvent): void {
    const whole = matcherOf(event.clipboardData.getData("text"));
    if (!whole) return;
    event.preventDefault();
    onChange(whole);
  }
  return (
    <div className="matcher" role="group" aria-label={`Condition ${number}`}>
      <input
        type="text"
        aria-label="Label"
        placeholder="label"
        list={names}
        autoComplete="off"
        aria-invalid={isWrong}
        value={matcher.name}
        onPaste={paste}
        onChange={(event) => onChange({ name: event.target.value })}
      />
      <select
        aria-label="How"
        value={matcher.operator}
        onChange={(event) => onChange({ operator: event.target.value as Operator })}
      >
        {OPERATORS.map((operator) => (
          <option key={operator} value={operator}>
            {SAYS[operator]}
          </option>
        ))}
      </select>
      <input
        type="text"
        aria-label="Value"
        placeholder={matcher.operator.endsWith("~") ? "web-.*" : "value"}
        autoComplete="off"
        value={matcher.value}
        onChange={(event) => onChange({ value: event.target.value })}
      />
      {onRemove && <IconButton icon="trash" label={`Remove condition ${number}`} onClick={onRemove} />}
    </div>
  );
}

export function Matchers({ matchers }: { matchers: readonly Matcher[] }) {
  return (
    <ul className="matcher-list">
      {matchers.map((matcher) => (
        <li key={matcherText(matcher)}>
          <code>{matcherText(matcher)}</code>
        </li>
      ))}
    </ul>
  );
}
