"""`tocsin frameworks`, `users`, `teams`, `workspaces`: who and what alerts are about, in a running engine."""

from __future__ import annotations

from typing import Any

import click

from tocsin.commands import options
from tocsin.commands.listing import Column, cell
from tocsin.commands.shelves import Kind, add_bulk, add_list, add_put, add_show

_WHEN: dict[str, Column] = {"VERSION": "version", "CHANGED": "updated_at", "BY": "updated_by"}
FRAMEWORKS = Kind(
    "frameworks",
    "framework",
    {"FRAMEWORK": "id", "KIND": "kind", "NAME": "name", "OWNER": "owner", "ORIGIN": "origin", **_WHEN},
)
USERS = Kind(
    "users",
    "user",
    {"USER": "id", "NAME": "name", "EMAIL": "email", "ZONE": "zone", "ROLE": "role", **_WHEN},
    "role=viewer",
)
TEAMS = Kind(
    "teams",
    "team",
    {"TEAM": "id", "NAME": "name", "MEMBERS": "members", "ROTA": lambda team: bool(team["rota"]), **_WHEN},
)
WORKSPACES = Kind(
    "workspaces",
    "workspace",
    {"WORKSPACE": "id", "NAME": "name", "LABELS": "labels", "NOTES": "notes", **_WHEN},
    workspace="system",
)


def group_of(kind: Kind, about: str, example: str) -> click.Group:
    """The commands of one kind."""
    name = kind.plural
    text = f"{about}\n\n\b\ntocsin {name} put {example}\ntocsin {name} list\ntocsin {name} archive ID"
    group = click.Group(name, help=text, short_help=f"Shows {name}; makes, changes and archives them.")
    for add in (add_list, add_show, add_put):
        add(group, kind)
    add_bulk(group, kind, "archive", "archived", f"Puts {name} away: not in force, not in lists, not forgotten.")
    add_bulk(group, kind, "restore", "restored", f"Takes {name} back that were put away.")
    add_bulk(group, kind, "delete", "deleted", f"Takes {name} away for good; their history stays.")
    return group


frameworks = group_of(
    FRAMEWORKS,
    "What is watched. What only ever rang is listed as well (origin: seen), and `put` describes it. An archived one "
    "refuses triggers and readings.",
    'shop name="Web shop" owner=web \'metrics={"latency_ms": "performance"}\'',
)
users = group_of(
    USERS,
    "People that alerts are assigned to. A user's id is `sub` of his tokens, and they say what he may do with them; "
    "links in mails and buttons in Slack act with his `role` (viewer unless said, who may not acknowledge).",
    'ann name="Ann Lee" email=ann@example.org zone=Europe/Berlin role=responder',
)
teams = group_of(
    TEAMS,
    "People who answer for something together, and who of them is on call (docs/objects.md has a rota).",
    'web \'members=["ann", "bob"]\'',
)
workspaces = group_of(
    WORKSPACES,
    "What the engine's operator knows of workspaces: for administrators of the workspace `system`.",
    'acme name="Acme Ltd"',
)


@teams.command("on-call", short_help="Says who of a team is on call.")
@click.argument("team", callback=options.filled)
@options.administrator
def on_call(team: str, **given: Any) -> None:
    """Says who of TEAM is on call now, and until when."""
    found = TEAMS.api(given).ask("GET", f"{TEAMS.address(team)}/on-call")
    until = f" until {cell(found['until'])}" if found["until"] else ""
    options.write(f"{found['user'] or 'nobody'}{until}")
