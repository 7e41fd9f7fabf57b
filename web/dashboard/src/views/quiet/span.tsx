/** From when, and for how long: a length, or a moment in the viewer's zone. */
import { useNow } from "../../clock.ts";
import { local, utc } from "../../times.ts";
import { SelectField, TextField } from "../../ui/index.ts";
import { momentsOf, type Span } from "./drafts.ts";
import { LENGTHS, type Length } from "./quiet.ts";

const ZONE = Intl.DateTimeFormat().resolvedOptions().timeZone;
const LASTS = [
  ...Object.entries(LENGTHS).map(([length, [says]]) => [length, says] as const),
  ["until", "until …"] as const,
];

/** A form that has a span among its fields sets those as its others. */
export type SetSpan = <K extends keyof Span>(name: K, value: Span[K]) => void;

interface SpanFieldsProps {
  span: Span;
  onChange: SetSpan;
  errorOf: (name: keyof Span) => string | undefined;
  /** One that has begun keeps its beginning. */
  isBegun?: boolean;
}

export function SpanFields({ span, onChange, errorOf, isBegun = false }: SpanFieldsProps) {
  return (
    <>
      <div className="fields">
        {!isBegun && (
          <SelectField
            label="Begins"
            options={[
              ["now", "now"],
              ["at", "at …"],
            ]}
            value={span.begins}
            onChange={(event) => onChange("begins", event.target.value as Span["begins"])}
          />
        )}
        {span.begins === "at" && !isBegun && (
          <TextField
            label="Begins at"
            type="datetime-local"
            value={span.starts_at}
            error={errorOf("starts_at")}
            onChange={(event) => onChange("starts_at", event.target.value)}
          />
        )}
        <SelectField
          label="Lasts"
          options={LASTS}
          value={span.lasts}
          onChange={(event) => onChange("lasts", event.target.value as Length)}
        />
        {span.lasts === "until" && (
          <TextField
            label="Ends at"
            type="datetime-local"
            value={span.ends_at}
            error={errorOf("ends_at")}
            onChange={(event) => onChange("ends_at", event.target.value)}
          />
        )}
      </div>
      <Said span={span} />
    </>
  );
}

/** Lengths of time mislead across a night or a change of clocks; moments do not. */
function Said({ span }: { span: Span }) {
  const now = useNow();
  const { starts, ends } = momentsOf(span, now);
  if (!starts || !ends) return null;
  return (
    <p className="hint">
      {span.begins === "at" && <span title={utc(starts)}>From {local(starts, new Date(now))} </span>}
      <span title={utc(ends)}>until {local(ends, new Date(now))}</span>, by your clock ({ZONE}).
    </p>
  );
}
