/**
 * Form fields: a label that belongs to its field, a hint, and what is wrong with the value, said where it is.
 *
 * `useFields` holds a form's values and what is wrong with each. A fault is shown when the field was left, or when the
 * form was sent; what the engine refuses as "field: why" comes back to its field.
 */
import { type ComponentProps, type ReactNode, type SubmitEvent, useId, useState } from "react";

import { ApiError, reasonOf } from "../api.ts";
import { placeOf } from "./refused.ts";

interface Frame {
  label: string;
  hint?: ReactNode;
  error?: string | null | undefined;
}

function Field({ label, hint, error, id, children }: Frame & { id: string; children: ReactNode }) {
  return (
    <div className={error ? "field wrong" : "field"}>
      <label htmlFor={id}>{label}</label>
      {children}
      {hint && (
        <p className="hint" id={`${id}-hint`}>
          {hint}
        </p>
      )}
      {error && (
        <p className="fault" id={`${id}-fault`}>
          {error}
        </p>
      )}
    </div>
  );
}

function described(id: string, { hint, error }: Pick<Frame, "hint" | "error">) {
  const by = [hint && `${id}-hint`, error && `${id}-fault`].filter(Boolean).join(" ");
  return { id, "aria-invalid": Boolean(error), ...(by && { "aria-describedby": by }) };
}

export function TextField({ label, hint, error, ...rest }: Frame & ComponentProps<"input">) {
  const id = useId();
  return (
    <Field label={label} hint={hint} error={error} id={id}>
      <input type="text" autoComplete="off" {...rest} {...described(id, { hint, error })} />
    </Field>
  );
}

export function TextArea({ label, hint, error, ...rest }: Frame & ComponentProps<"textarea">) {
  const id = useId();
  return (
    <Field label={label} hint={hint} error={error} id={id}>
      <textarea rows={3} {...rest} {...described(id, { hint, error })} />
    </Field>
  );
}

/** `options`: values, or pairs of a value and what is shown for it. */
export function SelectField({
  label,
  hint,
  error,
  options,
  ...rest
}: Frame & { options: readonly (string | readonly [string, string])[] } & ComponentProps<"select">) {
  const id = useId();
  return (
    <Field label={label} hint={hint} error={error} id={id}>
      <select {...rest} {...described(id, { hint, error })}>
        {options.map((option) => {
          const [value, shown] = typeof option === "string" ? [option, option] : option;
          return (
            <option key={value} value={value}>
              {shown}
            </option>
          );
        })}
      </select>
    </Field>
  );
}

export function CheckField({ label, hint, ...rest }: Omit<Frame, "error"> & ComponentProps<"input">) {
  const id = useId();
  return (
    <div className="field check">
      <input type="checkbox" {...rest} {...described(id, { hint })} />
      <label htmlFor={id}>{label}</label>
      {hint && (
        <p className="hint" id={`${id}-hint`}>
          {hint}
        </p>
      )}
    </div>
  );
}

export type Faults<V> = Partial<Record<keyof V, string>>;

/** `check` says what is wrong with the values, by field; nothing: they may be sent. `send` does it, and may throw. */
export function useFields<V extends object>(
  first: V,
  check: (values: V) => Faults<V>,
  send: (values: V) => Promise<void>,
) {
  const [values, setValues] = useState(first);
  const [left, setLeft] = useState<ReadonlySet<keyof V>>(new Set());
  const [isSent, setSent] = useState(false);
  const [isBusy, setBusy] = useState(false);
  const [refused, setRefused] = useState<Refused<V>>({ faults: {}, rest: null });
  const faults = check(values);

  function set<K extends keyof V>(name: K, value: V[K]): void {
    setValues((before) => ({ ...before, [name]: value }));
    setRefused((before) => ({ faults: { ...before.faults, [name]: undefined }, rest: null }));
  }

  async function submit(event?: SubmitEvent): Promise<void> {
    event?.preventDefault();
    setSent(true);
    if (Object.values(faults).some(Boolean)) return focusFirstFault(event);
    setBusy(true);
    try {
      await send(values);
    } catch (fault) {
      setRefused(sorted(fault, values));
    } finally {
      setBusy(false);
    }
  }

  return {
    values,
    set,
    submit,
    isBusy,
    isGood: !Object.values(faults).some(Boolean),
    /** What the engine refused that belongs to no field. */
    refusal: refused.rest,
    errorOf: (name: keyof V) => refused.faults[name] ?? (isSent || left.has(name) ? faults[name] : undefined),
    /** For the field's `onBlur`. */
    leave: (name: keyof V) => setLeft((before) => new Set(before).add(name)),
    reset: (next: V) => {
      setValues(next);
      setLeft(new Set());
      setSent(false);
      setRefused({ faults: {}, rest: null });
    },
  };
}

interface Refused<V> {
  faults: Faults<V>;
  rest: string | null;
}

function sorted<V extends object>(fault: unknown, values: V): Refused<V> {
  const reason = reasonOf(fault);
  const place = fault instanceof ApiError ? placeOf(reason) : null;
  if (!place) return { faults: {}, rest: reason };
  if (place.name in values) return { faults: { [place.name]: place.why } as Faults<V>, rest: null };
  return { faults: {}, rest: `${place.name}: ${place.why}` };
}

function focusFirstFault(event?: SubmitEvent): void {
  const form = event?.currentTarget;
  // The faults are drawn first.
  requestAnimationFrame(() => {
    if (form instanceof HTMLElement) form.querySelector<HTMLElement>('[aria-invalid="true"]')?.focus();
  });
}
