/**
 * How the engine itself fares: what is wrong and what to do, who is connected, queues and jobs, schedules, and its parts.
 *
 * Five places below `/system`, so that only what is looked at is asked for. There are no events about any of it: what is
 * shown is asked again every few seconds while somebody looks (watched.ts).
 */
import type { ComponentType } from "react";

import { useKeys } from "../../keys.ts";
import { go, usePlace } from "../../place.ts";
import { Empty, Link } from "../../ui/index.ts";
import { Connections } from "./connections.tsx";
import { Health } from "./health.tsx";
import { Parts } from "./parts.tsx";
import { Queues } from "./queues.tsx";
import { Schedules } from "./schedules.tsx";

import "./system.css";

const PLACES: readonly { path: string; title: string; Shown: ComponentType }[] = [
  { path: "/system", title: "Health", Shown: Health },
  { path: "/system/connections", title: "Connections", Shown: Connections },
  { path: "/system/queues", title: "Queues and jobs", Shown: Queues },
  { path: "/system/schedules", title: "Schedules", Shown: Schedules },
  { path: "/system/parts", title: "Parts and nodes", Shown: Parts },
];

export default function System() {
  const { path } = usePlace();
  const here = PLACES.find((place) => place.path === path);
  useKeys(
    "System",
    PLACES.map((place, index) => ({ keys: String(index + 1), says: place.title, does: () => go(place.path) })),
  );
  return (
    <div className="view system">
      <header>
        <h1>System</h1>
      </header>
      <nav className="places" aria-label="System">
        <ul>
          {PLACES.map((place) => (
            <li key={place.path}>
              <Link to={place.path} aria-current={place === here ? "page" : undefined}>
                {place.title}
              </Link>
            </li>
          ))}
        </ul>
      </nav>
      {here ? <here.Shown key={here.path} /> : <Nowhere />}
    </div>
  );
}

function Nowhere() {
  return (
    <Empty title="There is no such place here">
      <p>
        <Link to="/system">To the engine&apos;s health</Link>
      </p>
    </Empty>
  );
}
