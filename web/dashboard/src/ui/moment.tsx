/** A moment: how long ago, or when, in the viewer's zone; UTC on hover. */
import { engineNow } from "../engineclock.ts";
import { useNow } from "../clock.ts";
import { duration, local, toTheMinute, utc } from "../times.ts";

const FORMS = { local, minute: toTheMinute } as const;

export function Moment({ at, how = "local" }: { at: string; how?: "local" | "minute" | "ago" }) {
  const date = new Date(at);
  return (
    <time dateTime={at} title={utc(date)}>
      {how === "ago" ? <Ago at={date.getTime()} /> : FORMS[how](date, new Date(engineNow()))}
    </time>
  );
}

/** `12 s ago`, of milliseconds since 1970; goes on by itself. */
export function Ago({ at }: { at: number }) {
  const away = useNow() - at;
  return <>{away < -999 ? `in ${duration(-away)}` : `${duration(away)} ago`}</>;
}
