/** Why an alert does not ring: which silence or window it is, by its words and not its id, and until when. */
import type { Alert } from "../../alerts.ts";
import { get, segment } from "../../api.ts";
import { useAsked } from "../../asked.ts";
import { Link, Moment } from "../../ui/index.ts";

/** Of a silence its comment, of a window its title. */
interface Blamed {
  comment?: string;
  author?: string;
  title?: string;
}

const PLACES = {
  silenced: { path: "/api/v1/silences", view: "/quiet" },
  maintenance: { path: "/api/v1/maintenance", view: "/quiet/maintenance" },
} as const;

export function Quiet({ alert }: { alert: Alert }) {
  const { quieted_by, quieted_ref, quieted_until } = alert;
  if (!quieted_by) return null;
  const place = PLACES[quieted_by as keyof typeof PLACES];
  return (
    <p>
      It does not ring: {quieted_by.replace("_", " ")}
      {place && quieted_ref && <Named {...place} id={quieted_ref} />}
      {quieted_until && (
        <>
          {" "}
          until <Moment at={quieted_until} />
        </>
      )}
      .
    </p>
  );
}

function Named({ path, view, id }: { path: string; view: string; id: string }) {
  const { value } = useAsked(`${path}/${id}`, (signal) => get<Blamed>(`${path}/${segment(id)}`, {}, signal));
  // One that cannot be read (it is gone meanwhile) has only its id.
  const name = value?.title ?? value?.comment ?? id;
  return (
    <>
      {" by "}
      <Link to={view} query={new URLSearchParams({ edit: id })}>
        “{name}”
      </Link>
      {value?.author && ` of ${value.author}`}
    </>
  );
}
