/** Quieting: silences, maintenance windows, muted hours, and what does not ring now. */
import { TabbedView } from "../../ui/index.ts";
import { MutedHours } from "./hours.tsx";
import { MaintenanceWindows } from "./maintenance.tsx";
import { QuietNow } from "./now.tsx";
import "./quiet.css";
import { Silences } from "./silences.tsx";

const TABS = [
  { path: "/quiet", title: "Silences", Content: Silences },
  { path: "/quiet/maintenance", title: "Maintenance", Content: MaintenanceWindows },
  { path: "/quiet/hours", title: "Muted hours", Content: MutedHours },
  { path: "/quiet/now", title: "Quiet now", Content: QuietNow },
];

export default function Quiet() {
  return <TabbedView name="quiet" title="Quiet" tabs={TABS} />;
}
