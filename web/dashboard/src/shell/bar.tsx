/** The bar: where one can go, what the connection is doing, who is signed in. */
import { Bell, RingingChoice } from "../ringing/index.tsx";
import { signOut, useClaims } from "../session.ts";
import { chooseTheme, type Theme, THEMES, useTheme } from "../theme.ts";
import { Icon, IconButton, Link, Menu } from "../ui/index.ts";
import type { View } from "../views/index.ts";
import { ConnectionMark } from "./banner.tsx";

interface BarProps {
  views: readonly View[];
  current: View | null;
  onHelp: () => void;
}

export function Bar({ views, current, onHelp }: BarProps) {
  return (
    <header className="bar">
      <Link to="/" className="brand" aria-label="Tocsin: to the stream">
        <Icon name="bell" />
        <span>Tocsin</span>
      </Link>
      <nav aria-label="Views">
        <ul>
          {views.map((view) => (
            <li key={view.name}>
              <Link
                to={view.path}
                aria-current={view === current ? "page" : undefined}
                title={`${view.title} (g ${view.key})`}
              >
                <Icon name={view.icon} />
                <span>{view.title}</span>
              </Link>
            </li>
          ))}
        </ul>
      </nav>
      <ConnectionMark />
      <Bell />
      <IconButton icon="help" label="Keyboard shortcuts" onClick={onHelp} />
      <You />
    </header>
  );
}

/** Who is signed in, the theme, and out. */
function You() {
  const { user, workspace, role } = useClaims();
  const shown = (
    <>
      <Icon name="user" />
      <span>{user}</span>
    </>
  );
  return (
    <Menu title={shown} label={`Signed in as ${user}`} className="you">
      {() => (
        <>
          <p>
            <strong>{user}</strong>
            <br />
            {role} in {workspace}
          </p>
          <ThemeChoice />
          <RingingChoice />
          <button type="button" className="button plain" onClick={signOut}>
            Sign out
          </button>
        </>
      )}
    </Menu>
  );
}

const SAID: Record<Theme, string> = { system: "As the system", light: "Light", dark: "Dark" };

function ThemeChoice() {
  const theme = useTheme();
  return (
    <fieldset className="choice">
      <legend>Colours</legend>
      {THEMES.map((each) => (
        <label key={each}>
          <input type="radio" name="theme" checked={theme === each} onChange={() => chooseTheme(each)} /> {SAID[each]}
        </label>
      ))}
    </fieldset>
  );
}
