"""A store on Postgres: reachable, of this version, durable, and a login that cannot step out of its workspaces."""

from __future__ import annotations

from collections.abc import Iterator

from engine.doctor.findings import Finding, Level
from engine.stores.postgres.connect import named
from engine.stores.postgres.looking import Looked, check_login, look_at
from protocol.errors import NotYet, StoreRefused

# Each commit is a few round trips, and as many of them wait for a trigger's answer.
PING_SLOW_S = 0.002
# Leases and nodes go by the database's clock, alerts and tokens by ours.
CLOCKS_APART_S = 1.0
# Above it another node of ours may not get what it needs.
USED_PERCENT = 80


def state(url: str) -> Iterator[Finding]:
    """As an engine that starts would find it."""
    try:
        looked = look_at(url)
    except NotYet as fault:
        yield Finding("store", Level.FAIL, str(fault), "start it, or mend store (TOCSIN_STORE)")
        return
    except StoreRefused as fault:
        yield Finding("store", Level.FAIL, str(fault), "an engine would not start with it")
        return
    text = f"{named(url)}: Postgres {looked.version}, answers in {1_000 * looked.ping_s:.2f} ms"
    slow = looked.ping_s > PING_SLOW_S
    advice = "put it nearer to the nodes: each commit is several round trips" if slow else ""
    yield Finding("store", Level.WARNING if slow else Level.OK, text, advice)
    yield from _server(looked)
    yield _login(url, looked)
    yield from _tables(looked)


def _server(looked: Looked) -> Iterator[Finding]:
    if looked.is_standby:
        yield Finding("store", Level.FAIL, "it is a standby: nothing can be written", "name the primary in store")
    if not looked.is_durable:
        advice = "set both to on: an acknowledgement must mean stable storage"
        yield Finding("store", Level.FAIL, "its synchronous_commit or fsync is off", advice)
    if abs(looked.ahead_s) > CLOCKS_APART_S:
        text = f"its clock and this machine's are {abs(looked.ahead_s):.1f} s apart"
        yield Finding("clock", Level.WARNING, text, "set both (NTP)")
    used = f"{looked.connections} of {looked.connections_max} connections in use"
    full = 100 * looked.connections > USED_PERCENT * looked.connections_max
    yield Finding("store", Level.WARNING if full else Level.OK, used, "raise max_connections" if full else "")


def _login(url: str, looked: Looked) -> Finding:
    try:
        check_login(url)
    except StoreRefused as fault:
        return Finding("login", Level.FAIL, str(fault), "an engine would not start with it")
    return Finding("login", Level.OK, f"{looked.user!r} owns nothing and sees only the workspaces it is told")


def _tables(looked: Looked) -> Iterator[Finding]:
    if looked.pending:
        names = ", ".join(f"{migration.number:04} {migration.name}" for migration in looked.pending)
        advice = "tocsin migrate --store URL, with the URL of the database's owner; an engine does not start before"
        yield Finding("migrations", Level.FAIL, f"to be applied: {names}", advice)
    else:
        yield Finding("migrations", Level.OK, f"{len(looked.applied)} applied, none to come")
        yield Finding("epoch", Level.OK, looked.epoch or "none yet; the first start makes one")
