/**
 * A view in parts: each has an address of its own, so a reload and a bookmark show the same part, and a figure as its key.
 *
 * Only the part that is looked at is there: the others ask nothing.
 */
import type { ComponentType } from "react";

import { useKeys } from "../keys.ts";
import { go, usePlace } from "../place.ts";
import { Link } from "./button.tsx";
import { Empty } from "./states.tsx";

export interface Tab {
  path: string;
  title: string;
  Content: ComponentType;
}

/** `name`: the class that the view's styles are below. */
export function TabbedView({ name, title, tabs }: { name: string; title: string; tabs: readonly Tab[] }) {
  const { path } = usePlace();
  const current = tabs.find((tab) => tab.path === path);
  useKeys(
    title,
    tabs.map((tab, index) => ({ keys: String(index + 1), says: tab.title, does: () => go(tab.path) })),
  );
  return (
    <div className={`view ${name}`}>
      <header>
        <h1>{title}</h1>
      </header>
      <nav className="tabs" aria-label={title}>
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
      {current ? <current.Content key={current.path} /> : <Nowhere tabs={tabs} />}
    </div>
  );
}

function Nowhere({ tabs: [first] }: { tabs: readonly Tab[] }) {
  return <Empty title="There is no such place here">{first && <Link to={first.path}>To {first.title}</Link>}</Empty>;
}
