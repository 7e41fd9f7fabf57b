/** A button with a menu below it: the browser's own disclosure, which closes when one goes on to something else. */
import { type KeyboardEvent, type ReactNode, useRef, useState } from "react";

import { usePlace } from "../place.ts";

interface MenuProps {
  /** What the button shows. */
  title: ReactNode;
  /** The button's name, where what it shows is none. */
  label?: string;
  /** How the button looks. */
  className: string;
  /** The menu; `close` is for entries after which it has done its work. */
  children: (close: () => void) => ReactNode;
}

export function Menu({ title, label, className, children }: MenuProps) {
  const { path } = usePlace();
  // Open at a place: whoever goes elsewhere, by a key too, leaves it behind.
  const [openAt, setOpenAt] = useState<string | null>(null);
  const button = useRef<HTMLElement>(null);
  const isOpen = openAt === path;
  function close(): void {
    setOpenAt(null);
    button.current?.focus();
  }
  function closeByKey(event: KeyboardEvent): void {
    if (event.key !== "Escape" || !isOpen) return;
    // It closes the menu, and not what is behind it.
    event.stopPropagation();
    close();
  }
  return (
    <details
      className="menu-button"
      open={isOpen}
      onToggle={({ currentTarget }) => {
        keepInSight(currentTarget);
        setOpenAt(currentTarget.open ? path : null);
      }}
      onBlur={({ currentTarget, relatedTarget }) => currentTarget.contains(relatedTarget) || setOpenAt(null)}
      onKeyDown={closeByKey}
    >
      <summary ref={button} className={className} aria-label={label}>
        {title}
      </summary>
      <div className="menu" tabIndex={-1}>
        {children(close)}
      </div>
    </details>
  );
}

/** It ends where its button ends; where that is too far to the left for it, it begins where the button does. */
function keepInSight(details: HTMLElement): void {
  const menu = details.querySelector<HTMLElement>(":scope > .menu");
  if (!menu) return;
  menu.classList.remove("rightwards");
  menu.classList.toggle("rightwards", menu.getBoundingClientRect().left < 0);
}
