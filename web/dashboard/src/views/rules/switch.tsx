/** In force or off: shown at once, taken back with the reason if the engine refuses. */
import { useState } from "react";

import { Button, sayFailed } from "../../ui/index.ts";
import { switchRule } from "./actions.ts";
import type { Rule } from "./model.ts";

/** `isNamed`: no column says what it switches. */
export function SwitchButton({ rule, isNamed = false }: { rule: Rule; isNamed?: boolean }) {
  const [wanted, setWanted] = useState<{ is: boolean; version: number } | null>(null);
  if (rule.origin === "config") return <span className="hint">by configuration</span>;
  // What a newer version says is what is so.
  const isOn = wanted?.version === rule.version ? wanted.is : rule.enabled;
  async function turn(): Promise<void> {
    setWanted({ is: !isOn, version: rule.version });
    try {
      await switchRule(rule, !isOn);
    } catch (fault) {
      setWanted(null);
      sayFailed(`${rule.id} could not be switched ${isOn ? "off" : "on"}`, fault);
    }
  }
  return (
    <Button role="switch" aria-checked={isOn} aria-label={`In force: ${rule.id}`} onClick={() => void turn()}>
      {isNamed && "In force: "}
      {isOn ? "on" : "off"}
    </Button>
  );
}
