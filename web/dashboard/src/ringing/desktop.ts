/** Notifications of the desktop, for whoever looks at something else. */
import type { Alert } from "../alerts.ts";
import { go } from "../place.ts";

export function canNotify(): boolean {
  return "Notification" in globalThis;
}

/** Asks the viewer, once; browsers want that to come from a press of a button. */
export async function allowNotifications(): Promise<boolean> {
  return canNotify() && (await Notification.requestPermission()) === "granted";
}

/** One per alert: a later event of the same one replaces it. */
export function notify(alert: Alert): void {
  if (!canNotify() || Notification.permission !== "granted" || document.visibilityState === "visible") return;
  const title = `${alert.severity}: ${alert.title || alert.id}`;
  const shown = new Notification(title, { body: alert.message ?? alert.framework_id, tag: alert.id });
  shown.onclick = () => {
    window.focus();
    go(`/alerts/${encodeURIComponent(alert.id)}`);
    shown.close();
  };
}
