/** A page whose engine gets another address while it is open, for pages.ts: `?url=` is that one. */
import { StrictMode, useState } from "react";
import { createRoot } from "react-dom/client";

import { useAlertWebSocket } from "../../src/react/index.js";

const token = new URLSearchParams(location.hash.slice(1)).get("token") ?? "";
const there = new URLSearchParams(location.search).get("url") ?? "";

function Moving() {
  const [url, setUrl] = useState<string>();
  const [titles, setTitles] = useState<string[]>([]);
  const onAlert = ({ title }: { title: string }): void => setTitles((known) => [...known, title]);
  const { isConnected, error, subscribe, unsubscribe } = useAlertWebSocket({ url, token, frameworkId: "own", onAlert });
  return (
    <>
      <button onClick={() => setUrl(there)}>Move</button>
      <button onClick={() => ["more", "less"].forEach(subscribe)}>More</button>
      <button onClick={() => unsubscribe("less")}>Less</button>
      <p id="heard">
        {isConnected ? "connected" : "connecting"}; error: {error?.message ?? "none"}; heard: {titles.join(", ")}
      </p>
    </>
  );
}

createRoot(document.getElementById("root") as HTMLElement).render(
  <StrictMode>
    <Moving />
  </StrictMode>,
);
