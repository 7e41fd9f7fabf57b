/** Commands for the engine's machine, as they can be typed there (in its folder, if it was not installed for all). */
const written =
  typeof document === "undefined" ? null : document.querySelector<HTMLMetaElement>('meta[name="tocsin-command"]');

/** `typed("token --user ann")` */
export function typed(rest: string): string {
  return `${written?.content || "tocsin"} ${rest}`;
}
