/**
 * What the alerts mean: how many there were and what became of them, what they have in common, what is expected, and how
 * the frameworks are.
 *
 * A new pattern is told as an event. The rest is reckoned by the engine at its times, and asked again while one looks.
 */
import { TabbedView } from "../../ui/index.ts";
import "./charts.css";
import "./analytics.css";
import { CountsTab } from "./countstab.tsx";
import { InsightsTab } from "./insightstab.tsx";
import { PatternsTab } from "./patternstab.tsx";
import { PredictionsTab } from "./predictionstab.tsx";

const TABS = [
  { path: "/analytics", title: "Counts", Content: CountsTab },
  { path: "/analytics/patterns", title: "Patterns", Content: PatternsTab },
  { path: "/analytics/predictions", title: "Predictions", Content: PredictionsTab },
  { path: "/analytics/insights", title: "Insights", Content: InsightsTab },
];

export default function AnalyticsView() {
  return <TabbedView name="analytics" title="Analytics" tabs={TABS} />;
}
