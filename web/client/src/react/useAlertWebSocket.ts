/** The hook of the reference, with its interface: one connection of its own, as long as the component is there. */

import { useCallback, useEffect, useRef, useState } from "react";
import type { Reconnect } from "../backoff.js";
import { AlertBook } from "../book.js";
import { Client } from "../client.js";
import type { ClientState } from "../conversation.js";
import { TocsinError } from "../errors.js";
import type { Alert, AlertMessage } from "../messages.js";
import type { Token } from "../options.js";
import { Channels } from "./channels.js";

export interface UseAlertWebSocketOptions {
  /** Without it the page's own host is asked. */
  url?: string;
  /** The token says which workspace it is; another one than this is an error. */
  workspaceId?: string;
  frameworkId?: string;
  /** A text, or a function that gets a fresh one for each connection. The newest one counts, without a reconnect. */
  token: string | (() => Token | Promise<Token>);
  /** An alert as it is after the event. After a change of many it is called for each that this hook has told of. */
  onAlert?: (alert: Alert, message: AlertMessage) => void;
  onConnect?: () => void;
  onDisconnect?: () => void;
  onError?: (error: Error) => void;
  reconnect?: Partial<Reconnect>;
  /** In place of the browser's. */
  WebSocket?: unknown;
}

export interface AlertWebSocket {
  isConnected: boolean;
  isConnecting: boolean;
  error: Error | null;
  /** Events of alerts so far. */
  messageCount: number;
  connect: () => void;
  disconnect: () => void;
  /** Follows this framework too, until `unsubscribe`: over every break, and on the new connection if `url` changes. */
  subscribe: (frameworkId: string) => void;
  unsubscribe: (frameworkId: string) => void;
}

export function useAlertWebSocket(options: UseAlertWebSocketOptions): AlertWebSocket {
  const { url, frameworkId } = options;
  // What is called later is what was given last: a new function is no reason to connect anew.
  const latest = useRef(options);
  useEffect(() => void (latest.current = options));
  const [client, setClient] = useState<Client | null>(null);
  const [state, setState] = useState<ClientState>("connecting");
  const [error, setError] = useState<Error | null>(null);
  const [messageCount, setMessageCount] = useState(0);

  const fail = useCallback((fault: Error | null) => {
    setError(fault);
    if (fault) latest.current.onError?.(fault);
  }, []);

  const [channels] = useState(() => new Channels(fail));

  useEffect(() => {
    const made = new Client(clientOptions(latest, url));
    const count = (): void => setMessageCount((known) => known + 1);
    const stops = [listenToState(made, latest, setState, fail), listenToAlerts(made, latest, count)];
    stops.push(channels.attach(made));
    setClient(made);
    made.connect();
    return () => {
      stops.forEach((stop) => stop());
      made.close();
    };
  }, [url, fail, channels]);
  useEffect(() => channels.hold(frameworkId), [frameworkId, channels]);

  const subscribe = useCallback((id: string) => channels.subscribe(id), [channels]);
  const unsubscribe = useCallback((id: string) => channels.unsubscribe(id), [channels]);
  const connect = useCallback(() => client?.connect(), [client]);
  const disconnect = useCallback(() => client?.close(), [client]);
  const isConnecting = state === "connecting" || state === "authenticating";
  const isConnected = state === "ready";
  return { isConnected, isConnecting, error, messageCount, connect, disconnect, subscribe, unsubscribe };
}

type Latest = { readonly current: UseAlertWebSocketOptions };

function clientOptions(latest: Latest, url: string | undefined) {
  const { reconnect, WebSocket } = latest.current;
  const token = async (): Promise<Token> => {
    const { token: given } = latest.current;
    return typeof given === "function" ? await given() : given;
  };
  return { url, token, reconnect, WebSocket };
}

function listenToState(
  client: Client,
  latest: Latest,
  setState: (state: ClientState) => void,
  fail: (fault: Error | null) => void,
): () => void {
  let wasReady = false;
  return client.onState((state, why) => {
    const { onConnect, onDisconnect, workspaceId } = latest.current;
    setState(state);
    if (state === "ready") {
      fail(wrongWorkspace(client.session?.workspaceId, workspaceId));
      onConnect?.();
    } else if (wasReady) onDisconnect?.();
    if (state === "closed" && client.fault) fail(client.fault);
    else if (state === "connecting" && why) fail(new TocsinError(why, 0, true));
    wasReady = state === "ready";
  });
}

function listenToAlerts(client: Client, latest: Latest, count: () => void): () => void {
  const book = new AlertBook();
  const stopBook = book.follow(client);
  const stop = client.onAlert((message) => {
    count();
    const changed = (message.alertIds ?? []).map((id) => book.get(id));
    for (const alert of message.data ? [message.data] : changed) if (alert) latest.current.onAlert?.(alert, message);
  });
  return () => {
    stopBook();
    stop();
  };
}

function wrongWorkspace(theirs: string | undefined, wanted: string | undefined): Error | null {
  if (!wanted || theirs === wanted) return null;
  return new TocsinError(`the token is for the workspace ${theirs}, not for ${wanted}: use one for ${wanted}`);
}
