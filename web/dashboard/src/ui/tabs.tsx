/** The parts of a view: links with addresses of their own, so a reload and a bookmark show the same part. */
import { usePlace } from "../place.ts";
import { Link } from "./button.tsx";

export interface Tab {
  path: string;
  title: string;
}

/** The first one is also shown for an address that none has. */
export function Tabs({ label, tabs }: { label: string; tabs: readonly Tab[] }) {
  const { path } = usePlace();
  const current = tabs.find((tab) => tab.path === path) ?? tabs[0];
  return (
    <nav className="tabs" aria-label={label}>
      <ul>
        {tabs.map((tab) => (
          <li key={tab.path}>
            <Link to={tab.path} aria-current={tab === current ? "page" : undefined}>
              {tab.title}
            </Link>
          </li>
        ))}
      </ul>
    </nav>
  );
}
