/** People, teams and frameworks (docs/objects.md): what is shown of each, and the forms for them. Pure. */
import type { Verb } from "../../claims.ts";

export interface Entry {
  id: string;
  version: number;
  origin: string;
  updated_at: string | null;
  updated_by: string | null;
  [field: string]: unknown;
}

export interface Field {
  name: string;
  label: string;
  hint?: string;
  /** Ids with commas; empty: none of them. */
  isList?: boolean;
  /** Empty means none (null). */
  isOptional?: boolean;
  options?: readonly string[];
}

export interface EntryKind {
  name: "users" | "teams" | "frameworks";
  title: string;
  one: string;
  /** Who changes them. */
  verb: Verb;
  idHint: string;
  /** What is different when one is deleted. */
  without: string;
  fields: readonly Field[];
}

const NAME = { name: "name", label: "Name" };

export const ENTRY_KINDS: readonly EntryKind[] = [
  {
    name: "users",
    title: "Users",
    one: "user",
    verb: "administer",
    idHint: "As in the tokens of this person (sub).",
    without: "Tokens of this person stay good; name, addresses and role are gone, and nothing is sent there.",
    fields: [
      NAME,
      { name: "email", label: "Mail" },
      { name: "slack_id", label: "Slack id" },
      { name: "zone", label: "Time zone", hint: "Such as Europe/Berlin." },
      {
        name: "role",
        label: "Role",
        hint: "What links in mails and buttons in Slack may do; a token has a role of its own.",
        options: ["viewer", "responder", "producer", "editor", "admin"],
      },
    ],
  },
  {
    name: "teams",
    title: "Teams",
    one: "team",
    verb: "edit",
    idHint: "Frameworks and escalations call it so.",
    without: "Frameworks and escalations that name it tell nobody by it.",
    fields: [NAME, { name: "members", label: "Members", hint: "Ids of users, with commas.", isList: true }],
  },
  {
    name: "frameworks",
    title: "Frameworks",
    one: "framework",
    verb: "edit",
    idHint: "The framework_id of triggers and readings.",
    without: "Its alerts stay and it may go on ringing; its name, kind and owner are gone.",
    fields: [
      NAME,
      {
        name: "kind",
        label: "Kind",
        options: ["service", "host", "project", "database", "queue", "network", "job", "other"],
      },
      { name: "owner", label: "Owner", hint: "The id of the team that is told.", isOptional: true },
    ],
  },
];

export type EntryDraft = Record<string, string>;

const STARTS: Record<string, string> = { zone: "UTC" };

/** What the form of an entry holds; null: of a new one. */
export function entryDraft(entry: Entry | null, { fields }: EntryKind): EntryDraft {
  const held = fields.map((field): [string, string] => [
    field.name,
    entry ? textOf(entry[field.name]) : (STARTS[field.name] ?? field.options?.[0] ?? ""),
  ]);
  return { id: entry?.id ?? "", ...Object.fromEntries(held) };
}

/** As a cell of the table shows it. */
export function textOf(value: unknown): string {
  if (Array.isArray(value)) return value.join(", ");
  return value === null || value === undefined ? "" : String(value);
}

/** Only the fields of the form: what else an entry has (a rota, metrics, labels) stays as it is. */
export function entryBody(draft: EntryDraft, { fields }: EntryKind): Record<string, unknown> {
  const said = fields.map((field): [string, unknown] => {
    const text = (draft[field.name] ?? "").trim();
    if (field.isList) return [field.name, [...new Set(text.split(/[\s,]+/).filter(Boolean))]];
    return [field.name, field.isOptional && text === "" ? null : text];
  });
  return Object.fromEntries(said);
}
