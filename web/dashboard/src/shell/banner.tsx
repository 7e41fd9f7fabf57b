/** What the connection is doing: a word in the bar, and a banner while what is shown may be old. */
import { useNow } from "../clock.ts";
import { reconnectNow, useConnection, useVerifiedAt } from "../live.ts";
import { useIsOnline } from "../online.ts";
import { duration } from "../times.ts";
import { Button } from "../ui/index.ts";

const SAID = { connecting: "Connecting", live: "Live", offline: "Disconnected", closed: "Closed" } as const;

export function ConnectionMark() {
  const { status } = useConnection();
  return (
    <span className={`connection ${status}`}>
      <span className="dot" aria-hidden="true" />
      <span className="word">{SAID[status]}</span>
    </span>
  );
}

export function Banner() {
  const { status, lostAt, why } = useConnection();
  const verifiedAt = useVerifiedAt();
  const isOnline = useIsOnline();
  const isShown = status === "offline" || status === "closed";
  return (
    <div role="status" className={isShown ? "banner shown" : "banner"}>
      {isShown && (
        <>
          <p>
            <strong>{titleOf(status, isOnline)}</strong>{" "}
            {lostAt === null ? "There is no data yet." : <Age since={verifiedAt ?? lostAt} />}{" "}
            <span className="hint">{isOnline ? why : "We come back as soon as there is a network."}</span>
          </p>
          <Button onClick={reconnectNow}>Connect now</Button>
        </>
      )}
    </div>
  );
}

function titleOf(status: "offline" | "closed", isOnline: boolean): string {
  if (status === "closed") return "Not connected, and not trying again.";
  return isOnline ? "Disconnected." : "This computer is offline.";
}

/** Hidden from screen readers, or they would read it each second; "Disconnected" was said. */
function Age({ since }: { since: number }) {
  return <span aria-hidden="true">What you see may be old: data is {duration(useNow() - since)} old.</span>;
}
