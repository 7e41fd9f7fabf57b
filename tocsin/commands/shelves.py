"""What is kept as objects with versions (frameworks, users, teams, workspaces, and parts of others): the commands that
all kinds have, over HTTP.

Kinds differ in what they are called and in which fields a list shows; the commands are made here once. An edit names
the version that it was made to, so nobody's change is lost: a file that `show` printed has it inside.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tocsin.commands import options
from tocsin.commands.listing import NONE, Column, json_option, show

if TYPE_CHECKING:
    from tocsin.commands.api import Api

_BESIDE = frozenset({"version", "origin", "created_at", "updated_at", "updated_by", "archived_at", "state", "runs"})


@dataclass(frozen=True)
class Kind:
    """One kind of objects. `columns`: of its list; `example`: a FIELD=VALUE that is right; `workspace`: where they
    are kept, if not in everyone's own; `if_none`: what is said of an empty list."""

    plural: str
    name: str
    columns: Mapping[str, Column]
    example: str = "name=Web"
    workspace: str | None = None
    if_none: str = NONE

    @property
    def path(self) -> str:
        """Where its routes are."""
        return f"/api/v1/{self.plural}"

    def address(self, object_id: str) -> str:
        """Where one of them is."""
        from tocsin.commands.api import place

        return f"{self.path}/{place(object_id)}"

    def api(self, given: dict[str, Any]) -> Api:
        """The way to an engine, from the options of `options.administrator`."""
        from tocsin.commands.api import api_of

        return api_of(**given | {"workspace": given["workspace"] or self.workspace})

    def put(self, api: Api, object_id: str, body: dict[str, Any], version: int | None, is_whole: bool) -> str:
        """Makes an object, or changes what there is (`is_whole`: replaces it); what was done, in words.

        `version`: the one that was seen (None: that of now). Raises as `Api.ask`.
        """
        from protocol.errors import UnknownChannel

        address = self.address(object_id)
        try:
            now = api.ask("GET", address)["version"]
        except UnknownChannel:
            # Without a change that was seen: who has seen one and finds none is told so by the answer to his edit.
            if version is None:
                made = api.ask("POST", self.path, body)
                return f"{self.name} {object_id} made, version {made['version']}{once(made)}"
            now = version
        seen = {"If-Match": f'"{now if version is None else version}"'}
        changed = api.ask("PUT" if is_whole else "PATCH", address, body, seen)
        then = changed["version"]
        what = "was so already" if then == now else "changed"
        return f"{self.name} {object_id} {what}, version {then}{once(changed)}"


def once(answer: dict[str, Any]) -> str:
    """What an answer shows and no other will, and what is said of what is in it, as lines of their own."""
    lines = [f"secret, shown this once: {answer['secret']}"] if "secret" in answer else []
    if answer.get("unreachable"):
        lines.append(f"kept, but nothing arrives there now: {answer['unreachable']}")
    return "".join(f"\n{line}" for line in (*lines, *answer.get("unknown", ()), *answer.get("advice", ())))


def add_list(group: click.Group, kind: Kind) -> None:
    """`list`."""

    @group.command("list", help=f"Shows {kind.plural} in the order of their ids.", short_help=f"Shows {kind.plural}.")
    @click.option("--archived", is_flag=True, help="Only those that were put away.")
    @json_option
    @options.administrator
    def list_objects(archived: bool, as_json: bool, **given: Any) -> None:
        found = kind.api(given).pages(kind.path, {"archived": "true"} if archived else {})
        show(found, kind.columns, as_json, NONE if archived else kind.if_none)


def add_show(group: click.Group, kind: Kind) -> None:
    """`show`."""

    @group.command("show", help=f"Prints one {kind.name} as JSON.", short_help=f"Shows one {kind.name} whole.")
    @click.argument("object_id", metavar=kind.name.upper(), callback=options.filled)
    @options.administrator
    def show_object(object_id: str, **given: Any) -> None:
        options.write(json.dumps(kind.api(given).ask("GET", kind.address(object_id)), indent=2))


