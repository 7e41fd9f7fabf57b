/** Things to press: a button in three weights, one that is only a picture, and a link to another view. */
import type { ComponentProps, MouseEvent, ReactNode } from "react";

import { go, href } from "../place.ts";
import { Icon, type IconName } from "./icons.tsx";

interface Look {
  icon?: IconName;
  /** `primary`: what one came to do; `danger`: what cannot be taken back; `plain`: the rest. */
  weight?: "primary" | "danger" | "plain";
  /** Waits for an answer: shown, and not pressed twice. */
  isBusy?: boolean;
  children?: ReactNode;
}

export function Button({
  icon,
  weight = "plain",
  isBusy = false,
  children,
  onClick,
  ...rest
}: Look & ComponentProps<"button">) {
  return (
    <button
      type="button"
      {...rest}
      className={`button ${weight}`}
      aria-busy={isBusy}
      // Not disabled while it waits: that would take the focus away from whoever has just pressed it.
      aria-disabled={isBusy || undefined}
      onClick={isBusy ? hold : onClick}
    >
      {icon && <Icon name={icon} />}
      {children}
    </button>
  );
}

/** Also keeps a form from being sent twice: Enter in a field is a click on its button. */
function hold(event: MouseEvent): void {
  event.preventDefault();
}

/** A button without words on it; `label` is what it does, for screen readers and as a tip. */
export function IconButton({ icon, label, ...rest }: { icon: IconName; label: string } & ComponentProps<"button">) {
  return (
    <button type="button" {...rest} className="icon-button" aria-label={label} title={rest.title ?? label}>
      <Icon name={icon} />
    </button>
  );
}

/** A link inside of the page: a real address (middle click, copy), followed without a reload. */
export function Link({ to, query, ...rest }: { to: string; query?: URLSearchParams } & ComponentProps<"a">) {
  function follow(event: MouseEvent): void {
    if (event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    go(to, query);
  }
  return <a {...rest} href={href(to, query)} onClick={follow} />;
}
