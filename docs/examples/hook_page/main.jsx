// The hook and the components in a page of React. `?url=` is the engine's socket, `#token=` a token.
import { Client } from "@tocsin/client";
import { AlertIndicator, AlertMonitor, AlertStream, TocsinProvider, useAlertWebSocket } from "@tocsin/client/react";
import "@tocsin/client/react/style.css";
import { StrictMode, useState } from "react";
import { createRoot } from "react-dom/client";

const url = new URLSearchParams(location.search).get("url") ?? undefined;
const token = new URLSearchParams(location.hash.slice(1)).get("token") ?? "";

function Newest() {
  const [title, setTitle] = useState("none yet");
  const { isConnected, error, messageCount } = useAlertWebSocket({
    url,
    frameworkId: "page",
    token,
    onAlert: (alert) => setTitle(alert.title),
  });
  const state = error?.message ?? (isConnected ? "connected" : "connecting");
  return (
    <p id="newest">
      {state}, {messageCount} events, the newest: {title}
    </p>
  );
}

const client = new Client({ url, token });
client.connect();

createRoot(document.getElementById("root")).render(
  <StrictMode>
    <Newest />
    <TocsinProvider client={client}>
      <AlertIndicator />
      <AlertMonitor />
      <AlertStream title="Everything" />
    </TocsinProvider>
  </StrictMode>,
);
