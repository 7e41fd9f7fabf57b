"""Writes `docs/protocol.md` from its template and from what the code says on the wire.

    python docs/generate_protocol.py            writes the page (`make docs`)

Prose is in `docs/protocol.template.md`; a line `<!-- generated: NAME -->` there is replaced with a table that is made
from the Structs of `protocol/messages.py`, from the errors and close codes of `protocol/errors.py`, and from their
docstrings. A test compares the committed page with what this would write.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from enum import Enum
from pathlib import Path
from typing import Any, get_args

import msgspec

FOLDER = Path(__file__).resolve().parent
if str(FOLDER.parent) not in sys.path:  # started as a script
    sys.path.insert(0, str(FOLDER.parent))

from engine.access.roles import ROLE_MAY, Verb  # noqa: E402
from engine.http import problems  # noqa: E402
from protocol import errors  # noqa: E402
from protocol import messages as m  # noqa: E402
from protocol.items import ItemResult, ReadingInput, TriggerInput  # noqa: E402
from protocol.model import (  # noqa: E402
    Alert,
    AlertState,
    Change,
    Comparison,
    Escalated,
    EventKind,
    QuietedBy,
    Reason,
    Severity,
    Status,
    Suppressed,
)

# Longer sets of words are named here and spelled out once, under Words.
WORDS_INLINE = 6
TEMPLATE, PAGE = FOLDER / "protocol.template.md", FOLDER / "protocol.md"
NOTICE = (
    "<!-- Written by docs/generate_protocol.py: change docs/protocol.template.md or the code, then `make docs`. -->\n\n"
)
MARK = re.compile(r"^<!-- generated: (\w+) -->$", re.MULTILINE)
OBJECTS = (m.Position, TriggerInput, ReadingInput, Alert, Escalated, Change, Suppressed, ItemResult)
WORDS = (Severity, AlertState, EventKind, QuietedBy, Status, Reason, Comparison)
# What the HTTP framework refuses before our code runs, by the number that it is told with.
OF_THE_FRAMEWORK = {
    errors.LimitReached.code: ["413: The body is too large"],
    errors.BadRequest.code: ["405: A method that is not possible there"],
}


def render(template: str) -> str:
    """The page for a template. Raises KeyError for a mark that means nothing."""
    return NOTICE + MARK.sub(lambda mark: PARTS[mark[1]](), template)


def client_messages() -> str:
    """One line for each message of the client."""
    rows = [
        (f"`{tag_of(kind)}`", names(kind), " or ".join(f"`{tag}`" for tag in kind.answered_by) or "nothing")
        for kind in get_args(m.ClientMessage)
    ]
    return table(("type", "fields", "answered by"), rows)


def server_messages() -> str:
    """One line for each message of the server."""
    rows = [(f"`{tag_of(kind)}`", names(kind), sentence(kind)) for kind in get_args(m.ServerMessage)]
    return table(("type", "fields", "meaning"), rows)


def message_fields() -> str:
    """Each message with its docstring and its fields, but for the `id` of requests and answers."""
    kinds = get_args(m.ClientMessage) + get_args(m.ServerMessage)
    return "\n\n".join(described(f"`{tag_of(kind)}`", kind) for kind in kinds)


def objects() -> str:
    """What stands inside messages."""
    titles = (*[f"{kind.__name__}" for kind in OBJECTS],)
    return "\n\n".join(described(title, kind) for title, kind in zip(titles, OBJECTS, strict=True))


def words() -> str:
    """The words of each field that has a fixed set of them."""
    rows = [(kind.__name__, ", ".join(f"`{word.value}`" for word in kind), doc_of(kind)) for kind in WORDS]
    return table(("", "words", "meaning"), rows)


def close_codes() -> str:
    """Why connections end."""
    return table(("code", "why"), [(str(int(code)), code.meaning) for code in sorted(errors.CloseCode)])


def error_numbers() -> str:
    """Errors by number, with every HTTP status that they are told with."""
    # Of several with one number the plainest names it: a bad request (400) is what the others are, too.
    plainest = sorted(subclasses(errors), key=lambda kind: -kind.http_status)
    kinds = {kind.code: kind for kind in plainest if kind is not errors.TocsinError and own_code(kind)}
    rows = []
    for code, kind in sorted(kinds.items()):
        special = [each for module in (errors, problems) for each in subclasses(module) if each.code == code]
        others = [(each.http_status, each) for each in special]
        others = [(status, each) for status, each in others if status != kind.http_status]
        statuses = [str(kind.http_status), *OF_THE_FRAMEWORK.get(code, ())]
        statuses += [f"{status}: {doc_of(each).rstrip('.')}" for status, each in sorted(others, key=lambda one: one[0])]
        again = [
            f"with {status} {yes_or_no(each.temporary)}" for status, each in others if each.temporary != kind.temporary
        ]
        statuses[1:] = sorted(statuses[1:])
        answers = "; ".join([yes_or_no(kind.temporary), *again])
        rows.append((str(code), doc_of(kind), "; ".join(statuses), answers))
    return table(("code", "meaning", "HTTP", "the same again later may work"), rows)


def roles() -> str:
    """What each role may do."""
    verbs = get_args(Verb)
    return table(
        ("role", "may"), [(f"`{role}`", ", ".join(v for v in verbs if v in may)) for role, may in ROLE_MAY.items()]
    )


PARTS: dict[str, Callable[[], str]] = {
    part.__name__: part
    for part in (client_messages, server_messages, message_fields, objects, words, close_codes, error_numbers, roles)
}


def described(title: str, kind: type) -> str:
    """A Struct: its docstring, and a line for each field."""
    rows = [
        (f"`{field.encode_name}`", shape(field.type) + null(kind, field), default_of(field))
        for field in fields_of(kind)
    ]
    head = f"### {title}\n{doc_of(kind)}"
    return f"{head}\n\n{table(('field', 'what', 'without it'), rows)}" if rows else head


def default_of(field: Any) -> str:
    """What a field that is left out means."""
    if field.required:
        return "must be there"
    default = field.default if field.default_factory is msgspec.NODEFAULT else field.default_factory()
    if default in (None, msgspec.UNSET, msgspec.NODEFAULT):
        return "-"
    return f"`{default.value if isinstance(default, Enum) else default}`".lower()


def shape(kind: Any) -> str:
    """A type in words, with its limits."""
    match kind:
        case msgspec.inspect.UnionType(types=types):
            return " or ".join(dict.fromkeys(filter(None, (shape(each) for each in types))))
        case msgspec.inspect.NoneType():
            return ""
        case msgspec.inspect.BoolType():
            return "true or false"
        case msgspec.inspect.IntType(ge=low, le=high):
            return "integer" + (f" of {low:,} to {high:,}" if high is not None else "")
        case msgspec.inspect.FloatType():
            return "finite number"
        case msgspec.inspect.StrType(min_length=low, max_length=high):
            return "text" if high is None else f"text of {low or 0:,} to {high:,} characters"
        case msgspec.inspect.EnumType(cls=words):
            return " ".join(f"`{word.value}`" for word in words) if len(words) <= WORDS_INLINE else words.__name__
        case msgspec.inspect.ListType(item_type=item, max_length=high, min_length=low):
            return f"list of {shape(item)}" + (f", {low or 0:,} to {high:,} of them" if high is not None else "")
        case msgspec.inspect.DictType(key_type=key, value_type=value, max_length=high):
            most = f", at most {high:,}" if high is not None else ""
            return f"map of {shape(key)} to {shape(value)}{most}"
        case msgspec.inspect.StructType(cls=struct):
            return str(struct.__name__)
    raise TypeError(f"no words for {kind}")


def subclasses(module: Any) -> Iterator[Any]:
    """The errors that a module defines."""
    for _, kind in inspect.getmembers(module, inspect.isclass):
        if issubclass(kind, errors.TocsinError) and kind.__module__ == module.__name__:
            yield kind


def own_code(kind: Any) -> bool:
    """Whether it is the error of its number, and not a special case of one."""
    return "code" in vars(kind) or kind is errors.InternalError


def names(kind: type) -> str:
    """The fields of a message but its `id`."""
    return ", ".join(f"`{field.encode_name}`" for field in fields_of(kind)) or "-"


def fields_of(kind: Any) -> list[Any]:
    """The fields of a Struct; of a message without the `id` that all may have."""
    is_message = kind.__struct_config__.tag is not None
    struct: Any = msgspec.inspect.type_info(kind)
    return [field for field in struct.fields if not (is_message and field.encode_name == "id")]


def null(kind: Any, field: Any) -> str:
    """Said of a field that is there also without a value."""
    is_optional = getattr(field.type, "includes_none", False)
    return " or `null`" if is_optional and (field.required or not kind.__struct_config__.omit_defaults) else ""


def tag_of(kind: Any) -> str:
    """A message's `type`."""
    return str(kind.__struct_config__.tag)


def doc_of(kind: type) -> str:
    """A docstring in one line."""
    return " ".join((inspect.getdoc(kind) or "").split())


def sentence(kind: type) -> str:
    """A docstring's first paragraph, in one line."""
    return " ".join((inspect.getdoc(kind) or "").split("\n\n")[0].split())


def yes_or_no(is_so: bool) -> str:
    """As people say it."""
    return "yes" if is_so else "no"


def table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    """A Markdown table."""
    lines = [f"| {' | '.join(line)} |" for line in (head, *rows)]
    return "\n".join([lines[0], "|" + "---|" * len(head), *lines[1:]])


if __name__ == "__main__":
    PAGE.write_text(render(TEMPLATE.read_text("utf-8")), "utf-8")
