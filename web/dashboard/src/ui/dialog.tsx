/** A question above the page (modal), and a drawer beside its list (not modal: the list stays in hand). */
import { type ReactNode, useEffect, useId, useRef } from "react";

import { IconButton } from "./button.tsx";

interface DialogProps {
  title: string;
  /** Escape, or the cross. Without it the dialog cannot be left so. */
  onClose?: () => void;
  children: ReactNode;
  isWide?: boolean;
}

const FIRST_FIELD = "input[type=text], input[type=password], input[type=search], textarea";

/** Open while it is drawn. The browser's own: it traps the focus, gives it back, and makes the rest inert. */
export function Dialog({ title, onClose, children, isWide = false }: DialogProps) {
  const dialog = useRef<HTMLDialogElement>(null);
  const titleId = useId();
  useEffect(() => {
    const shown = dialog.current;
    if (shown && !shown.open) {
      shown.showModal();
      // Where one begins to type; without a field the browser's choice is right.
      shown.querySelector<HTMLElement>(FIRST_FIELD)?.focus();
    }
    return () => shown?.close();
  }, []);
  return (
    <dialog
      ref={dialog}
      className={isWide ? "dialog wide" : "dialog"}
      aria-labelledby={titleId}
      onCancel={(event) => {
        event.preventDefault();
        onClose?.();
      }}
    >
      <header>
        <h2 id={titleId}>{title}</h2>
        {onClose && <IconButton icon="close" label="Close" onClick={onClose} />}
      </header>
      {children}
    </dialog>
  );
}

interface DrawerProps {
  title: ReactNode;
  /** The drawer's name for screen readers. */
  label: string;
  onClose: () => void;
  children: ReactNode;
}

/** A region beside the list; on a narrow screen it covers it. Escape closes it while the focus is inside. */
export function Drawer({ title, label, onClose, children }: DrawerProps) {
  return (
    <aside
      className="drawer"
      aria-label={label}
      onKeyDown={(event) => {
        if (event.key !== "Escape" || event.defaultPrevented) return;
        event.stopPropagation();
        onClose();
      }}
    >
      <header>
        <h2>{title}</h2>
        <IconButton icon="close" label="Close details" onClick={onClose} />
      </header>
      <div className="drawer-body" tabIndex={-1}>
        {children}
      </div>
    </aside>
  );
}
