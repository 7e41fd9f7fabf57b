/**
 * The page's one live connection, what it is doing, and the alerts that it told.
 *
 * Views do not open sockets: they listen here. Everything in the workspace comes in one order, so one subscription is
 * enough for all of them; a token that is limited to some frameworks follows each of those. The client comes back by
 * itself and recovers what was missed. The alerts themselves, and when they are drawn: drawing.ts.
 */
import { engineNow, engineTimeOf } from "./engineclock.ts";
import {
  type AlertMessage,
  Client,
  ClientStopped,
  type Hint,
  INVALID_TOKEN,
  type Notification,
  understood,
} from "@tocsin/client";

import { ask, reasonOf } from "./api.ts";
import { allIsTold, book, drawSoon, expectPages, forgetAll, onDrawn } from "./drawing.ts";
import { candidatesOf } from "./sockets.ts";
import { proveSession, refuseToken, session } from "./session.ts";
import { makeStore, useStore } from "./store.ts";
import { sayDone, sayFailed } from "./ui/toasts.tsx";

export { book, isKnownNow, type Losses, shownNow, useAlerts, useIsKnown, useLosses, useSurvey } from "./drawing.ts";

export type ConnectionStatus = "connecting" | "live" | "offline" | "closed";

export interface Connection {
  status: ConnectionStatus;
  /** When it last went away, milliseconds since 1970; null while we are live, and before we ever were. */
  lostAt: number | null;
  /** Why we are not connected, in words. */
  why: string;
}

const NEVER: Connection = { status: "connecting", lostAt: null, why: "" };

const connection = makeStore<Connection>(NEVER);
/** When it was last proven that nothing was missed, milliseconds since 1970; null: not yet. */
const verifiedAt = makeStore<number | null>(null);
const alertListeners = new Set<(message: AlertMessage) => void>();
const hintListeners = new Set<(hint: Hint) => void>();
const noticeListeners = new Set<(notice: Notification) => void>();

let client: Client | null = null;
/** Asks the engine again whether we understand it; for as long as somebody is signed in. */
let askAgain = (): void => {};

export function useConnection(): Connection {
  return useStore(connection);
}

export function useVerifiedAt(): number | null {
  return useStore(verifiedAt);
}

/** The same for whoever is no component. */
export const connectionNow = connection.get;

/** Calls back with each event of the workspace, in order; gives back what ends that. */
export function onAlert(listener: (message: AlertMessage) => void): () => void {
  alertListeners.add(listener);
  return () => void alertListeners.delete(listener);
}

/** Calls back when this user is notified in the app. */
export function onNotification(listener: (notice: Notification) => void): () => void {
  noticeListeners.add(listener);
  return () => void noticeListeners.delete(listener);
}

/** Calls back with each word of the engine that a page may want to look again. */
export function onHint(listener: (hint: Hint) => void): () => void {
  hintListeners.add(listener);
  return () => void hintListeners.delete(listener);
}

/** Calls back each time that the connection is there, or there again. */
export function onLive(listener: () => void): () => void {
  return connection.subscribe(() => connection.get().status === "live" && listener());
}

/** Called when somebody is signed in; what it gives back ends the connection. */
export function startLive(): () => void {
  let isOver = false;
  let stop = (): void => {};
  askAgain = () => {
    connection.set(NEVER);
    // The socket is dialled meanwhile: on a slow network each answer that is waited for is a second.
    const fault = misunderstanding();
    stop = follow(candidatesOf(document, location), fault);
    void fault.then((why) => {
      if (!why || isOver) return;
      stop();
      client = null;
      connection.set({ status: "closed", lostAt: null, why });
    });
  };
  askAgain();
  return () => {
    isOver = true;
    askAgain = () => {};
    stop();
    client = null;
    forgetAll();
    verifiedAt.set(null);
    connection.set(NEVER);
  };
}

/** Does not wait for the end of the pause, and tries again what was given up. */
export function reconnectNow(): void {
  if (!client) return askAgain();
  client.close();
  client.connect();
}

/** Why we do not understand this engine: it is too old or too new. Null: we do, or it does not answer now. */
async function misunderstanding(): Promise<string | null> {
  try {
    understood((await ask("GET", "/api/v1/about")).value, "this address");
  } catch (fault) {
    if (fault instanceof ClientStopped) return fault.message;
  }
  return null;
}

