/** What is around every view: skip link, bar, banner, messages, and the keys that work everywhere. */
import { lazy, type LazyExoticComponent, type ComponentType, Suspense, useEffect, useRef, useState } from "react";

import { useKeys } from "../keys.ts";
import { go, usePlace } from "../place.ts";
import { useClaims } from "../session.ts";
import { Boundary, Empty, Link, Loading } from "../ui/index.ts";
import { ToastList } from "../ui/toasts.tsx";
import { type View, viewOf, viewsOf } from "../views/index.ts";
import { Banner } from "./banner.tsx";
import { Bar } from "./bar.tsx";
import { Help } from "./help.tsx";

export function Shell() {
  const views = viewsOf(useClaims());
  const { path } = usePlace();
  const view = viewOf(views, path);
  const [isHelpOpen, setHelpOpen] = useState(false);
  useKeys("Everywhere", [
    { keys: "?", says: "These shortcuts", does: () => setHelpOpen(true) },
    ...views.map((each) => ({ keys: `g ${each.key}`, says: `Go to ${each.title}`, does: () => go(each.path) })),
  ]);
  return (
    <div className="shell">
      <a className="skip" href="#main">
        Skip to the content
      </a>
      <Bar views={views} current={view} onHelp={() => setHelpOpen(true)} />
      <Banner />
      <Main view={view} />
      <ToastList />
      {isHelpOpen && <Help onClose={() => setHelpOpen(false)} />}
    </div>
  );
}

/** The view itself. After a step to another one the focus goes there, so that a screen reader says where it is. */
function Main({ view }: { view: View | null }) {
  const main = useRef<HTMLElement>(null);
  const before = useRef(view);
  useEffect(() => {
    if (before.current !== view) main.current?.focus({ preventScroll: true });
    before.current = view;
  }, [view]);
  return (
    <main id="main" ref={main} tabIndex={-1} aria-label={view?.title ?? "Not found"}>
      {view ? <Shown key={view.name} view={view} /> : <Nowhere />}
    </main>
  );
}

function Shown({ view }: { view: View }) {
  const Content = lazily(view);
  return (
    <Boundary what={view.title}>
      <Suspense fallback={<Loading what={view.title.toLowerCase()} />}>
        <Content />
      </Suspense>
    </Boundary>
  );
}

function Nowhere() {
  return (
    <Empty title="There is no such page">
      <p>
        It may be one that your role does not have. <Link to="/">Go to the stream</Link>
      </p>
    </Empty>
  );
}

const loaded = new Map<View, LazyExoticComponent<ComponentType>>();

/** The same component each time, or React would begin it anew at every drawing. */
function lazily(view: View): LazyExoticComponent<ComponentType> {
  const known = loaded.get(view) ?? lazy(view.load);
  loaded.set(view, known);
  return known;
}
