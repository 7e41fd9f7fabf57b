/**
 * A client's place in one stream, and what a message means to it. Pure: it is told what arrived.
 *
 * Below its place there may be holes: messages that were left out and that it has asked for again (`reopen`).
 */

import type { Position, Snapshot } from "./messages.js";

/** `next`: to be shown. `duplicate`: known already. `gap`: something before it is missing. */
export type Arrival = "next" | "duplicate" | "gap";

/** From which offset on, and up to which one. */
type Hole = [at: number, to: number];

export class Follower {
  epoch = "";
  offset = 0;
  /** In order. */
  private holes: Hole[] = [];
  /** A snapshot is under way: a place in the middle of it is none to recover from. */
  private isPartial = false;
  /** By alert: the offset of the snapshot's page that showed it, where that is beyond the first page's. */
  private shown = new Map<string, number>();
  private shownUntil = 0;

  /** Where to recover from; undefined if nothing was ever received, or a snapshot broke off. */
  position(): Position | undefined {
    if (!this.epoch || this.isPartial) return undefined;
    return { epoch: this.epoch, offset: this.holes[0]?.[0] ?? this.offset };
  }

  /** A fresh subscription: everything up to `offset` is not coming. */
  restart(epoch: string, offset: number): void {
    this.epoch = epoch;
    this.offset = offset;
    this.holes = [];
    this.shown.clear();
  }

  /** Pages of open alerts come now, before anything else. */
  expectSnapshot(): void {
    this.isPartial = true;
  }

  /** Takes note of a page of a snapshot. The first one's offset is our place. */
  show(page: Snapshot): void {
    if (page.page === 0) {
      this.restart(page.epoch, page.offset);
    } else if (page.offset > this.offset) {
      for (const alert of page.alerts) this.shown.set(alert.id, page.offset);
      this.shownUntil = page.offset;
    }
    this.isPartial = !page.last;
  }

  /** Whether the snapshot showed this alert as it was after this event, or later. */
  hasShown(alertId: string, offset: number): boolean {
    if (this.shown.size && offset > this.shownUntil) this.shown.clear();
    return offset <= (this.shown.get(alertId) ?? 0);
  }

  /** Takes note of a message. A gap leaves the place where it was: recover from there. */
  arrive(epoch: string, offset: number, prev: number): Arrival {
    if (epoch === this.epoch && offset <= this.offset) return this.fill(offset, prev);
    return this.advance(epoch, offset, prev);
  }

  /** A `gap`: what is between does not come now; the place moves on behind it. */
  leftOut(epoch: string, to: number, prev: number): Arrival {
    if (epoch === this.epoch && to <= this.offset) return "duplicate";
    return this.advance(epoch, to, prev);
  }

  /** The messages after `prev` up to `to` are wanted after all. False: they are of another store. */
  reopen(epoch: string, prev: number, to: number): boolean {
    if (epoch !== this.epoch) return false;
    if (!this.holes.some((hole) => hole[0] === prev && hole[1] === to)) this.holes.push([prev, to]);
    this.holes.sort((a, b) => a[0] - b[0] || a[1] - b[1]);
    return true;
  }

  /** What was left out is not coming either. False: there were no holes. */
  forgetHoles(): boolean {
    const had = this.holes.length > 0;
    this.holes = [];
    return had;
  }

  /** Up to `prev` something cannot be read: goes on behind it, without going back. */
  skip(epoch: string, prev: number): void {
    if (this.holes.length && epoch === this.epoch) {
      this.holes = this.holes.filter(([, to]) => to > prev).map(([at, to]) => [Math.max(at, prev), to]);
    } else {
      this.restart(epoch, prev);
    }
  }

  /** A `position`: everything up to `offset` that was meant for us has arrived. */
  silence(epoch: string, offset: number): void {
    if (epoch === this.epoch && offset > this.offset) this.offset = offset;
  }

  private advance(epoch: string, offset: number, prev: number): Arrival {
    if (epoch !== this.epoch || prev > this.offset) return "gap";
    this.offset = offset;
    this.holes = []; // history comes in order: it is past them all
    return "next";
  }

  /** Something from before our place: news only if it was left out and asked for. */
  private fill(offset: number, prev: number): Arrival {
    this.holes = this.holes.filter(([, to]) => to >= offset);
    const hole = this.holes[0];
    if (!hole || offset <= hole[0]) return "duplicate";
    if (prev > hole[0]) return "gap";
    this.holes[0] = [offset, hole[1]];
    return "next";
  }
}
