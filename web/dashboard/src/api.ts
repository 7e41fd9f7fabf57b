/**
 * Asks the engine over HTTP, and tells its refusals in its own words.
 *
 * The token goes into the `Authorization` header. A 401 ends the session (the view stays, see session.ts). Objects
 * carry their version in an ETag: `asked.etag` of a read goes into `ifMatch` of the edit, so nobody overwrites what
 * he has not seen.
 */
import { hearEngineTime } from "./engineclock.ts";
import { href } from "./place.ts";
import { refuseToken, session } from "./session.ts";

/** Longer than the engine takes for anything (a backtest: 20 s); then it is away, and we say so. */
const ANSWER_MAX_MS = 30_000;

export class ApiError extends Error {
  constructor(
    /** 0: there was no answer. */
    readonly status: number,
    /** The engine's number of what is wrong (docs/protocol.md, Errors). */
    readonly code: number,
    message: string,
    /** Whether the same may work a moment later. */
    readonly isTemporary: boolean,
  ) {
    super(message);
  }
}

export interface Answer<T> {
  value: T;
  etag: string | null;
}

/** A page of a list; `next_cursor` null: the last one. */
export interface Page<T> {
  items: T[];
  next_cursor: string | null;
}

export type Query = Record<string, string | number | boolean | readonly string[] | null | undefined>;

export interface Asking {
  query?: Query;
  body?: unknown;
  ifMatch?: string | null;
  signal?: AbortSignal | undefined;
  accept?: string;
}

export function queryOf(query: Query = {}): URLSearchParams {
  const params = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value === null || value === undefined || value === "") continue;
    for (const each of Array.isArray(value) ? value : [value]) params.append(name, String(each));
  }
  return params;
}

/** `path` as in the OpenAPI document, ids encoded by `segment`. Throws ApiError; a DOMException if `signal` says so. */
export async function ask<T>(method: string, path: string, asking: Asking = {}): Promise<Answer<T>> {
  const { response, text } = await answered(method, path, asking);
  return { value: (text ? JSON.parse(text) : null) as T, etag: response.headers.get("ETag") };
}

export async function get<T>(path: string, query?: Query, signal?: AbortSignal): Promise<T> {
  return (await ask<T>("GET", path, { query: query ?? {}, signal })).value;
}

export async function post<T>(path: string, body?: unknown, query?: Query): Promise<T> {
  return (await ask<T>("POST", path, { body: body ?? {}, query: query ?? {} })).value;
}

/** What is no JSON: `/metrics`, or a file to be saved. */
export async function getText(path: string, query?: Query, signal?: AbortSignal): Promise<string> {
  return (await answered("GET", path, { query: query ?? {}, signal, accept: "text/plain" })).text;
}

/** All of a list, page by page, and whether there is more than `max` of it. */
export async function all<T>(path: string, query: Query, max: number, signal?: AbortSignal) {
  const items: T[] = [];
  let cursor: string | null = null;
  do {
    const page: Page<T> = await get<Page<T>>(path, { ...query, cursor }, signal);
    items.push(...page.items);
    cursor = page.next_cursor;
  } while (cursor !== null && items.length < max);
  return { items, isCut: cursor !== null };
}

/** An id as a piece of a path. */
export const segment = encodeURIComponent;

async function answered(method: string, path: string, asking: Asking) {
  const askedAt = Date.now();
  const response = await sent(method, path, asking);
  hearEngineTime(response.headers.get("Date"), askedAt);
  const text = await response.text();
  if (!response.ok) throw refusal(response, text);
  return { response, text };
}

async function sent(method: string, path: string, asking: Asking): Promise<Response> {
  const { query, body, ifMatch, signal, accept = "application/json" } = asking;
  const headers: Record<string, string> = { Accept: accept };
  const now = session.get();
  if (now) headers["Authorization"] = `Bearer ${now.token}`;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  if (ifMatch) headers["If-Match"] = ifMatch;
  const bound = AbortSignal.timeout(ANSWER_MAX_MS);
  const request: RequestInit = { method, headers, signal: signal ? AbortSignal.any([signal, bound]) : bound };
  if (body !== undefined) request.body = JSON.stringify(body);
  try {
    return await fetch(href(path, queryOf(query)), request);
  } catch (fault) {
    if (signal?.aborted) throw fault;
    throw new ApiError(0, 0, "The engine does not answer. Is it running, and are you online?", true);
  }
}

function refusal(response: Response, text: string): ApiError {
  const said = problemIn(text);
  const detail = said.detail ?? `${response.status} ${response.statusText}`.trim();
  if (response.status === 401) refuseToken(detail);
  const isTemporary = said.temporary ?? response.status >= 500;
  return new ApiError(response.status, said.code ?? 0, detail, isTemporary);
}

function problemIn(text: string): { detail?: string; code?: number; temporary?: boolean } {
  try {
    return JSON.parse(text) as object;
  } catch {
    return {};
  }
}

/** What to tell a person about anything that was thrown. */
export function reasonOf(fault: unknown): string {
  return fault instanceof Error ? fault.message : String(fault);
}
