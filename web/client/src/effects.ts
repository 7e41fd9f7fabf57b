/** What the dialogue wants to be done, what the program is told, and what is counted. Values only. */

import type { TocsinError } from "./errors.js";
import type {
  AlertMessage,
  Answer,
  Broadcast,
  ClientMessage,
  GapMessage,
  Hint,
  Notification,
  PositionMessage,
  RequestId,
  Snapshot,
  Subscribed,
} from "./messages.js";

/** Messages of a channel that will not come: `trimmed`, `epoch_changed`, `ahead`, `unreadable`, or a refusal. */
export interface Lost {
  channel: string;
  reason: string;
}

/** Why a connection is over, or must be: in words, and the server's close code if it sent one. */
export interface Ended {
  reason: string;
  code?: number;
  /** Whether nobody has let us in: nobody is there, or we are refused. A browser does not say which. */
  isNeverOpened?: boolean;
}

/** What the program is told. */
export interface Told {
  alert: AlertMessage;
  snapshot: Snapshot;
  gap: GapMessage;
  lost: Lost;
  position: PositionMessage;
  broadcast: Broadcast;
  notification: Notification;
  hint: Hint;
}

/** What is to be done. `answer` and `granted` are for whoever asked; `hangUp`: end this connection. */
export type Effect =
  | { do: "send"; message: ClientMessage }
  | { [Word in keyof Told]: { do: "tell"; word: Word; value: Told[Word] } }[keyof Told]
  | { do: "answer"; id: RequestId; answer: Answer | TocsinError }
  | { do: "granted"; channel: string; answer: Subscribed | TocsinError }
  | { do: "greeted"; isRefresh: boolean }
  | { do: "hangUp"; ended: Ended };

/** Counts since the client's start. */
export interface Counters {
  connects: number;
  reconnects: number;
  failedConnects: number;
  refreshes: number;
  messagesReceived: number;
  alertsReceived: number;
  /** Of snapshots. */
  alertsShown: number;
  duplicates: number;
  gaps: number;
  /** Messages that the server left out because we read too slowly. */
  leftOut: number;
  lost: number;
  unreadable: number;
  requests: number;
}

/** Nothing has happened yet. */
export function noCounts(): Counters {
  return {
    connects: 0,
    reconnects: 0,
    failedConnects: 0,
    refreshes: 0,
    messagesReceived: 0,
    alertsReceived: 0,
    alertsShown: 0,
    duplicates: 0,
    gaps: 0,
    leftOut: 0,
    lost: 0,
    unreadable: 0,
    requests: 0,
  };
}
