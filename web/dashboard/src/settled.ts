/** A value that has not changed for a while: what is asked as somebody types is asked when he pauses. */
import { useEffect, useState } from "react";

// Between two keys of a quick typist there are 150 ms.
const PAUSE_MS = 300;

export function useSettled<T>(value: T, key: string): T {
  const [settled, setSettled] = useState(value);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(value), PAUSE_MS);
    return () => clearTimeout(timer);
    // `key` says when the value is another one.
  }, [key]);
  return settled;
}
