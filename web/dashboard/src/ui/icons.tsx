/**
 * The page's pictures, drawn with the colour of the text around them. They are hidden from screen readers: the words
 * beside them, or the control's label, say it. Severities have a shape of their own: colour alone tells nobody.
 */
import type { ReactNode } from "react";

const SHAPES = {
  // Severities, filled: circle, triangle, diamond, octagon.
  info: <circle cx="8" cy="8" r="6" />,
  warning: <path d="M8 1.5 15 14H1Z" />,
  error: <path d="M8 .8 15.2 8 8 15.2.8 8Z" />,
  critical: <path d="M5.2 1h5.6L15 5.2v5.6L10.8 15H5.2L1 10.8V5.2Z" />,
} satisfies Record<string, ReactNode>;

const LINES = {
  stream: <path d="M1 8h3l2-5 4 10 2-5h3" />,
  rules: <path d="M2 4h8M12 4h2M2 8h2M6 8h8M2 12h6M10 12h4M10 2.5v3M4 6.5v3M8 10.5v3" />,
  history: <path d="M2.5 5A6 6 0 1 1 2 8M2 2v3.5h3.5M8 5v3.5l2.5 1.5" />,
  analytics: <path d="M2 2v12h12M5 11V8M8.5 11V4M12 11V6.5" />,
  quiet: <path d="M4 11V7a4 4 0 0 1 6.5-3M12 7v4M2.5 11h11M6.5 13.5h3M2 2l12 12" />,
  people: <path d="M8 8a3 3 0 1 0 0-6 3 3 0 0 0 0 6ZM2.5 14c0-3 2.5-4.5 5.5-4.5s5.5 1.5 5.5 4.5" />,
  system: <path d="M2 3h12v4H2ZM2 9h12v4H2ZM4.5 5h.1M4.5 11h.1M7 5h5M7 11h5" />,
  bell: <path d="M4 11V7a4 4 0 0 1 8 0v4M2.5 11h11M6.5 13.5h3" />,
  sound: <path d="M2 6v4h2.5L8 13V3L4.5 6ZM10.5 5.5a3.5 3.5 0 0 1 0 5M12.5 3.5a6.5 6.5 0 0 1 0 9" />,
  muted: <path d="M2 6v4h2.5L8 13V3L4.5 6ZM10.5 6l4 4M14.5 6l-4 4" />,
  check: <path d="m2.5 8.5 3.5 3.5 7.5-8" />,
  close: <path d="m3 3 10 10M13 3 3 13" />,
  plus: <path d="M8 2.5v11M2.5 8h11" />,
  pause: <path d="M5 3v10M11 3v10" />,
  play: <path d="M4 2.5v11L13 8Z" />,
  search: <path d="M7 12A5 5 0 1 0 7 2a5 5 0 0 0 0 10ZM10.5 10.5 14 14" />,
  user: <path d="M8 8a3 3 0 1 0 0-6 3 3 0 0 0 0 6ZM2.5 14c0-3 2.5-4.5 5.5-4.5s5.5 1.5 5.5 4.5" />,
  undo: <path d="M5.5 2.5 2.5 5.5l3 3M3 5.5h6.5a4 4 0 0 1 0 8H6" />,
  edit: <path d="M2.5 13.5 3 10l7.5-7.5 3 3L6 13l-3.5.5ZM9 4l3 3" />,
  trash: <path d="M2.5 4h11M6 4V2h4v2M4 4l.5 10h7L12 4M6.5 7v4.5M9.5 7v4.5" />,
  download: <path d="M8 2v8M4.5 7 8 10.5 11.5 7M2.5 13.5h11" />,
  menu: <path d="M2 4h12M2 8h12M2 12h12" />,
  down: <path d="m3.5 6 4.5 4.5L12.5 6" />,
  help: <path d="M5.5 6a2.5 2.5 0 1 1 3.5 2.3c-.7.3-1 .8-1 1.7M8 12.8v.2" />,
  gear: (
    <path d="M8 10.5a2.5 2.5 0 1 0 0-5 2.5 2.5 0 0 0 0 5ZM8 1.5v2M8 12.5v2M1.5 8h2M12.5 8h2M3.4 3.4l1.4 1.4M11.2 11.2l1.4 1.4M12.6 3.4l-1.4 1.4M4.8 11.2l-1.4 1.4" />
  ),
} satisfies Record<string, ReactNode>;

export type IconName = keyof typeof SHAPES | keyof typeof LINES;

export function Icon({ name }: { name: IconName }) {
  const isShape = name in SHAPES;
  return (
    <svg className={isShape ? "icon shape" : "icon"} viewBox="0 0 16 16" aria-hidden="true" focusable="false">
      {isShape ? SHAPES[name as keyof typeof SHAPES] : LINES[name as keyof typeof LINES]}
    </svg>
  );
}
