/** A page of somebody who got something wrong, for pages.ts: another workspace, a token that is none; and one who polls. */
import { StrictMode, useState } from "react";
import { createRoot } from "react-dom/client";

import { AlertMonitor, useAlertWebSocket } from "../../src/react/index.js";

const token = new URLSearchParams(location.hash.slice(1)).get("token") ?? "";

/** What the hook says, and what it has called back with. */
function Said({ id, token, workspaceId }: { id: string; token: string; workspaceId?: string }) {
  const [told, setTold] = useState("nothing");
  const options = { token, onError: (fault: Error) => setTold(fault.message), ...(workspaceId && { workspaceId }) };
  const { isConnected, isConnecting, error } = useAlertWebSocket(options);
  const state = isConnected ? "connected" : isConnecting ? "connecting" : "over";
  return (
    <p id={id}>
      {state}; error: {error?.message ?? "none"}; told: {told}
    </p>
  );
}

createRoot(document.getElementById("root") as HTMLElement).render(
  <StrictMode>
    <Said id="elsewhere" token={token} workspaceId="elsewhere" />
    <Said id="here" token={token} workspaceId="main" />
    <Said id="refused" token="no token" />
    <AlertMonitor title="Polled" polling={{ everyMs: 100, token }} />
    <AlertMonitor title="Polled in vain" polling={{ everyMs: 60_000, token: "no token" }} />
  </StrictMode>,
);
