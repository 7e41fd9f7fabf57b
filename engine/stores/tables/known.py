"""What whoever tells people has to know, read in one transaction: on a server that is one of three or four trips less
for each question that is not asked alone."""

from __future__ import annotations

from engine.stores.deliveries import Known, ToSend, Wanted
from engine.stores.tables import object_queries, queries
from engine.stores.tables.connection import Connection
from engine.stores.tables.deliveries import BY_KEY, TO_PLACE, TOLD_OF, by_alert, with_told
from engine.stores.tables.delivery_lines import delivery_of, json_text


def known_of(connection: Connection, workspace: str, wanted: Wanted) -> Known:
    """Alerts, lines that say who has heard what of them, and objects; what is not wanted is not asked."""
    ids, versions = list(wanted.alert_ids), json_text(list(wanted.versions))
    objects = {
        kind: {each.id: each for each in object_queries.named(connection, workspace, kind, list(names))}
        for kind, names in wanted.objects.items()
        if names
    }
    if not ids:
        return Known({}, {}, objects)
    alerts = queries.alerts_named(connection, workspace, ids)
    return Known(alerts, by_alert(connection, TOLD_OF, workspace, json_text(ids), versions), objects)


def to_send(connection: Connection, workspace: str, key: str) -> ToSend | None:
    """A line, its alert, and all that was to be told of that at the same place."""
    for row in connection.execute(BY_KEY, (key, workspace)).fetchall():
        line = delivery_of(row)
        found = queries.alert(connection, workspace, line.alert_id)
        alerts = [] if found is None else with_told(connection, workspace, [found[1]])
        place = (workspace, line.alert_id, line.channel.value, line.recipient.name)
        same = [delivery_of(row) for row in connection.execute(TO_PLACE, place).fetchall()]
        return ToSend(line, alerts[0] if alerts else None, same)
    return None
