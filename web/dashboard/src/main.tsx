/** The page's start: theme and session as they were, then the first drawing. */
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";

import { App } from "./app.tsx";
import { restoreTheme } from "./theme.ts";
import { enter } from "./tickets.ts";

import "./styles/tokens.css";
import "./styles/base.css";
import "./styles/ui.css";
import "./styles/layers.css";
import "./styles/table.css";
import "./styles/graph.css";
import "./styles/forms.css";
import "./styles/shell.css";

function draw(): void {
  const element = document.getElementById("page");
  if (!element) throw new Error("index.html has no element with the id 'page'");
  createRoot(element).render(
    <StrictMode>
      <App />
    </StrictMode>,
  );
}

restoreTheme();
enter();
// The script does not wait for the rest of the document.
if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", draw);
else draw();
