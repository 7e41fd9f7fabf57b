/** People and notifications: what one was told, how one wants to be told, where the rest goes, and why not. */
import { TabbedView } from "../../ui/index.ts";
import { Deliveries } from "./deliveries.tsx";
import { Directory } from "./directory.tsx";
import { Endpoints } from "./endpoints.tsx";
import { Mine } from "./mine.tsx";
import "./people.css";
import { Preferences } from "./preferences.tsx";

const TABS = [
  { path: "/people", title: "For you", Content: Mine },
  { path: "/people/preferences", title: "Preferences", Content: Preferences },
  { path: "/people/endpoints", title: "Endpoints", Content: Endpoints },
  { path: "/people/deliveries", title: "Deliveries", Content: Deliveries },
  { path: "/people/directory", title: "Directory", Content: Directory },
];

export default function People() {
  return <TabbedView name="people" title="Notifications" tabs={TABS} />;
}
