/** What can go wrong: each error says whose fault it is, whether trying again helps, and what to do. */

import type { ErrorMessage } from "./messages.js";

/** The server refused a request. `code`: its number on the wire; `temporary`: the same again a moment later may work. */
export class TocsinError extends Error {
  override name = "TocsinError";

  constructor(
    message: string,
    readonly code: number = 0,
    readonly temporary: boolean = false,
  ) {
    super(message);
  }
}

/** The connection broke before the answer came: the request may have been stored; send the same again. */
export class ConnectionLost extends TocsinError {
  override name = "ConnectionLost";

  constructor(why: string) {
    super(`${why}; the request may have been stored: send the same again`, 0, true);
  }
}

/** No answer in time; the message says whether anything was sent. */
export class NoAnswer extends TocsinError {
  override name = "NoAnswer";

  constructor(message: string) {
    super(message, 0, true);
  }
}

/** The client has ended for good and does not reconnect. `closeCode`: the server's (3500-3999), if it was that. */
export class ClientStopped extends TocsinError {
  override name = "ClientStopped";

  constructor(
    message: string,
    readonly closeCode?: number,
  ) {
    super(message);
  }
}

export const INVALID_TOKEN = 3500;

/** Whether a client should come back after this close code: after anything but 3500-3999. */
export function mayReconnect(code: number | undefined): boolean {
  return code === undefined || code < 3500 || code > 3999;
}

/** The error that a server's answer means. */
export function errorOf(message: ErrorMessage): TocsinError {
  return new TocsinError(message.message, message.code, message.temporary);
}
