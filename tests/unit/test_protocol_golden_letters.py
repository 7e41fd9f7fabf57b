"""What nodes say to each other is a promise, too: while an installation is upgraded, two versions read each other.

`tests/golden/letters.msgpack.hex` has the bytes of every letter, command and result, and of the frames of the bus, each
with all its fields; `letters.shapes` has each Struct in them with the fields that it cannot be without, and each enum
with its words. If a change is deliberate, write both anew, and read the difference before committing it:

    TOCSIN_RENEW_GOLDEN=1 python -m pytest tests/unit/test_protocol_golden_letters.py && git diff tests/golden

A line that vanishes or changes is one that a node of the version before cannot read, or makes and we cannot read: a new
field needs a default, and a new word costs whoever does not know it a look into the store. A line that appears is fine.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest
from msgspec import inspect

from engine.bus.frames import Frame, pack, unpack
from engine.bus.topics import NEWS
from engine.others import ConnectionInfo, ConnectionsAsked, EndAsked
from engine.verbs import elsewhere
from protocol import forwarding as f
from protocol.commands import Command, Preview
from protocol.hints import Hint
from protocol.items import ItemResult
from protocol.model import Principal
from protocol.previews import Previewed, TooDear
from protocol.rule_series import SeriesListed
from tests.support.letters import ALERT, ANSWERS, COMMANDS, EVENT, FRAMES, HINTS, LETTERS, REPORT, ROW

FOLDER = Path(__file__).parents[1] / "golden"
BYTES, SHAPES = FOLDER / "letters.msgpack.hex", FOLDER / "letters.shapes"
SEALS = f.Seals([b"a secret that all nodes share"])
RESULTS = (ItemResult, Previewed, TooDear, SeriesListed)

_encode = msgspec.msgpack.encode


def lines() -> dict[str, str]:
    """What we would write now: name → bytes."""
    written = {name: _encode(letter) for name, letter in LETTERS.items()}
    written |= {f"command {name}": bytes(data) for name, data in f.pack([*COMMANDS.values()])}
    written |= {f"result {name}": bytes(data) for name, data in f.pack([*ANSWERS.values()])}
    written["sealed"] = SEALS.close(LETTERS["start"], NEWS)
    written |= {name: pack(frame) for name, frame in FRAMES.items()}
    return {name: data.hex() for name, data in written.items()}


def shapes() -> dict[str, str]:
    """What must be there in each Struct, and the words of each enum."""
    commands = [kind for kind in get_args(Command) if kind is not Preview]
    bodies = [ConnectionsAsked, EndAsked, ConnectionInfo, elsewhere._Has, elsewhere._Say, Principal]
    kinds = [*get_args(f.Letter), *commands, *RESULTS, *bodies, Frame]
    return dict(sorted(_shapes(inspect.multi_type_info(kinds), set())))


def _shapes(info: Any, seen: set[type]) -> Iterator[tuple[str, str]]:
    """Of whatever is in what msgspec knows of a type."""
    if isinstance(info, (tuple, list)):
        for each in info:
            yield from _shapes(each, seen)
        return
    if not isinstance(info, (inspect.Type, inspect.Field)) or getattr(info, "cls", None) in seen:
        return
    if isinstance(info, inspect.EnumType):
        seen.add(info.cls)
        yield f"enum {info.cls.__name__}", " ".join(str(each.value) for each in info.cls)
    elif isinstance(info, inspect.StructType):
        seen.add(info.cls)
        needed = [field.encode_name for field in info.fields if field.required]
        yield f"struct {info.cls.__name__}", " ".join([f"[{info.tag}]"] * (info.tag is not None) + needed)
    for name in info.__struct_fields__:
        yield from _shapes(getattr(info, name), seen)


def golden(path: Path, now: Callable[[], dict[str, str]]) -> dict[str, str]:
    if "TOCSIN_RENEW_GOLDEN" in os.environ:
        path.write_text("".join(f"{name}\t{text}\n" for name, text in now().items()))
    return dict(line.split("\t", 1) for line in path.read_text().splitlines())


def says_nothing(value: msgspec.Struct) -> list[str]:
    """Its fields that say what they say by default: the bytes tell little of those."""
    fields = [field for field in msgspec.structs.fields(value) if not field.required]
    told = {field.name: getattr(value, field.name) for field in fields}
    silent = [field.name for field in fields if told[field.name] == field.default or told[field.name] == {}]
    return [f"{type(value).__name__}.{name}" for name in silent]


def test_there_is_an_example_of_every_letter_command_result_and_hint() -> None:
    assert {type(letter) for letter in LETTERS.values()} == set(get_args(f.Letter))
    assert {type(command) for command in COMMANDS.values()} == set(get_args(Command))
    assert {type(answer).__name__ for answer in ANSWERS.values()} == set(f._RESULTS)
    assert set(HINTS) == set(get_args(Hint))


def test_the_examples_say_something_in_every_field() -> None:
    examples = [*COMMANDS.values(), *ANSWERS.values(), EVENT, ALERT, ROW, ROW.window, REPORT, LETTERS["told"]]
    assert [name for example in examples for name in says_nothing(example)] == []


def test_the_bytes_between_nodes_have_not_changed() -> None:
    assert lines() == golden(BYTES, lines), f"letters have changed; if that is meant, see {Path(__file__).name}"


def test_what_must_be_in_a_letter_and_the_words_in_it_have_not_changed() -> None:
    assert shapes() == golden(SHAPES, shapes), f"a node of the version before cannot read it: see {Path(__file__).name}"


@pytest.mark.parametrize("name", [*LETTERS, *FRAMES, "sealed"])
def test_the_bytes_of_the_promise_are_still_understood_between_nodes(name: str) -> None:
    """Also what we would now write in another way: a node of the version before is out there."""
    data = bytes.fromhex(golden(BYTES, lines)[name])
    if name in FRAMES:
        assert unpack(data) == FRAMES[name]
    elif name in LETTERS:
        assert f._LETTERS.decode(data) == LETTERS[name]
    else:
        assert SEALS.open(data, NEWS) == LETTERS["start"]


def test_commands_and_results_of_the_promise_are_still_understood() -> None:
    kept = golden(BYTES, lines)
    sent = [(name, msgspec.Raw(bytes.fromhex(kept[f"command {name}"]))) for name in COMMANDS]
    forward = f.Forward(
        origin="a", id="1", workspace="w", framework="f", commands=tuple(sent), places=(1,) * len(sent)
    )  # fmt: skip
    assert f.commands_of(forward) == [*COMMANDS.values()]
    answers = [(name, msgspec.Raw(bytes.fromhex(kept[f"result {name}"]))) for name in ANSWERS]
    assert f.results_of(f.Answered(id="1", results=tuple(answers))) == [*ANSWERS.values()]


def test_what_is_deep_in_a_letter_is_among_the_shapes() -> None:
    kept = shapes()
    assert {"enum Reason", "enum EventKind", "enum Action", "enum SeriesState", "struct Alert"} <= set(kept)
    assert kept["struct Told"] == "[told] origin workspace events"
