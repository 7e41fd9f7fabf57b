/**
 * The page's start: theme and session as they were, and the connection; what it is drawn with comes beside it.
 *
 * Most of the page's code is for drawing. On a slow network the engine has answered, and the open alerts have come, while
 * that is still on its way; so nothing here, and nothing that is imported here, may need react-dom.
 */
import { startFollowing } from "./following.ts";
import { place } from "./place.ts";
import { session } from "./session.ts";
import { restoreTheme } from "./theme.ts";
import { enter } from "./tickets.ts";
import { viewOf, viewsOf } from "./views/index.ts";

import "./styles/tokens.css";
import "./styles/base.css";
import "./styles/ui.css";
import "./styles/layers.css";
import "./styles/table.css";
import "./styles/graph.css";
import "./styles/forms.css";
import "./styles/shell.css";

// Asked for in the document itself (vite.config.ts), so it does not wait for this file.
const drawing = import("./draw.tsx");
restoreTheme();
enter();
startFollowing();
// The view that is drawn first: if it does not come, it is asked for again when it is drawn, and that is where it is said.
const claims = session.get()?.claims;
if (claims)
  viewOf(viewsOf(claims), place.get().path)
    ?.load()
    .catch(() => {});
// The script does not wait for the rest of the document.
if (document.readyState === "loading") await new Promise((done) => addEventListener("DOMContentLoaded", done));
(await drawing).draw();
