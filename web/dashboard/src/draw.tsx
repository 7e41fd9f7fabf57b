/** Draws the page: the larger part of its code, which the start (main.ts) does not wait for. */
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";

import { App } from "./app.tsx";

export function draw(): void {
  const element = document.getElementById("page");
  if (!element) throw new Error("index.html has no element with the id 'page'");
  createRoot(element).render(
    <StrictMode>
      <App />
    </StrictMode>,
  );
}
