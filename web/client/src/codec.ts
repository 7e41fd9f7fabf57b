/** Messages to what a WebSocket carries and back, in both wire forms. */

import type { ClientMessage, ServerMessage } from "./messages.js";
import { decodeMsgpack, encodeMsgpack } from "./msgpack.js";
import { isServerMessage } from "./shapes.js";

/** How messages are written: text frames with JSON, or binary ones with MessagePack maps of the same names. */
export type WireForm = "json" | "msgpack";

export const JSON_SUBPROTOCOL = "tocsin.v1.json";
export const MSGPACK_SUBPROTOCOL = "tocsin.v1.msgpack";

/** The subprotocol that asks for this form. */
export function subprotocolOf(form: WireForm): string {
  return form === "msgpack" ? MSGPACK_SUBPROTOCOL : JSON_SUBPROTOCOL;
}

/** The form that a chosen subprotocol means; none means JSON. */
export function formOf(subprotocol: string): WireForm {
  return subprotocol === MSGPACK_SUBPROTOCOL ? "msgpack" : "json";
}

/** What to send. A field that is undefined is left out. */
export function encode(message: ClientMessage, form: WireForm): string | Uint8Array<ArrayBuffer> {
  return form === "json" ? JSON.stringify(message) : encodeMsgpack(message);
}

/** What a server sent; null if it cannot be read. */
export function decode(data: unknown, form: WireForm): ServerMessage | null {
  try {
    const value: unknown = form === "json" ? JSON.parse(data as string) : decodeMsgpack(data as ArrayBuffer);
    return isServerMessage(value) ? value : null;
  } catch {
    return null;
  }
}
