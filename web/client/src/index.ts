/** Follows Tocsin's alerts from a browser or Node, and acts on them. */

export { about, PROTOCOL, understood, type About } from "./about.js";
export type { Reconnect } from "./backoff.js";
export { AlertBook, ALERTS_MAX, changed, isOpen } from "./book.js";
export { Client, type SubscribeOptions } from "./client.js";
export type { Clock } from "./clock.js";
export type { WireForm } from "./codec.js";
export type { ClientState } from "./conversation.js";
export type { Counters, Lost } from "./effects.js";
export { ClientStopped, ConnectionLost, INVALID_TOKEN, NoAnswer, TocsinError } from "./errors.js";
export type { OnState } from "./events.js";
export * from "./messages.js";
export { channelName } from "./names.js";
export type { ClientOptions, Token } from "./options.js";
