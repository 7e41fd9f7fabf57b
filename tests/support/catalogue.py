"""What must hold of every table in a live Postgres, asked of its catalogue: each question returns its complaints.

Asked by a superuser, who sees all. Whoever adds a table says here whose its rows are and whether people change
them: a table that is not named is complained of.
"""

from __future__ import annotations

import asyncio
from typing import Any

import asyncpg

from tests.support.postgres_server import APP

# Of pg_trigger.tgtype.
_DELETE, _UPDATE, _TRUNCATE = 8, 16, 32
# The column that says whose a row is, where it is not called `workspace`.
PLACES = {"workspace": "name", "workspace_name": "name", "websocket_connections": "workspace_id"}
# Rows that are nobody's, and why.
NOBODYS = {
    "migration": "the ledger of the database",
    "store": "the epoch",
    "job_queue": "queues are the installation's, paused by its operators",
    "job_node": "nodes",
    "node": "nodes",
    "bus": "what nodes tell each other, for seconds",
    "job_cron": "schedules by name, read for whoever the shelf says may; the workspace's own are objects",
    "job_count": "how many ended jobs are kept, for metrics",
}
# What people change. The rest is what machines write down, and why there is no line for it:
AUDITED = {
    "object": _UPDATE | _DELETE,
    "tracker": _UPDATE | _DELETE,
    "revocation": _UPDATE | _DELETE,
    "alert": _UPDATE | _DELETE,
    "delivery": _UPDATE,  # what is old goes by itself
    "job_queue": _UPDATE | _DELETE,
    "job_cron": _UPDATE | _DELETE,
}
NOT_AUDITED = {
    "store": "written once",
    "migration": "is a trail itself",
    "workspace": "streams move by themselves",
    "workspace_name": "follows from other rows",
    "channel": "streams move by themselves",
    "event": "is a trail itself",
    "audit": "is a trail itself, append-only",
    "administrative_act": "is a trail itself, append-only",
    "object_version": "is a trail itself, append-only",
    "row_audit": "is a trail itself, append-only",
    "websocket_connections": "who is connected, written by the gateway",
    "person": "streams move by themselves",
    "entry": "streams move by themselves",
    "recipient_mark": "what clients report",
    "storm": "decided by the channel",
    "series": "readings",
    "reading": "readings",
    "rollup": "readings",
    "rule_state": "what a rule remembers",
    "job": "claimed and settled by workers; what people do to jobs is an administrative act",
    "job_done": "as job",
    "job_node": "nodes",
    "node": "nodes",
    "bus": "what nodes tell each other, for seconds",
    "job_count": "counted",
    "aggregate_hour": "which hours are to be counted",
    "aggregate": "counted",
    "incident_place": "how far events were looked at; who changes the settings of it is an administrative act",
    "incident": "follows from alerts; what people do to incidents is an administrative act",
    "incident_alert": "follows from alerts; what people do to incidents is an administrative act",
    "finding": "found by analytics; what people say of one is an administrative act",
}
# Unique keys without the workspace. Whoever can choose such a key could find out what others have.
KEYS_THAT_NOBODY_CHOOSES = {
    "numbers that the database gives": {
        "workspace_pkey", "channel_pkey", "audit_pkey", "person_pkey", "recipient_mark_pkey", "administrative_act_pkey",
        "job_pkey", "job_done_pkey", "delivery_pkey", "row_audit_pkey",
    },
    "of a channel, or person, by its number": {
        "event_pkey", "entry_pkey", "storm_pkey", "series_pkey", "reading_pkey", "rollup_pkey", "rule_state_pkey",
        "alert_active_step",
        "recipient_mark_scope_stream_user_is_seen_until_after_min_se_key",
    },
    "an id that the engine makes": {"websocket_connections_pkey"},
    "a digest that has the workspace in it": {"delivery_key"},
}  # fmt: skip
APPEND_ONLY = {"audit", "administrative_act", "object_version", "row_audit"}