def add_put(group: click.Group, kind: Kind) -> None:
    """`put`: of fields, or of a file."""
    text = (
        f"Makes {_one(kind)}, or changes it if there is one of that id: the FIELDs that are named (values are "
        "JSON, or else texts; `FIELD=null` gives one its default), or with --file all of it. A file that "
        "`show` printed says its version, and is refused if somebody was faster."
    )

    @group.command("put", help=text, short_help=f"Makes or changes {_one(kind)}.")
    @click.argument("object_id", metavar=kind.name.upper(), callback=options.filled)
    @click.argument("fields", nargs=-1, metavar="[FIELD=VALUE]...")
    @click.option("--file", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="All of it, as JSON.")
    @click.option(
        "--version", type=click.IntRange(0), help="Only if it is still this one. [the file's, else that of now]"
    )
    @options.administrator
    def put(object_id: str, fields: tuple[str, ...], file: Path | None, version: int | None, **given: Any) -> None:
        if fields and file:
            raise click.UsageError("say either FIELD=VALUE (these are changed) or --file (all of it is replaced)")
        body = {"id": object_id} | (fields_of(fields, kind.example) if file is None else json_file(file))
        if body["id"] != object_id:
            # The engine would make the one that the body names: not the one that this command says it made.
            where = "FIELD=VALUE" if file is None else file
            raise click.UsageError(f"{where} says id {body['id']!r:.100}, not {object_id!r}: take the id out of it")
        seen = body.get("version") if version is None and file is not None else version
        options.write(kind.put(kind.api(given), object_id, body, seen, file is not None))


def _one(kind: Kind) -> str:
    # Of our kinds only a user begins with a vowel that is not spoken as one.
    return f"{'an' if kind.name[0] in 'aeio' else 'a'} {kind.name}"


def add_bulk(group: click.Group, kind: Kind, action: str, done: str, text: str, name: str | None = None) -> None:
    """A command that does the same to many; exits with 1 if it could not be done to one. `name`: if not the action."""
    name = name or action
    whole = f"{text} What cannot be done to one keeps nobody back, and the exit code is 1 then."

    @group.command(name, help=whole, short_help=text.partition(":")[0].partition(".")[0] + ".")
    @click.argument("ids", nargs=-1, required=True, metavar=f"{kind.name.upper()}...")
    @json_option
    @options.administrator
    def change(ids: tuple[str, ...], as_json: bool, **given: Any) -> None:
        results = kind.api(given).ask("POST", f"{kind.path}/bulk", {"action": action, "ids": list(ids)})["results"]
        for result in results:
            said = result.get("message")
            if result["status"] == "done":
                said = f"{done} already" if said else done
            options.write(json.dumps(result) if as_json else f"{result['id']}: {said or result['status']}")
        if any(result["status"] != "done" for result in results):
            raise SystemExit(1)


def one_by_one(ids: Sequence[str], do: Callable[[str], str]) -> None:
    """Does something to each and prints what it says. What is refused keeps nobody back, and ends with exit code 1."""
    from protocol.errors import BadRequest, UnknownChannel

    is_done = True
    for each in ids:
        try:
            options.write(do(each))
        except (BadRequest, UnknownChannel) as refusal:
            options.write(f"{each}: {refusal.message}")
            is_done = False
    if not is_done:
        raise SystemExit(1)


def own_fields(shown: Mapping[str, Any]) -> dict[str, Any]:
    """An object without what the engine shows besides its own fields."""
    return {name: value for name, value in shown.items() if name not in _BESIDE}


def fields_of(given: tuple[str, ...], example: str) -> dict[str, Any]:
    """`threshold=90` as fields of a body: values are JSON, or else texts. Raises UsageError with the example."""
    found = {}
    for text in given:
        name, is_assignment, value = text.partition("=")
        if not is_assignment or not name:
            raise click.UsageError(f"{text!r:.100} is no FIELD=VALUE; for example {example}")
        try:
            found[name] = json.loads(value)
        except ValueError:
            found[name] = value
    return found


def json_file(file: Path) -> dict[str, Any]:
    """The object that a file holds. Raises UsageError."""
    try:
        found = json.loads(file.read_text("utf-8"))
    except ValueError as fault:
        raise click.UsageError(f"{file} is no JSON: {fault}") from fault
    if not isinstance(found, dict):
        raise click.UsageError(f"{file} is no JSON object: write one as `show` prints it")
    return found
