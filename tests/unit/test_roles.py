"""Roles: who may do what."""

from typing import get_args

import pytest

from engine.access.roles import ROLE_MAY, Verb, check, may
from protocol.errors import PermissionDenied
from protocol.model import Principal


def principal(role: str) -> Principal:
    return Principal(workspace="main", user="ann", role=role, expires_at=0)


def test_the_roles_may_what_the_table_says():
    rights = {role: [verb for verb in get_args(Verb) if may(principal(role), verb)] for role in ROLE_MAY}
    assert rights == {
        "viewer": ["read"],
        "responder": ["read", "respond", "silence"],
        "producer": ["read", "trigger"],
        "editor": ["read", "trigger", "respond", "silence", "edit"],
        "admin": ["read", "trigger", "respond", "silence", "edit", "broadcast", "administer"],
    }
    assert not may(principal("unheard of"), "read")


def test_a_refusal_says_which_roles_may():
    check(principal("producer"), "trigger")
    with pytest.raises(PermissionDenied, match="the role 'viewer' may not trigger; these may: producer, editor, admin"):
        check(principal("viewer"), "trigger")
