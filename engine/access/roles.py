"""What a role may do: one table of verbs, for every door (which takes which: `tests/component/test_doors_by_role.py`).

read        see alerts, streams, history, rules                   edit        change rules, frameworks, teams
trigger     ring, and send readings                               broadcast   tell everybody something
respond     acknowledge, assign, comment, resolve                 administer  people, tokens, connections, audit
silence     keep alerts quiet for a while
"""

from __future__ import annotations

from typing import Literal, get_args

from protocol.errors import PermissionDenied, UnknownChannel
from protocol.model import NEVER_EXPIRES, Principal
from protocol.names import is_workspace

# What concerns the engine and not one workspace is for administrators of this one.
SYSTEM_WORKSPACE = "system"
Verb = Literal["read", "trigger", "respond", "silence", "edit", "broadcast", "administer"]
ROLE_MAY: dict[str, frozenset[Verb]] = {
    "viewer": frozenset({"read"}),
    "responder": frozenset({"read", "respond", "silence"}),
    "producer": frozenset({"read", "trigger"}),
    "editor": frozenset({"read", "trigger", "respond", "silence", "edit"}),
    "admin": frozenset(get_args(Verb)),
}


def may(principal: Principal, verb: Verb) -> bool:
    """Whether the principal's role has this verb."""
    return verb in ROLE_MAY.get(principal.role, ())


def check(principal: Principal, verb: Verb) -> None:
    """Raises PermissionDenied, which says who may, if the principal's role does not have this verb."""
    if not may(principal, verb):
        able = ", ".join(role for role, verbs in ROLE_MAY.items() if verb in verbs)
        raise PermissionDenied(f"the role {principal.role!r} may not {verb}; these may: {able}")


def may_see(who: Principal, framework: str | None) -> bool:
    """Whether a token covers what is about this framework; None: what is about several, or the whole workspace."""
    return who.channels is None or framework in who.channels


def check_framework(who: Principal, framework: str | None) -> None:
    """Raises PermissionDenied if somebody asks for a framework that his token does not cover; None: for none."""
    if framework is not None and not may_see(who, framework):
        raise PermissionDenied("this token is limited to other channels")


def check_administrator(who: Principal) -> None:
    """Raises PermissionDenied for anybody but an administrator of a whole workspace."""
    check(who, "administer")
    if who.channels is not None:
        raise PermissionDenied("this token is limited to channels, and administration is not")


def workspace_meant(who: Principal, workspace: str | None) -> str | None:
    """The workspace that is meant; None: all, which only administrators of `system` may.

    Raises PermissionDenied for who is no administrator, UnknownChannel for another's workspace.
    """
    check_administrator(who)
    if who.workspace == SYSTEM_WORKSPACE and (workspace is None or is_workspace(workspace)):
        return workspace
    if workspace not in (None, who.workspace):
        raise UnknownChannel("there is no such workspace")
    return who.workspace


def own_principal(workspace: str, user: str, role: str) -> Principal:
    """Who speaks without a token: an embedding program, or a source of the engine's own."""
    return Principal(workspace=workspace, user=user, role=role, expires_at=NEVER_EXPIRES)
