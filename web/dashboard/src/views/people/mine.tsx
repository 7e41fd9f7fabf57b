/** What one was told in the app: newest first, unread ones marked; read by a click, all at once, or with a key. */
import { useCallback, useEffect, useState } from "react";

import { get, type Page, post } from "../../api.ts";
import { useAsked } from "../../asked.ts";
import { useKeys } from "../../keys.ts";
import { onNotification } from "../../live.ts";
import { Answered, Button, Empty, Link, Moment, sayFailed, SeverityBadge, Tag, useDoing } from "../../ui/index.ts";
import { asRead, type Told } from "./people.ts";

type ToldPage = Page<Told> & { unread: number };

const PAGE = 50;
// The page that is open all day keeps no more than a person looks at.
const LISTED_MAX = 500;

export function Mine() {
  const asked = useAsked("notifications", (signal) => get<ToldPage>("/api/v1/notifications", { limit: PAGE }, signal));
  useEffect(() => onNotification(asked.again), [asked.again]);
  return (
    <Answered asked={asked} what="Notifications">
      {(first) => <List key={first.items[0]?.key ?? ""} first={first} />}
    </Answered>
  );
}

/** Begins anew when something newer was told. */
function List({ first }: { first: ToldPage }) {
  const [page, setPage] = useState(first);
  const { doing, begin } = useDoing();

  const read = useCallback(
    async (keys: string[] | null) => {
      const before = page;
      const newly = before.items.filter((each) => !each.is_read && keys?.includes(each.key)).length;
      const unread = keys === null ? 0 : before.unread - newly;
      setPage({ ...before, items: asRead(before.items, keys), unread });
      try {
        const said = await post<{ unread: number }>("/api/v1/notifications/read", keys === null ? {} : { keys });
        setPage((now) => ({ ...now, unread: said.unread }));
      } catch (fault) {
        setPage(before);
        sayFailed("Not marked as read", fault);
      }
    },
    [page],
  );

  const more = () =>
    begin("more", "No more could be loaded", async () => {
      const next = await get<ToldPage>("/api/v1/notifications", { limit: PAGE, cursor: page.next_cursor });
      setPage((now) => ({ ...next, items: [...now.items, ...next.items] }));
    });

  useKeys("Notifications", [{ keys: "r", says: "Mark all as read", does: () => void read(null) }]);
  if (page.items.length === 0) return <Nothing />;
  return (
    <>
      <div className="row">
        <p role="status">{page.unread === 0 ? "All are read." : `${page.unread} unread`}</p>
        <Button icon="check" disabled={page.unread === 0} onClick={() => void read(null)}>
          Mark all as read
        </Button>
      </div>
      <ul className="told" aria-label="Notifications, newest first">
        {page.items.map((each) => (
          <Item key={each.key} told={each} onRead={() => void read([each.key])} />
        ))}
      </ul>
      {page.next_cursor !== null && page.items.length < LISTED_MAX && (
        <div>
          <Button isBusy={doing !== null} onClick={more}>
            Show more
          </Button>
        </div>
      )}
    </>
  );
}

function Item({ told, onRead }: { told: Told; onRead: () => void }) {
  const { alert, kind, at, is_read } = told;
  return (
    <li className={is_read ? "card" : "card unread"}>
      <div className="row">
        {alert && <SeverityBadge severity={alert.severity} />}
        <Tag>{kind}</Tag>
        {!is_read && <Tag kind="notable">unread</Tag>}
        <span className="hint">
          <Moment at={at} how="ago" />
        </span>
      </div>
      <div className="row">
        {alert ? (
          <Link to={`/alerts/${alert.id}`} onClickCapture={() => !is_read && onRead()}>
            {alert.title}
          </Link>
        ) : (
          <span className="hint">An alert that is gone, or not yours to see.</span>
        )}
        {!is_read && (
          <Button aria-label={`Mark as read: ${alert?.title ?? kind}`} onClick={onRead}>
            Mark as read
          </Button>
        )}
      </div>
    </li>
  );
}

function Nothing() {
  return (
    <Empty title="You were told nothing yet">
      <p>
        You are told of alerts that are assigned to you, and of those of your team&apos;s frameworks. How is in your{" "}
        <Link to="/people/preferences">preferences</Link>.
      </p>
    </Empty>
  );
}
