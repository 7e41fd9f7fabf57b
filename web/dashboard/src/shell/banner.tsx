/** What the connection is doing: a word in the bar, and a banner while what is shown may be old. */
import { useNow } from "../clock.ts";
import { reconnectNow, useConnection } from "../live.ts";
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
  const { status, heardAt, why } = useConnection();
  // Before the first connection nothing is shown that could be old.
  const isOld = status === "offline" || status === "closed" || (status === "connecting" && heardAt !== null);
  return (
    <div role="status" className={isOld ? "banner shown" : "banner"}>
      {isOld && (
        <>
          <p>
            <strong>{status === "closed" ? "The engine does not let us back." : "Disconnected."}</strong>{" "}
            {heardAt === null ? "No data yet." : <Age since={heardAt} />} {why}
          </p>
          {status !== "connecting" && <Button onClick={reconnectNow}>Connect now</Button>}
        </>
      )}
    </div>
  );
}

/** Not read out each second: the sentence around it is, once. */
function Age({ since }: { since: number }) {
  const age = duration(useNow() - since);
  return (
    <>
      What you see may be old: <span aria-live="off">data is {age} old</span>.
    </>
  );
}
