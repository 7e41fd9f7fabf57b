/**
 * How the engine itself fares: what is wrong and what to do, who is connected, queues and jobs, schedules, and its parts.
 *
 * There are no events about any of it: what is shown is asked again every few seconds while somebody looks (watched.ts).
 */
import { TabbedView } from "../../ui/index.ts";
import { Connections } from "./connections.tsx";
import { Health } from "./health.tsx";
import { Parts } from "./parts.tsx";
import { Queues } from "./queues.tsx";
import { Schedules } from "./schedules.tsx";

import "./system.css";

const TABS = [
  { path: "/system", title: "Health", Content: Health },
  { path: "/system/connections", title: "Connections", Content: Connections },
  { path: "/system/queues", title: "Queues and jobs", Content: Queues },
  { path: "/system/schedules", title: "Schedules", Content: Schedules },
  { path: "/system/parts", title: "Parts and nodes", Content: Parts },
];

export default function System() {
  return <TabbedView name="system" title="System" tabs={TABS} />;
}
