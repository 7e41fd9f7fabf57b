/** The line above the list: how many, how sure, and whether it stands still. */
import { ALERTS_MAX } from "../../alerts.ts";
import { useConnection, useIsKnown, useLosses, useVerifiedAt } from "../../live.ts";
import { Ago, Button } from "../../ui/index.ts";
import { lossesSaid } from "./losses.ts";
import type { useMemory } from "./memory.ts";

interface StatusLineProps {
  count: number;
  isNew: number;
  isHeld: boolean;
  isPaused: boolean;
  memory: ReturnType<typeof useMemory>;
  onPause: () => void;
  onCatchUp: () => void;
}

export function StatusLine({ count, isNew, isHeld, isPaused, memory, onPause, onCatchUp }: StatusLineProps) {
  const isKnown = useIsKnown();
  return (
    <div className="status-line">
      <span>
        {!isKnown && count === 0 ? "Alerts" : count === 1 ? "1 alert" : `${count.toLocaleString()} alerts`}
        {memory.isLoading && ", loading older ones…"}
        {memory.value?.isCut && ", older ones are in the history"}
        {memory.error && `, older ones could not be loaded: ${memory.error}`}
      </span>
      <Lost />
      <Proof />
      {isHeld ? (
        <Button icon="play" weight={isNew > 0 ? "primary" : "plain"} title="Catch up (p)" onClick={onCatchUp}>
          {isNew > 0 ? `${isNew} new: catch up` : isPaused ? "Paused: go on" : "To the newest"}
        </Button>
      ) : (
        <Button icon="pause" title="Pause (p)" onClick={onPause}>
          Pause
        </Button>
      )}
    </div>
  );
}

function Lost() {
  const said = lossesSaid(useLosses(), ALERTS_MAX);
  return said && <span className="lost">{said}</span>;
}

/** Silence that was proven: the engine says every few seconds up to where we know everything. */
function Proof() {
  const verifiedAt = useVerifiedAt();
  const { status } = useConnection();
  if (verifiedAt === null || status !== "live") return <span className="hint" />;
  return (
    <span className="hint" title="The engine has said that nothing was missed up to then">
      verified <Ago at={verifiedAt} />
    </span>
  );
}
