/** The indicator: the tab's title and icon, the bell, desktop notifications, and the menu that sets them. */
import { useEffect, useMemo } from "react";

import { SEVERITIES, type Severity } from "../alerts.ts";
import { useKeys } from "../keys.ts";
import { onAlert, useConnection, useSurvey } from "../live.ts";
import { IconButton, sayFailed } from "../ui/index.ts";
import { allowNotifications, canNotify, notify } from "./desktop.ts";
import { showOnTab } from "./icon.ts";
import { ringing, setRinging, useRingingSettings } from "./settings.ts";
import { ring, useMaySound } from "./sound.ts";
import { pressing, ringsFor } from "./wanted.ts";

/** The bell in the bar: mutes and unmutes, and is at work while it is drawn. */
export function Bell() {
  const { isMuted } = useRingingSettings();
  const maySound = useMaySound();
  const { status } = useConnection();
  const alerts = useSurvey();
  const { count, worst } = useMemo(() => pressing(alerts), [alerts]);
  useEffect(() => showOnTab(count, worst, status === "live"), [count, worst, status]);
  useEffect(
    () =>
      onAlert((message) => {
        const { isMuted, isNotified, from } = ringing.get();
        const alert = ringsFor(message, from);
        if (!alert) return;
        if (!isMuted) ring(alert.severity);
        if (isNotified) notify(alert);
      }),
    [],
  );
  const toggle = () => setRinging({ isMuted: !isMuted });
  useKeys("Bell", [{ keys: "m", says: "Mute, or not", does: toggle }]);
  return (
    <IconButton
      icon={isMuted || !maySound ? "muted" : "sound"}
      label="Mute the bell"
      title={isMuted ? "The bell is muted (m)" : maySound ? "The bell rings (m)" : UNTOUCHED}
      aria-pressed={isMuted}
      onClick={toggle}
    />
  );
}

const UNTOUCHED = "The bell is silent until you click here or press a key: browsers want that";

/** What rings, and how; in the menu of whoever is signed in. */
export function RingingChoice() {
  const { isNotified, from } = useRingingSettings();
  async function choose(isWanted: boolean): Promise<void> {
    const isAllowed = !isWanted || (await allowNotifications());
    if (!isAllowed)
      sayFailed("No desktop notifications", "your browser does not allow them for this page; its settings can");
    setRinging({ isNotified: isWanted && isAllowed });
  }
  return (
    <fieldset className="choice">
      <legend>Ringing</legend>
      <label>
        From{" "}
        <select value={from} onChange={(event) => setRinging({ from: event.target.value as Severity })}>
          {SEVERITIES.map((severity) => (
            <option key={severity}>{severity}</option>
          ))}
        </select>
      </label>
      {canNotify() && (
        <label>
          <input type="checkbox" checked={isNotified} onChange={(event) => void choose(event.target.checked)} /> On the
          desktop too
        </label>
      )}
    </fieldset>
  );
}
