"""How objects are printed: tables with one object a line for people, one JSON object a line for programs.

Words, not Python's: yes and no, `-` for what is not there, labels as `host=web-1`, times in UTC to the second (JSON has
all of them). Texts come from whoever may write them, so nothing of them may steer a terminal (`tocsin.terminal`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import click

from tocsin.commands import options

# What makes things by the clock belongs to the engine's operator.
_NOW = "tocsin schedules run {} --workspace system"
# The name of a field, or what to make of the whole object.
Column = str | Callable[[dict[str, Any]], Any]
# Heads of columns with nothing below them look like an answer that was cut off.
NONE = "there is none"
json_option = click.option("--json", "as_json", is_flag=True, help="Prints one JSON object per line.")
_TIME = re.compile(r"(\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2})\.\d+Z")


def show(
    items: Iterable[dict[str, Any]], columns: Mapping[str, Column], as_json: bool = False, if_none: str = NONE
) -> None:
    """Prints them under the heads that `columns` are named by; if there is none, `if_none` on standard error."""
    if as_json:
        for item in items:
            options.write(json.dumps(item))
        return
    rows = [[_shown(item, column) for column in columns.values()] for item in items]
    options.write_table([list(columns), *rows])
    if if_none and not rows:
        click.echo(if_none, err=True)


def looked_for(what: str, schedule: str, when: str) -> str:
    """What to say of an empty list that a schedule of the engine fills: when it does, and how it does now."""
    return f"no {what}: the engine looks by itself {when}, and now with: {_NOW.format(schedule)}"


def _shown(item: dict[str, Any], column: Column) -> str:
    return cell(item.get(column) if isinstance(column, str) else column(item))


def cell(value: Any) -> str:
    """A value as people write it, in one line."""
    from tocsin.terminal import printable

    if value in (None, "", [], {}):
        return "-"
    match value:
        case bool():
            return "yes" if value else "no"
        case dict():
            return ", ".join(f"{printable(name)}={cell(each)}" for name, each in value.items())
        case list():
            return ", ".join(map(cell, value))
    return printable(_TIME.sub(r"\1Z", str(value)))


def changes(line: Mapping[str, Any]) -> str:
    """What was different before and after a line of the audit trail: `state: active -> resolved`."""
    before, after = line["before"], line["after"]
    return ", ".join(f"{name}: {cell(before.get(name))} -> {cell(after.get(name))}" for name in sorted(before | after))
