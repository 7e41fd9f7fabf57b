"""What a role may do."""

from __future__ import annotations

from typing import Literal

from protocol.errors import PermissionDenied
from protocol.model import Principal

# What concerns the engine and not one workspace is for administrators of this one.
SYSTEM_WORKSPACE = "system"
Verb = Literal["read", "trigger", "respond", "administer"]
ROLE_MAY: dict[str, frozenset[str]] = {
    "viewer": frozenset({"read"}),
    "responder": frozenset({"read", "respond"}),
    "producer": frozenset({"read", "trigger"}),
    "editor": frozenset({"read", "trigger", "respond"}),
    "admin": frozenset({"read", "trigger", "respond", "administer"}),
}


def may(principal: Principal, verb: Verb) -> bool:
    """Whether the principal's role has this verb."""
    return verb in ROLE_MAY.get(principal.role, ())


def check(principal: Principal, verb: Verb) -> None:
    """Raises PermissionDenied, which says who may, if the principal's role does not have this verb."""
    if not may(principal, verb):
        able = ", ".join(role for role, verbs in ROLE_MAY.items() if verb in verbs)
        raise PermissionDenied(f"the role {principal.role!r} may not {verb}; these may: {able}")