/** Connects to the first address that answers, and stays with it. Asks for nothing before it is known to be understood. */
function follow(
  addresses: readonly (string | undefined)[],
  misunderstood: Promise<string | null>,
  index = 0,
): () => void {
  const wasReady = { value: false };
  const mine = made(addresses[index]);
  client = mine;
  let next = (): void => {};
  const untold = new Set(channels().filter((channel) => channel !== "user"));
  const told = (channel: string): void => void (untold.delete(channel) && untold.size === 0 && allIsTold());
  // A token that is limited to nothing.
  if (untold.size === 0) allIsTold();
  const stops = [
    // Before the book draws for it.
    mine.onSnapshot(({ channel, last }) => {
      expectPages(!last);
      if (last) for (const each of untold) if (mine.fullName(each) === channel) told(each);
    }),
    // What is this user's is in the workspace as well.
    book.follow(mine, (channel) => !isOnesOwn(channel)),
    book.onChange(drawSoon),
    mine.onAlert(hear),
    mine.onPosition(prove),
    onDrawn(prove),
    mine.onNotification((notice) => noticeListeners.forEach((listener) => listener(notice))),
    mine.onHint((hint) => hintListeners.forEach((listener) => listener(hint))),
    mine.onBroadcast(({ by, message }) => sayDone(`${by} to all: ${message}`)),
    mine.onLost(({ channel, reason }) => sayFailed(`Events of ${channel} are lost`, reason)),
    mine.onState((state, why) => {
      expectPages(false);
      wasReady.value ||= state === "ready";
      if (why && !wasReady.value && addresses[index + 1]) queueMicrotask(() => (next = moveOn()));
      else settle(mine, why);
    }),
    restartWithNewToken(mine),
  ];
  function moveOn(): () => void {
    end();
    return follow(addresses, misunderstood, index + 1);
  }
  function end(): void {
    stops.forEach((stop) => stop());
    mine.close();
  }
  mine.connect();
  void misunderstood.then((why) => {
    if (why) return;
    for (const channel of channels())
      mine.subscribe(channel, { snapshot: channel !== "user" }).catch((fault: unknown) => {
        // Whoever is not let in, or leaves, was told nothing.
        if (fault instanceof ClientStopped) return;
        sayFailed("Alerts cannot be followed", fault);
        told(channel);
      });
  });
  return () => {
    end();
    next();
  };
}

function made(url: string | undefined): Client {
  return new Client({
    ...(url && { url }),
    // Only while somebody is signed in; else the next try asks again.
    token: () => {
      const now = session.get();
      if (!now || now.ended) throw new Error("waiting for a new token");
      return now.token;
    },
  });
}

function channels(): readonly string[] {
  return session.get()?.claims.channels?.map((framework) => `alerts:${framework}`) ?? ["workspace", "user"];
}

function hear(message: AlertMessage): void {
  if (message.event !== "open" && !isOnesOwn(message.channel)) for (const listener of alertListeners) listener(message);
}

function isOnesOwn(channel: string): boolean {
  return channel.startsWith("user:");
}

function settle(mine: Client, why: string): void {
  const before = connection.get();
  const lostAt = before.status === "live" ? engineNow() : before.lostAt;
  if (mine.state === "ready") {
    proveSession();
    return connection.set({ status: "live", lostAt: null, why: "" });
  }
  if (mine.state === "closed" && mine.fault) {
    if (mine.fault.closeCode === INVALID_TOKEN) refuseToken(mine.fault.message);
    return connection.set({ status: "closed", lostAt, why: reasonOf(mine.fault) });
  }
  if (mine.state !== "closed")
    connection.set({ status: why || lostAt ? "offline" : "connecting", lostAt, why: why || before.why });
}

/** A new token of the same person goes on where the old one ended. */
function restartWithNewToken(mine: Client): () => void {
  let token = session.get()?.token;
  return session.subscribe(() => {
    const now = session.get();
    if (!now || now.token === token) return;
    token = now.token;
    mine.close();
    mine.connect();
  });
}

function prove(): void {
  if (client?.state !== "ready") return;
  const proof = lastProof(client);
  verifiedAt.set(proof === null ? null : engineTimeOf(proof));
}

function lastProof(mine: Client): number | null {
  const workspace = mine.session?.workspaceId ?? "";
  const proofs = channels()
    .filter((channel) => channel !== "user")
    .map((channel) =>
      mine.verifiedAt(channel === "workspace" ? `alerts:${workspace}:*` : `alerts:${workspace}:${channel.slice(7)}`),
    );
  // As old as the oldest of them.
  return proofs.includes(undefined) ? null : Math.min(...(proofs as number[]));
}
