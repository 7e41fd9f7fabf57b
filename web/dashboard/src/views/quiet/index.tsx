/** Quieting: silences, maintenance windows, muted hours, and what does not ring now. */
import { usePlace } from "../../place.ts";
import { Tabs } from "../../ui/index.ts";
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
  const { path } = usePlace();
  const { Content } = TABS.find((tab) => tab.path === path) ?? TABS[0]!;
  return (
    <div className="view quiet">
      <header>
        <h1>Quiet</h1>
      </header>
      <Tabs label="Kinds of quiet" tabs={TABS} />
      <Content />
    </div>
  );
}
