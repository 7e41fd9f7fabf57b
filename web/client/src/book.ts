/**
 * The alerts that there are now, by id, folded from what a client is told; as a list, newest first.
 *
 * The list is kept in order as events come: finding a place is a binary search, so ten thousand alerts and a hundred
 * events a second cost next to nothing. Whoever shows it asks for `list()` when it is time to draw.
 */

import { Listeners } from "./listeners.js";
import type { Alert, AlertMessage, Change, EventKind, Snapshot } from "./messages.js";

// About 10 MB; past it the oldest go that are over, then the oldest of all, and that is counted.
export const ALERTS_MAX = 10_000;

/** Whether somebody may still have to do something about it. */
export function isOpen(alert: Alert): boolean {
  return alert.state === "active" || alert.state === "acknowledged";
}

/** What is known besides the alert: where and when it was last heard of. */
interface Entry {
  alert: Alert;
  channel: string;
  timestamp: string;
}

/** What a client offers that a book listens to. */
interface Source {
  onAlert(listener: (message: AlertMessage) => void): () => void;
  onSnapshot(listener: (page: Snapshot) => void): () => void;
}

export class AlertBook {
  private readonly entries = new Map<string, Entry>();
  private readonly order: Alert[] = [];
  private listed: readonly Alert[] | undefined = [];
  private readonly changes = new Listeners<void>();
  /** By channel, while pages of a snapshot come: which alerts they have shown. */
  private readonly showing = new Map<string, Set<string>>();
  private openCount = 0;
  /** Forgotten for want of room. */
  dropped = 0;
  /** Changed by a bulk change, and not known here. */
  unknown = 0;

  constructor(private readonly max = ALERTS_MAX) {}

  get size(): number {
    return this.entries.size;
  }

  /** How many of them are open. */
  get open(): number {
    return this.openCount;
  }

  get(id: string): Alert | undefined {
    return this.entries.get(id)?.alert;
  }

  /** All of them, newest first; the same array until something changes. */
  list(): readonly Alert[] {
    return (this.listed ??= this.order.slice());
  }

  /** Calls back at each change; what it gives back ends that. */
  onChange(listener: () => void): () => void {
    return this.changes.add(listener);
  }

  /** Listens to a client; what it gives back ends that. `channel`: only to what comes on it (full name). */
  follow(source: Source, isMine: (channel: string) => boolean = () => true): () => void {
    const stops = [
      source.onAlert((message) => void (isMine(message.channel) && this.fold(message))),
      source.onSnapshot((page) => void (isMine(page.channel) && this.show(page))),
    ];
    return () => stops.forEach((stop) => stop());
  }

  /** Takes an event. One of a snapshot (`open`) is left to `show`. */
  fold(message: AlertMessage): void {
    if (message.event === "open") return;
    const { channel, timestamp, event, change } = message;
    if (message.data) this.put({ alert: message.data, channel, timestamp });
    else for (const id of message.alertIds ?? []) if (change) this.change(id, event, change, channel, timestamp);
    this.changed();
  }

  /** Takes a page of a snapshot. After the last one whatever it did not show is not open any more, and is forgotten. */
  show(page: Snapshot): void {
    const { channel } = page;
    const shown = (page.page ? this.showing.get(channel) : undefined) ?? new Set<string>();
    this.showing.set(channel, shown);
    for (const alert of page.alerts) {
      shown.add(alert.id);
      this.put({ alert, channel, timestamp: alert.last_seen_at }, true);
    }
    if (page.last) this.forgetUnshown(channel, shown);
    this.changed();
  }

  /** An alert as the program knows it to be now, for example from the answer to a request of its own. */
  set(alert: Alert): void {
    const known = this.entries.get(alert.id);
    this.put({ alert, channel: known?.channel ?? "", timestamp: known?.timestamp ?? "" }, true);
    this.changed();
  }

  clear(): void {
    this.entries.clear();
    this.order.length = 0;
    this.openCount = 0;
    this.dropped = 0;
    this.unknown = 0;
    this.changed();
  }

  private change(id: string, event: EventKind, change: Change, channel: string, timestamp: string): void {
    const known = this.entries.get(id);
    if (known) this.put({ alert: changed(known.alert, event, change), channel, timestamp });
    else this.unknown += 1;
  }

  private put(entry: Entry, isCertain = false): void {
    const { alert } = entry;
    const known = this.entries.get(alert.id);
    // Two channels tell the same event at different times: the later one of them may not bring back what is old.
    if (known && !isCertain && known.channel !== entry.channel && known.timestamp > entry.timestamp) return;
    this.entries.set(alert.id, entry);
    this.openCount += Number(isOpen(alert)) - Number(known ? isOpen(known.alert) : false);
    if (known?.alert.triggered_at === alert.triggered_at) this.order[this.placeOf(known.alert)] = alert;
    else {
      if (known) this.order.splice(this.placeOf(known.alert), 1);
      this.order.splice(this.placeOf(alert), 0, alert);
    }
    if (this.entries.size > this.max) this.dropOne();
  }

  private remove(alert: Alert): void {
    this.entries.delete(alert.id);
    this.order.splice(this.placeOf(alert), 1);
    this.openCount -= Number(isOpen(alert));
  }

  private dropOne(): void {
    // In a storm all are open, and a search through ten thousand for one that is not would come with each event.
    const isSomeOver = this.openCount < this.entries.size;
    const oldest = isSomeOver ? this.order.findLast((alert) => !isOpen(alert)) : this.order.at(-1);
    if (oldest) this.remove(oldest);
    this.dropped += 1;
  }

  private forgetUnshown(channel: string, shown: Set<string>): void {
    this.showing.delete(channel);
    for (const { alert, channel: heardOn } of this.entries.values()) {
      if (heardOn === channel && isOpen(alert) && !shown.has(alert.id)) this.remove(alert);
    }
  }

  /** Where the alert is in the list, or belongs. */
  private placeOf(alert: Alert): number {
    let [low, high] = [0, this.order.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (isNewer(this.order[middle] as Alert, alert)) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  private changed(): void {
    this.listed = undefined;
    this.changes.tell();
  }
}

/** Times have the same form everywhere, so they compare as texts; ids decide between equal ones. */
function isNewer(one: Alert, other: Alert): boolean {
  if (one.triggered_at !== other.triggered_at) return one.triggered_at > other.triggered_at;
  return one.id > other.id;
}

const NOT_TAKEN = { acknowledged_at: undefined, acknowledged_by: undefined, escalated: undefined };
const NOT_OVER = { resolved_at: undefined, resolved_by: undefined };

/** What besides state and notes is different after an event. */
function traceOf(event: EventKind, { at, by, assigned_to }: Change): Partial<Alert> {
  switch (event) {
    case "acknowledged":
      return { acknowledged_at: at, acknowledged_by: by };
    case "unacknowledged":
      return { ...NOT_TAKEN, active_since: at };
    case "assigned":
      return { assigned_to: assigned_to ?? undefined };
    case "resolved":
      return { resolved_at: at, resolved_by: by };
    case "reopened":
      return { ...NOT_TAKEN, ...NOT_OVER, active_since: at, noise: undefined };
    default:
      return {};
  }
}

/** The alert after a change of many. Notes that are not given stay, and so does what was said of noise. */
export function changed(alert: Alert, event: EventKind, change: Change): Alert {
  const after: Alert = { ...alert, ...traceOf(event, change) };
  if (change.state) after.state = change.state;
  if (typeof change.notes === "string") Object.assign(after, { notes: change.notes, notes_by: change.by });
  if (typeof change.noise === "boolean") after.noise = change.noise || undefined;
  return after;
}
