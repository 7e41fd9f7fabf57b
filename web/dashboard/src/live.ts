/**
 * The page's one live connection, what it is doing, and the alerts that it told.
 *
 * Views do not open sockets: they listen here. Everything in the workspace comes in one order, so one subscription is
 * enough for all of them; a token that is limited to some frameworks follows each of those. The client comes back by
 * itself and recovers what was missed. `book` holds the alerts; the page is drawn from it a few times a second at most,
 * however many events there are.
 */
import {
  type Alert,
  AlertBook,
  type AlertMessage,
  Client,
  ClientStopped,
  INVALID_TOKEN,
  type Notification,
  understood,
} from "@tocsin/client";

import { ask, reasonOf } from "./api.ts";
import { candidatesOf } from "./sockets.ts";
import { endSession, session } from "./session.ts";
import { makeStore, slowed, useStore } from "./store.ts";
import { sayDone, sayFailed } from "./ui/toasts.tsx";

export type ConnectionStatus = "connecting" | "live" | "offline" | "closed";

export interface Connection {
  status: ConnectionStatus;
  /** When it last went away, milliseconds since 1970; null while we are live, and before we ever were. */
  lostAt: number | null;
  /** Why we are not connected, in words. */
  why: string;
}

// The close code of a token that is not valid (docs/protocol.md).
const INVALID_TOKEN = 3500;
// One event is drawn at once; of a hundred a second nobody sees more than ten pictures.
const DRAW_MS = 100;
// While ten thousand alerts come page by page, a picture of each page would make them come later.
const LOADING_DRAW_MS = 500;
// Figures of all alerts (how many wait, how many of each severity): nobody reads faster.
const SURVEY_MS = 250;
export interface Losses {
  dropped: number;
  unknown: number;
}

const NEVER: Connection = { status: "connecting", lostAt: null, why: "" };

const connection = makeStore<Connection>(NEVER);
/** When it was last proven that nothing was missed, milliseconds since 1970; null: not yet. */
const verifiedAt = makeStore<number | null>(null);
export const book = new AlertBook();
const shown = makeStore(book.list());
const surveyed = slowed(shown, SURVEY_MS);
/** What is not here though it should be: more alerts than the book has room for, changes of alerts that it has not. */
const losses = makeStore<Losses>({ dropped: 0, unknown: 0 });
const alertListeners = new Set<(message: AlertMessage) => void>();
const noticeListeners = new Set<(notice: Notification) => void>();

let client: Client | null = null;
let drawing: ReturnType<typeof setTimeout> | undefined;
let drawnAt = 0;
let isLoading = false;

export function useConnection(): Connection {
  return useStore(connection);
}

export function useVerifiedAt(): number | null {
  return useStore(verifiedAt);
}

/** The alerts that are open, and those that were closed while we looked; newest first. */
export function useAlerts(): readonly Alert[] {
  return useStore(shown);
}

/** The same for whoever counts them: a few times a second, not with each drawing. */
export function useSurvey(): readonly Alert[] {
  return useStore(surveyed);
}

export function useLosses(): Losses {
  return useStore(losses);
}

/** The same for whoever is no component. */
export const connectionNow = connection.get;
export const shownNow = shown.get;

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

/** Called when somebody is signed in; what it gives back ends the connection. */
export function startLive(): () => void {
  let isOver = false;
  let stop = (): void => {};
  connection.set(NEVER);
  void isUnderstood().then((isGood) => {
    if (isGood && !isOver) stop = follow(candidatesOf(document, location));
  });
  return () => {
    isOver = true;
    stop();
    client = null;
    book.clear();
    verifiedAt.set(null);
    connection.set(NEVER);
  };
}

/** Does not wait for the end of the pause, and tries again what was given up. */
export function reconnectNow(): void {
  client?.close();
  client?.connect();
}

/** An engine that is too old or too new says so before anything is misunderstood; one that is away is asked again later. */
async function isUnderstood(): Promise<boolean> {
  try {
    understood((await ask("GET", "/api/v1/about")).value, "this address");
    return true;
  } catch (fault) {
    if (!(fault instanceof ClientStopped)) return true;
    connection.set({ status: "closed", lostAt: null, why: fault.message });
    return false;
  }
}

/** Connects to the first address that answers, and stays with it. */
function follow(addresses: readonly (string | undefined)[], index = 0): () => void {
  const wasReady = { value: false };
  const mine = made(addresses[index]);
  client = mine;
  let next = (): void => {};
  const stops = [
    // Before the book draws for it.
    mine.onSnapshot((page) => load(!page.last)),
    // What is this user's is in the workspace as well.
    book.follow(mine, (channel) => !isOnesOwn(channel)),
    book.onChange(drawSoon),
    mine.onAlert(hear),
    mine.onPosition(() => drawSoon()),
    mine.onNotification((notice) => noticeListeners.forEach((listener) => listener(notice))),
    mine.onBroadcast(({ by, message }) => sayDone(`${by} to all: ${message}`)),
    mine.onLost(({ channel, reason }) => sayFailed(`Events of ${channel} are lost`, reason)),
    mine.onState((state, why) => {
      load(false);
      wasReady.value ||= state === "ready";
      if (why && !wasReady.value && addresses[index + 1]) queueMicrotask(() => (next = moveOn()));
      else settle(mine, why);
    }),
    restartWithNewToken(mine),
  ];
  function moveOn(): () => void {
    end();
    return follow(addresses, index + 1);
  }
  function end(): void {
    stops.forEach((stop) => stop());
    mine.close();
  }
  mine.connect();
  for (const channel of channels()) void mine.subscribe(channel, { snapshot: channel !== "user" }).catch(refused);
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

function refused(fault: unknown): void {
  if (!(fault instanceof ClientStopped)) sayFailed("Alerts cannot be followed", fault);
}

function hear(message: AlertMessage): void {
  if (message.event !== "open" && !isOnesOwn(message.channel)) for (const listener of alertListeners) listener(message);
}

function isOnesOwn(channel: string): boolean {
  return channel.startsWith("user:");
}

function settle(mine: Client, why: string): void {
  const before = connection.get();
  const lostAt = before.status === "live" ? Date.now() : before.lostAt;
  if (mine.state === "ready") return connection.set({ status: "live", lostAt: null, why: "" });
  if (mine.state === "closed" && mine.fault) {
    if (mine.fault.closeCode === INVALID_TOKEN) endSession("The engine does not accept your token any more.");
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

function drawSoon(): void {
  const pause = isLoading ? LOADING_DRAW_MS : DRAW_MS;
  drawing ??= setTimeout(draw, Math.max(0, drawnAt + pause - performance.now()));
}

/** What was waiting for more pages is drawn when there are none. */
function load(isMoreToCome: boolean): void {
  if (isLoading && !isMoreToCome && drawing !== undefined) {
    clearTimeout(drawing);
    drawing = setTimeout(draw);
  }
  isLoading = isMoreToCome;
}

function draw(): void {
  drawing = undefined;
  drawnAt = performance.now();
  shown.set(book.list());
  const { dropped, unknown } = book;
  if (losses.get().dropped !== dropped || losses.get().unknown !== unknown) losses.set({ dropped, unknown });
  if (client?.state === "ready") verifiedAt.set(lastProof(client));
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
