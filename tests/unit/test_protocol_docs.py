"""`docs/protocol.md` names everything that the code can say on the wire, and nothing that it cannot."""

import inspect
import re
from enum import Enum
from pathlib import Path
from typing import get_args

import msgspec
import pytest

from engine.auth import ROLE_MAY
from protocol import errors
from protocol import messages as m
from protocol.codec import WireForm
from protocol.errors import CloseCode, TocsinError
from protocol.model import Comparison, EventKind, Severity, Status

PAGE = (Path(__file__).parents[2] / "docs" / "protocol.md").read_text()
MESSAGES = get_args(m.ClientMessage) + get_args(m.ServerMessage)
ERRORS = {each.code: each for _, each in inspect.getmembers(errors, inspect.isclass) if issubclass(each, TocsinError)}


def section(title: str) -> str:
    found = re.search(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)
    assert found, f"there is no section {title!r}"
    return found[1]


def rows(title: str) -> list[list[str]]:
    """The cells of a section's table, without its head."""
    lines = [line for line in section(title).splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


@pytest.mark.parametrize("title", ["Messages of the client", "Messages of the server"])
def test_each_message_type_is_in_its_table_and_no_other(title):
    documented = {name for row in rows(title) for name in re.findall(r"`(\w+)`", row[0])}
    kinds = get_args(m.ClientMessage if "client" in title else m.ServerMessage)
    assert documented == {kind.__struct_config__.tag for kind in kinds}


@pytest.mark.parametrize("kind", MESSAGES, ids=lambda kind: kind.__struct_config__.tag)
def test_each_field_of_a_message_is_in_its_row(kind):
    tag = kind.__struct_config__.tag
    title = "Messages of the client" if kind in get_args(m.ClientMessage) else "Messages of the server"
    (row,) = (row for row in rows(title) if f"`{tag}`" in row[0])
    missing = [
        field.encode_name
        for field in msgspec.inspect.type_info(kind).fields
        if field.encode_name != "id" and not re.search(rf"`{field.encode_name}\b", row[1])
    ]
    assert not missing


@pytest.mark.parametrize("kind", [m.TriggerInput, m.ReadingInput, m.ItemResult], ids=lambda kind: kind.__name__)
def test_each_field_of_an_item_is_named(kind):
    text = section("Messages of the client") + section("Messages of the server")
    assert all(f"`{field.encode_name}`" in text for field in msgspec.inspect.type_info(kind).fields)


@pytest.mark.parametrize("words", [EventKind, Status, Severity, Comparison], ids=lambda words: words.__name__)
def test_each_word_of_a_field_is_named(words: type[Enum]):
    text = section("Messages of the client") + section("Messages of the server")
    assert [word.value for word in words if f"`{word.value}`" not in text] == []


def test_each_close_code_has_its_row_and_no_other():
    assert [int(row[0]) for row in rows("Close codes")] == sorted(CloseCode)


def test_each_error_has_its_row_with_its_status_and_whether_to_try_again():
    documented = {int(code): (int(status), again == "yes") for code, _, status, again in rows("Errors")}
    assert documented == {code: (kind.http_status, kind.temporary) for code, kind in ERRORS.items()}


def test_each_reason_of_a_recovery_has_its_row():
    # The other outcome, `ok`, is in the text: it needs no explanation of why not.
    assert [row[0].strip("`") for row in rows("Recovery")] == ["fresh", "epoch_changed", "trimmed", "ahead"]


def test_each_subprotocol_and_each_role_has_its_row():
    assert all(f"`{form.subprotocol}`" in section("Connecting") for form in WireForm)
    assert [row[0].strip("`") for row in rows("Tokens")] == list(ROLE_MAY)
