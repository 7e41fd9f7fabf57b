/** The engine's figures: a few that matter, how long things take, and how often the cache knew the answer. */
import { engineNow } from "../../engineclock.ts";
import { useRef } from "react";

import { getText } from "../../api.ts";
import { number } from "../../times.ts";
import { Bars } from "../../ui/index.ts";
import { Current } from "../../ui/current.tsx";
import {
  type Bucket,
  bucketsOf,
  bytes,
  countOf,
  hitRates,
  quantile,
  type Samples,
  samplesOf,
  since,
  span,
  total,
  trimmed,
} from "./metrics.ts";
import { useWatched, WATCH_MS } from "../../watched.ts";

export function Figures() {
  const asked = useWatched("metrics", async (signal) => samplesOf(await getText("/metrics", {}, signal)));
  return (
    <Current asked={asked} what="The engine's figures">
      {(samples) => (
        <>
          <Tiles samples={samples} />
          <Latencies samples={samples} />
          <Caches samples={samples} />
        </>
      )}
    </Current>
  );
}

/** `without`: what it is while the engine does not tell it, because it has not happened yet. */
const TILES: readonly { title: string; names: readonly string[]; as: (value: number) => string; without?: number }[] = [
  { title: "Connections", names: ["tocsin_connections"], as: number },
  { title: "Subscriptions", names: ["tocsin_subscriptions"], as: number },
  { title: "Triggers answered", names: ["alerts_processed_total"], as: number },
  { title: "Alerts told to followers", names: ["tocsin_deliveries_total"], as: number },
  { title: "Readings stored", names: ["tocsin_readings_total"], as: number },
  { title: "Channels that run", names: ["tocsin_channels"], as: number },
  { title: "Commands waiting", names: ["tocsin_mailbox_depth"], as: number },
  { title: "Waiting to be sent", names: ["tocsin_outbox_bytes"], as: bytes },
  { title: "Longest delay of the loop", names: ["tocsin_loop_lag_max_seconds"], as: span },
  { title: "Memory", names: ["process_resident_memory_bytes"], as: bytes },
  { title: "Restarts of parts", names: ["tocsin_restarts_total"], as: number, without: 0 },
  {
    title: "Left out for slow readers",
    names: ["tocsin_messages_dropped_info_total", "tocsin_messages_dropped_warning_total"],
    as: number,
  },
];

function Tiles({ samples }: { samples: Samples }) {
  const shown = TILES.map((tile) => ({ ...tile, value: total(samples, ...tile.names) ?? tile.without ?? null }));
  return (
    <dl className="tiles">
      {shown.map(({ title, value, as }) => (
        <div key={title}>
          <dt>{title}</dt>
          <dd>{value === null ? "–" : as(Number(value.toPrecision(3)))}</dd>
        </div>
      ))}
    </dl>
  );
}

const LATENCIES: readonly { title: string; says: string; name: string; perSecond: number }[] = [
  {
    title: "Fan-out",
    says: "From the first frame noted to the last one written to a socket.",
    name: "tocsin_fan_out_seconds",
    perSecond: 1,
  },
  {
    title: "Answer to a trigger",
    says: "From its arrival to its answer.",
    name: "alert_processing_latency_ms",
    perSecond: 1_000,
  },
  { title: "Commit", says: "Until the store has made it durable.", name: "tocsin_commit_seconds", perSecond: 1 },
  { title: "Loop", says: "How late a sleeping task was woken.", name: "tocsin_loop_lag_seconds", perSecond: 1 },
];

function Latencies({ samples }: { samples: Samples }) {
  return (
    <div className="cards latencies">
      {LATENCIES.map((latency) => {
        const buckets = bucketsOf(samples, latency.name).map(({ upTo, count }) => ({
          upTo: upTo / latency.perSecond,
          count,
        }));
        return <Latency key={latency.name} title={latency.title} says={latency.says} buckets={buckets} />;
      })}
    </div>
  );
}

/** `title`: of which time these are. */
interface Lately {
  title: string;
  buckets: readonly Bucket[];
}

interface LatencyProps {
  title: string;
  says: string;
  buckets: readonly Bucket[];
}

function Latency({ title, says, buckets }: LatencyProps) {
  const lately = useLately(buckets);
  const bars = trimmed(buckets).map(({ upTo, count }) => ({
    label: Number.isFinite(upTo) ? `≤ ${span(upTo)}` : "longer",
    value: count,
  }));
  return (
    <section className="card" aria-label={title}>
      <h2>{title}</h2>
      <p className="hint">{says}</p>
      {bars.length === 0 ? (
        <p>Nothing of the kind has happened since the engine started.</p>
      ) : (
        <>
          <Bars label={`${title}, since the start`} bars={bars} />
          <Quantiles buckets={buckets} lately={lately} />
        </>
      )}
    </section>
  );
}

const SHARES = [0.5, 0.95, 0.99] as const;

function Quantiles({ buckets, lately }: { buckets: readonly Bucket[]; lately: Lately }) {
  return (
    <table className="quantiles">
      <thead>
        <tr>
          <td />
          <th scope="col">Count</th>
          {SHARES.map((share) => (
            <th key={share} scope="col">
              {share * 100} %
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        <QuantileRow title="Since the start" buckets={buckets} />
        <QuantileRow title={lately.title} buckets={lately.buckets} />
      </tbody>
    </table>
  );
}

function QuantileRow({ title, buckets }: { title: string; buckets: readonly Bucket[] }) {
  const count = countOf(buckets);
  return (
    <tr>
      <th scope="row">{title}</th>
      <td>{number(count)}</td>
      {SHARES.map((share) => {
        const bound = quantile(buckets, share);
        return <td key={share}>{count === 0 ? "–" : bound === null ? "longer" : `≤ ${span(bound)}`}</td>;
      })}
    </tr>
  );
}

const LATELY_MS = 60_000;

/** What came in the last minute, or since the page was opened, if that is less; of the looks of that time. */
function useLately(buckets: readonly Bucket[]): Lately {
  const looks = useRef<{ at: number; key: string; buckets: readonly Bucket[] }[]>([]);
  const opened = useRef<number>(null);
  const key = buckets.map(({ count }) => count).join();
  const now = engineNow();
  opened.current ??= now;
  const kept = looks.current.filter(({ at }) => at > now - LATELY_MS - WATCH_MS);
  // A minute of looks, and never more, however often it is drawn.
  if (kept.at(-1)?.key !== key) kept.push({ at: now, key, buckets });
  looks.current = kept.slice(-(LATELY_MS / WATCH_MS) - 1);
  const title = now - opened.current < LATELY_MS ? "Since this page was opened" : "Last minute";
  return { title, buckets: since(looks.current[0]?.buckets ?? buckets, buckets) };
}

function Caches({ samples }: { samples: Samples }) {
  const rates = hitRates(samples);
  return (
    <section className="card" aria-labelledby="system-caches">
      <h2 id="system-caches">Cache</h2>
      {rates.length === 0 ? (
        <p>This engine has no cache.</p>
      ) : (
        <ul className="caches">
          {rates.map(({ kind, lookups, rate }) => (
            <li key={kind}>
              <span>{kind.replaceAll("_", " ")}</span>
              <span className="gauge" aria-hidden="true">
                <span style={{ width: `${(rate ?? 0) * 100}%` }} />
              </span>
              <span className="figure">
                {rate === null ? "not asked yet" : `${Math.round(rate * 100)} % of ${number(lookups)}`}
              </span>
            </li>
          ))}
        </ul>
      )}
      <p className="hint">How many look-ups found their answer there, since the engine started.</p>
    </section>
  );
}
