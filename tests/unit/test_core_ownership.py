"""Which node owns a workspace: the same everywhere, evenly spread, and little moves when a node comes or goes."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.core import ownership
from engine.core.ownership import Owners

WORKSPACES = [f"workspace-{n}" for n in range(3_000)]
names = st.lists(st.text(min_size=1, max_size=12).filter(lambda text: "\0" not in text), min_size=1, max_size=8)


@given(names, st.text(max_size=20))
def test_the_order_in_which_nodes_are_named_changes_nothing(nodes: list[str], workspace: str) -> None:
    assert Owners(nodes).of(workspace) == Owners(reversed(nodes)).of(workspace)
    assert Owners(nodes) == Owners(reversed(nodes))
    assert len({Owners(nodes), Owners(reversed(nodes))}) == 1


def test_owners_are_equal_only_to_owners() -> None:
    assert Owners(["a"]) != Owners(["b"])
    assert Owners(["a"]) != ("a",)


@given(names, st.text(max_size=20), st.data())
def test_a_node_that_goes_takes_nothing_but_its_own_share(
    nodes: list[str], workspace: str, data: st.DataObject
) -> None:
    gone = data.draw(st.sampled_from(nodes))
    before, after = Owners(nodes).of(workspace), Owners(set(nodes) - {gone}).of(workspace)
    assert after == before or before == gone


def test_the_owner_is_the_same_in_every_process_and_version() -> None:
    assert [Owners("abc").of(name) for name in ("acme", "umbrella", "initech", "")] == ["a", "b", "b", "b"]


def test_three_nodes_have_about_a_third_each() -> None:
    counts = Counter(map(Owners("abc").of, WORKSPACES))
    assert all(900 <= counts[node] <= 1_100 for node in "abc"), counts


def test_without_a_node_nobody_owns_anything() -> None:
    assert Owners([]).of("acme") == ""


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ownership, "REMEMBERED_MAX", 2)
    owners = Owners("abc")
    asked = [owners.of(name) for name in ("acme", "umbrella", "initech", "acme")]
    assert asked == [Owners("abc").of(name) for name in ("acme", "umbrella", "initech", "acme")]
    assert len(owners._known) <= 2
