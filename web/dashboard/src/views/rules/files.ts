/** Files of rules: which form one has, and how it is sent. Pure. */
import type { ImportResults } from "./model.ts";

export const FILE_FORMS = [
  ["toml", "TOML (tocsin.toml)"],
  ["yaml", "YAML"],
  ["json", "JSON"],
  ["prometheus", "Prometheus rule file"],
] as const;
export type FileForm = (typeof FILE_FORMS)[number][0];

/** By its name; a YAML with groups is one of Prometheus. */
export function formOf(name: string, text: string): FileForm {
  if (/\.json$/i.test(name)) return "json";
  if (/\.ya?ml$/i.test(name)) return /^groups:/m.test(text) ? "prometheus" : "yaml";
  return "toml";
}

/** JSON goes as what it is, everything else as text. Throws an Error that says what is wrong with it. */
export function bodyOf(form: FileForm, text: string, isDry: boolean): object {
  if (form !== "json") return { text, dry_run: isDry };
  let read: unknown;
  try {
    read = JSON.parse(text);
  } catch (fault) {
    throw new Error(`The JSON cannot be read: ${(fault as Error).message}`, { cause: fault });
  }
  const rules = Array.isArray(read) ? read : (read as { rules?: unknown } | null)?.rules;
  if (!Array.isArray(rules)) throw new Error('This JSON has no rules: write {"rules": […]}, as the export does.');
  return { rules, dry_run: isDry };
}

/** `2 create, 1 unchanged, 3 left out` */
export function countsOf({ results, left_out }: ImportResults): string {
  const counts = new Map<string, number>();
  for (const { action } of results) counts.set(action, (counts.get(action) ?? 0) + 1);
  if (left_out.length > 0) counts.set("left out", left_out.length);
  return [...counts].map(([word, count]) => `${count} ${word}`).join(", ") || "nothing to take in";
}