_TABLES = """
SELECT c.relname, c.relispartition, c.relrowsecurity AND c.relforcerowsecurity AS is_forced, array(
    SELECT a.attname::text FROM pg_attribute AS a WHERE a.attrelid = c.oid AND a.attnum > 0) AS columns
FROM pg_class AS c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') ORDER BY 1
"""
_POLICIES = "SELECT tablename, cmd, permissive, roles::text[] AS roles, qual, with_check FROM pg_policies"
_FOREIGN_KEYS = """
SELECT c.relname, a.attname FROM pg_constraint AS k JOIN pg_class AS c ON c.oid = k.conrelid
JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum = ANY (k.conkey) WHERE k.contype = 'f' AND k.convalidated
"""
_LED_BY = """
SELECT c.relname, a.attname FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indrelid
JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum = i.indkey[0] WHERE i.indpred IS NULL AND i.indisvalid
"""
_UNIQUE = """
SELECT c.relname, x.relname AS name, array(
    SELECT a.attname::text FROM pg_attribute AS a WHERE a.attrelid = c.oid AND a.attnum = ANY (i.indkey)) AS columns
FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indrelid JOIN pg_class AS x ON x.oid = i.indexrelid
WHERE i.indisunique AND c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
"""
_TRIGGERS = """
SELECT c.relname, t.tgtype, t.tgenabled, p.proname FROM pg_trigger AS t JOIN pg_class AS c ON c.oid = t.tgrelid
JOIN pg_proc AS p ON p.oid = t.tgfoid WHERE NOT t.tgisinternal AND NOT c.relispartition
"""
_VIEWS = (
    "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('v', 'm') AND NOT "
    + ("coalesce(reloptions @> '{security_invoker=true}', false)")
)
_DEFINERS = """
SELECT proname, coalesce(proconfig, '{}')::text[] AS settings, prorettype = 'trigger'::regtype AS is_trigger,
    EXISTS (SELECT FROM aclexplode(coalesce(proacl, acldefault('f', proowner))) WHERE grantee = 0) AS is_anybodys
FROM pg_proc WHERE pronamespace = 'public'::regnamespace AND prosecdef
"""
_GRANTS = f"""
SELECT c.relname, c.relispartition, a.privilege_type FROM pg_class AS c, aclexplode(c.relacl) AS a
WHERE c.relnamespace = 'public'::regnamespace AND a.grantee IN (0, '{APP}'::regrole::oid)
"""
_ROLE = f"""
SELECT rolsuper OR rolbypassrls OR rolcreaterole OR rolcreatedb OR rolreplication AS is_mighty,
    (SELECT count(*) FROM pg_auth_members WHERE member = r.oid) AS memberships,
    (SELECT count(*) FROM pg_class WHERE relowner = r.oid) AS owned,
    has_schema_privilege(oid, 'public', 'CREATE') AS may_make_tables
FROM pg_roles AS r WHERE rolname = '{APP}'
"""


def place_of(table: str) -> str:
    """The column that says whose its rows are."""
    return PLACES.get(table, "workspace")


