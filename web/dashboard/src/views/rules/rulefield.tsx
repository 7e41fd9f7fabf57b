/** One field of a rule, as its form says. */
import { type ComponentProps, useId } from "react";

import { CheckField, SelectField, TextArea, TextField } from "../../ui/index.ts";
import { specOf } from "./draft.ts";
import type { Field } from "./fields.ts";
import type { Editing } from "./usedraft.ts";

interface RuleFieldProps {
  editing: Editing;
  name: Field;
  /** Known values, offered while typing. */
  known?: readonly string[];
}

export function RuleField({ editing, name, known = [] }: RuleFieldProps) {
  const { label, hint, form, options, isRequired } = specOf(name);
  const { draft, set, leave, errorOf } = editing;
  const shared = { label, hint, error: errorOf(name), name, value: draft[name], onBlur: () => leave(name) };
  if (form === "flag") {
    const turn = (isOn: boolean) => set(name, isOn ? "true" : "");
    return (
      <CheckField
        label={label}
        hint={hint}
        checked={draft[name] === "true"}
        onChange={(event) => turn(event.target.checked)}
      />
    );
  }
  if (options) return <SelectField {...shared} options={options} onChange={(event) => set(name, event.target.value)} />;
  if (form === "pairs" || form === "long") {
    return (
      <TextArea {...shared} rows={2} spellCheck={form === "long"} onChange={(event) => set(name, event.target.value)} />
    );
  }
  const more = {
    ...(form === "number" && { inputMode: "decimal" as const }),
    ...(name === "id" && { readOnly: !editing.isNew, placeholder: editing.suggested }),
    "aria-required": isRequired ?? false,
  };
  return <Suggesting known={known} {...shared} {...more} onChange={(event) => set(name, event.target.value)} />;
}

function Suggesting({ known, ...rest }: { known: readonly string[] } & ComponentProps<typeof TextField>) {
  const id = useId();
  if (known.length === 0) return <TextField {...rest} />;
  return (
    <div>
      <TextField {...rest} list={id} />
      <datalist id={id}>
        {known.map((value) => (
          <option key={value} value={value} />
        ))}
      </datalist>
    </div>
  );
}
