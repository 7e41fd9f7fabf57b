"""The first level: what is kept, what goes first, what a tag ends."""

from __future__ import annotations

from engine.cache.memory import ENTRY_BYTES, Held, Memory, Name
from engine.cache.strategies import Key

A, B, C = (("rules", Key("acme", None, (letter,))) for letter in "abc")
RULES, CHECKOUT = ("acme", "objects/rule"), ("acme", "framework/checkout")


def held(value: object = "v", *, size: int = 10, ends_at: float = 100.0, tags: tuple = (RULES,)) -> Held:
    return Held(value, size, ends_at, tags)


def values(memory: Memory, *names: Name) -> list[object]:
    return [found and found.value for found in (memory.find(name, 0.0) for name in names)]


def test_what_is_kept_is_found_until_it_ends():
    memory = Memory(10, 10_000)
    memory.keep(A, held("a", ends_at=5.0))
    assert memory.find(A, 4.999) == held("a", ends_at=5.0)
    assert memory.find(A, 5.0) is None
    assert (len(memory), memory.size) == (0, 0)


def test_another_key_workspace_or_strategy_is_another_entry():
    memory = Memory(10, 10_000)
    memory.keep(A, held("a"))
    assert values(memory, B, ("statistics", A[1]), ("rules", Key("umbrella", None, ("a",)))) == [None, None, None]


def test_the_least_used_goes_when_there_are_too_many():
    memory = Memory(2, 10_000)
    memory.keep(A, held("a"))
    memory.keep(B, held("b"))
    memory.find(A, 0.0)
    memory.keep(C, held("c"))
    assert values(memory, A, B, C) == ["a", None, "c"]
    assert memory.evicted == 1


def test_as_many_go_as_a_large_one_needs_room():
    memory = Memory(10, 4 * ENTRY_BYTES)
    for name in (A, B):
        memory.keep(name, held(size=ENTRY_BYTES))
    memory.keep(C, held("c", size=2 * ENTRY_BYTES))
    assert values(memory, A, B, C) == [None, None, "c"]
    assert memory.size == 3 * ENTRY_BYTES


def test_what_has_no_room_at_all_leaves_the_others_there_but_not_what_it_replaces():
    memory = Memory(10, 1_000)
    memory.keep(A, held("old a"))
    memory.keep(B, held("b"))
    memory.keep(A, held("new a", size=2_000))
    assert values(memory, A, B) == [None, "b"]


def test_a_memory_for_no_entries_keeps_none():
    memory = Memory(0, 10_000)
    memory.keep(A, held())
    assert len(memory) == 0


def test_a_tag_ends_its_entries_and_no_others():
    memory = Memory(10, 10_000)
    memory.keep(A, held("a", tags=(RULES, CHECKOUT)))
    memory.keep(B, held("b", tags=(CHECKOUT,)))
    memory.keep(C, held("c", tags=(RULES,)))
    memory.forget([CHECKOUT, ("umbrella", "objects/rule")])
    assert values(memory, A, B, C) == [None, None, "c"]
    memory.forget([RULES])
    assert len(memory) == 0


def test_a_kind_is_forgotten_in_one_workspace_or_in_all():
    memory = Memory(10, 10_000)
    foreign = ("rules", Key("umbrella"))
    other = ("statistics", A[1])
    for name in (A, foreign, other):
        memory.keep(name, held(name))
    memory.forget_kind("rules", "acme")
    assert values(memory, A, foreign, other) == [None, foreign, other]
    memory.forget_kind("rules", None)
    assert values(memory, foreign, other) == [None, other]


def test_its_sizes_are_told_by_strategy_and_nothing_is_left_of_what_is_gone():
    memory = Memory(2, 10_000)
    for name in (A, B, C, ("statistics", A[1])):
        memory.keep(name, held())
    assert memory.entries == {"rules": 1, "statistics": 1}
    assert memory.bytes == {"rules": ENTRY_BYTES + 10, "statistics": ENTRY_BYTES + 10}
    memory.clear()
    assert (len(memory), memory.size, memory._by_tag, sum(memory.entries.values())) == (0, 0, {}, 0)


def test_tags_of_what_went_are_not_kept():
    memory = Memory(1, 10_000)
    for number in range(100):
        memory.keep(("rules", Key("acme", f"f{number}")), held(tags=(("acme", f"framework/f{number}"),)))
    assert len(memory._by_tag) == 1