class Catalogue:
    """What the catalogue of one database says, read once."""

    def __init__(self, url: str) -> None:
        asyncio.run(self._read(url))

    async def _read(self, url: str) -> None:
        connection = await asyncpg.connect(url)
        questions = (_TABLES, _POLICIES, _FOREIGN_KEYS, _LED_BY, _UNIQUE, _TRIGGERS, _VIEWS, _DEFINERS, _GRANTS, _ROLE)
        answers = [await connection.fetch(sql) for sql in questions]
        (tables, self._policies, self._foreign_keys, self._led_by, self._unique) = answers[:5]
        (self._triggers, self._views, self._definers, self._grants, self._role) = answers[5:]
        self.tables: dict[str, Any] = {row["relname"]: row for row in tables}
        self._defaults = await connection.fetchval("SELECT pg_get_functiondef('tocsin_workspaces()'::regprocedure)")
        await connection.close()

    @property
    def workspaces_own(self) -> list[str]:
        """The tables whose rows are a workspace's, partitions among them."""
        return [name for name, row in self.tables.items() if place_of(name) in row["columns"] and name not in NOBODYS]

    def without_a_place(self) -> list[str]:
        """Tables of which it is not said whose rows they hold."""
        return sorted(set(self.tables) - set(self.workspaces_own) - set(NOBODYS))

    def not_forced(self) -> list[str]:
        """Tables whose rows their owner, or everybody, can see."""
        return [name for name in self.workspaces_own if not self.tables[name]["is_forced"]]

    def without_policy(self) -> list[str]:
        """Tables that have not exactly our one policy, for all that one can do."""
        found: dict[str, list[Any]] = {}
        for row in self._policies:
            found.setdefault(row["tablename"], []).append(row)
        return [name for name in self.workspaces_own if not _is_ours(found.get(name, []), place_of(name))]

    def without_foreign_key(self) -> list[str]:
        """Tables whose workspace may be one that there is not."""
        held = {(row["relname"], row["attname"]) for row in self._foreign_keys}
        return [n for n in self.workspaces_own if n != "workspace_name" and (n, place_of(n)) not in held]

    def without_index(self) -> list[str]:
        """Tables in which one workspace's rows are found by reading all."""
        led = {(row["relname"], row["attname"]) for row in self._led_by}
        return [name for name in self.workspaces_own if (name, place_of(name)) not in led]

    def keys_without_workspace(self) -> list[str]:
        """Unique keys that two workspaces could fight about."""
        known = {name for names in KEYS_THAT_NOBODY_CHOOSES.values() for name in names}
        return sorted(
            row["name"]
            for row in self._unique
            if row["relname"] in self.workspaces_own
            and place_of(row["relname"]) not in row["columns"]
            and row["name"] not in known
        )

    def not_classified(self) -> list[str]:
        """Tables of which it is not said, or said twice, whether people change them."""
        whole = {name for name, row in self.tables.items() if not row["relispartition"]}
        return sorted(whole ^ (set(AUDITED) | set(NOT_AUDITED)) | (set(AUDITED) & set(NOT_AUDITED)))

    def without_audit(self) -> list[str]:
        """Tables that people change of which an update or a deletion leaves no line."""
        return sorted(
            name
            for name, verbs in AUDITED.items()
            if name not in self._with_trigger(("tocsin_note_row", "tocsin_note_alerts"), verbs)
        )

    def not_append_only(self) -> list[str]:
        """Trails that can be changed."""
        guarded = self._with_trigger(("tocsin_is_append_only",), _UPDATE | _DELETE | _TRUNCATE)
        rights = {(row["relname"], row["privilege_type"]) for row in self._grants}
        changeable = {name for name, right in rights if right in ("UPDATE", "DELETE", "TRUNCATE")}
        return sorted((APPEND_ONLY - guarded) | (APPEND_ONLY & changeable))

    def with_too_many_rights(self) -> list[str]:
        """What the engine's role, or anybody, may do and has no need to."""
        found = [f"{row['privilege_type']} on {row['relname']}" for row in self._grants if row["relispartition"]]
        kinds = ("TRUNCATE", "REFERENCES", "TRIGGER")
        found += [f"{row[2]} on {row['relname']}" for row in self._grants if row["privilege_type"] in kinds]
        role = self._role[0]
        return found + [name for name, value in dict(role).items() if value]

    def views_of_their_owner(self) -> list[str]:
        """Views through which one sees what their owner may see."""
        return [row["relname"] for row in self._views]

    def careless_definers(self) -> list[str]:
        """Functions with their owner's rights that find names where others can put some, or that anybody may call."""
        return [
            row["proname"]
            for row in self._definers
            if "search_path=pg_catalog, public, pg_temp" not in row["settings"]
            or (row["is_anybodys"] and not row["is_trigger"])
        ]

    def _with_trigger(self, functions: tuple[str, ...], kinds: int) -> set[str]:
        """Tables on which one of these functions is called for all of these kinds."""
        found: dict[str, int] = {}
        for row in self._triggers:
            if row["proname"] in functions and row["tgenabled"] == b"O":
                found[row["relname"]] = found.get(row["relname"], 0) | row["tgtype"]
        return {name for name, covered in found.items() if covered & kinds == kinds}


def _is_ours(policies: list[Any], place: str) -> bool:
    if len(policies) != 1:
        return False
    row = policies[0]
    covers = (row["cmd"], row["permissive"], row["roles"]) == ("ALL", "PERMISSIVE", ["public"])
    text = row["qual"] or ""
    asks = "tocsin_sees_all()" in text and f"{place} = ANY" in text and "tocsin_workspace" in text
    return covers and asks and row["with_check"] in (None, text)
