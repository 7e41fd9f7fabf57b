/** The tab: how many alerts wait in its title, and in the colour of the worst of them in its icon. */
import type { Severity } from "../alerts.ts";

// A picture of the tab's, where the page's own colours do not reach.
const COLOURS: Record<Severity, string> = {
  info: "#2b66b8",
  warning: "#8a5a00",
  error: "#b5470c",
  critical: "#b3162b",
};
const QUIET = "#1b6e3c";

export function showOnTab(count: number, worst: Severity | null, isLive: boolean): void {
  const mark = isLive ? "" : "(!) ";
  document.title = `${mark}${count > 0 ? `(${count}) ` : ""}Tocsin`;
  const icon = document.getElementById("icon");
  if (icon instanceof HTMLLinkElement) icon.href = drawn(count, worst);
}

function drawn(count: number, worst: Severity | null): string {
  const said = count === 0 ? "" : count > 99 ? "99" : String(count);
  const letters = `<text x="16" y="23" font-family="sans-serif" font-weight="700" font-size="20" text-anchor="middle" fill="#fff">${said}</text>`;
  const circle = `<circle cx="16" cy="16" r="16" fill="${worst ? COLOURS[worst] : QUIET}"/>`;
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32">${circle}${letters}</svg>`;
  return `data:image/svg+xml,${encodeURIComponent(svg)}`;
}
