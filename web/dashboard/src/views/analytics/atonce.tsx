/** How not to wait for the next time that a schedule of the engine's is due. */
import { typed } from "../../command.ts";

export function AtOnce({ schedule }: { schedule: string }) {
  return (
    <p>
      Now instead of then, on the engine's machine: <code>{typed(`schedules run ${schedule} --workspace system`)}</code>
    </p>
  );
}
