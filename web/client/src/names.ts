/** How channels are spelled. */

const WHOLE = ["alerts:", "project:", "user:"];

/** The short name on the wire: `host` → `alerts:host`; `workspace`, `user`, `alerts:…` and `project:…` stay. */
export function channelName(channel: string): string {
  if (channel === "workspace" || channel === "alerts:*") return "workspace";
  return channel === "user" || WHOLE.some((kind) => channel.startsWith(kind)) ? channel : `alerts:${channel}`;
}
