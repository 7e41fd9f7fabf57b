/** What a client tells the program: each of these takes a listener, and gives back what ends it. */

import type { ClientState } from "./conversation.js";
import type { Lost, Told } from "./effects.js";
import { Listeners } from "./listeners.js";
import type { AlertMessage, Broadcast, GapMessage, Hint, Notification, PositionMessage, Snapshot } from "./messages.js";

/** `why` is for people: what was wrong, empty if nothing was. */
export type OnState = (state: ClientState, why: string) => void;

export class Events {
  protected readonly states = new Listeners<[ClientState, string]>();
  protected readonly told: { [Word in keyof Told]: Listeners<Told[Word]> } = {
    alert: new Listeners(),
    snapshot: new Listeners(),
    gap: new Listeners(),
    lost: new Listeners(),
    position: new Listeners(),
    broadcast: new Listeners(),
    notification: new Listeners(),
    hint: new Listeners(),
  };

  /** What happens to alerts on the subscribed channels: each event once, in order per channel. */
  onAlert(listener: (message: AlertMessage) => void): () => void {
    return this.told.alert.add(listener);
  }

  /** Whole pages of open alerts; each of their alerts is told as an event `open`, too. */
  onSnapshot(listener: (page: Snapshot) => void): () => void {
    return this.told.snapshot.add(listener);
  }

  /** What the server left out because we were too slow; `recover` gets it. */
  onGap(listener: (gap: GapMessage) => void): () => void {
    return this.told.gap.add(listener);
  }

  /** Messages that will never come. */
  onLost(listener: (lost: Lost) => void): () => void {
    return this.told.lost.add(listener);
  }

  /** Proofs of silence: nothing was missed. */
  onPosition(listener: (position: PositionMessage) => void): () => void {
    return this.told.position.add(listener);
  }

  onBroadcast(listener: (word: Broadcast) => void): () => void {
    return this.told.broadcast.add(listener);
  }

  /** What this user is notified of, once `user` is subscribed. */
  onNotification(listener: (notice: Notification) => void): () => void {
    return this.told.notification.add(listener);
  }

  onHint(listener: (hint: Hint) => void): () => void {
    return this.told.hint.add(listener);
  }

  onState(listener: OnState): () => void {
    return this.states.add(([state, why]) => listener(state, why));
  }
}
