/** Many items in messages that the server takes: at most 1,000 items and 64 KiB each. */

import { TocsinError } from "./errors.js";
import type { Request } from "./messages.js";

const ITEMS_MAX = 1_000;
const MESSAGE_MAX_BYTES = 65_536;
const utf8 = new TextEncoder();

/** The items in lists that fit into one message each. Throws TocsinError for an item that fits into none. */
export function parts<Item>(items: Item[], make: (part: Item[]) => Request): Item[][] {
  if (!items.length) return [];
  // JSON, the larger of the two forms, and the longest id.
  const bytes = utf8.encode(JSON.stringify({ ...make(items), id: Number.MAX_SAFE_INTEGER })).length;
  if (items.length <= ITEMS_MAX && bytes <= MESSAGE_MAX_BYTES) return [items];
  if (items.length === 1) {
    throw new TocsinError(`this item has ${bytes} bytes as a message, limit ${MESSAGE_MAX_BYTES}: shorten its texts`);
  }
  const half = items.length >> 1;
  return [...parts(items.slice(0, half), make), ...parts(items.slice(half), make)];
}
