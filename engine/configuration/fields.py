"""What a setting is: its name, type, default and reason, the check of a value, and the error that an operator reads.

Knows nothing of the settings themselves: those are in `engine.sections`. A value is checked against its type by
msgspec; the sentence that says what to use instead is ours, made from the same type, so that the two cannot part.
"""

from __future__ import annotations

import difflib
import functools
import ipaddress
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, get_args, get_type_hints

import msgspec
from msgspec import inspect

MASK = "********"
# `scheme://user:password@`, or whatever stands there that should have been written otherwise.
_URL_LOGIN = re.compile(r"(\A[a-z+]*://(?:[^/@:]*:)?).*@", re.DOTALL)


class ConfigError(Exception):
    """The configuration cannot be used. The text names the key, the value, what is allowed, and where it came from."""

    def __init__(self, key: str, problem: str, source: str = "") -> None:
        super().__init__(key, problem, source)
        self.key = key
        self.problem = problem
        self.source = source

    def __str__(self) -> str:
        return f"{self.key}: {self.problem}" + (f" (set by {self.source})" if self.source else "")


class Secret:
    """A text that is not shown: `reveal()` is the only way to it."""

    __slots__ = ("_text",)

    def __init__(self, text: str = "") -> None:
        self._text = text

    def reveal(self) -> bytes:
        """The secret itself, UTF-8; empty if there is none."""
        return self._text.encode()

    def __bool__(self) -> bool:
        return bool(self._text)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        return hash(self._text)

    def __repr__(self) -> str:
        return f"Secret({MASK if self._text else ''})"


class SecretUrl(Secret):
    """A URL that may hold a password: `reveal()` is the only way to that, `shown` has the rest."""

    @property
    def shown(self) -> str:
        """For people: what stands before the last `@` is masked, but for a user's name."""
        return _URL_LOGIN.sub(lambda found: f"{found[1]}{MASK}@", self._text)

    def __repr__(self) -> str:
        return f"SecretUrl({self.shown})"


class Address(NamedTuple):
    """Where a server listens. Port 0 is any free one."""

    host: str
    port: int

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach it. A name other than `localhost` is taken as public."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    @property
    def url_host(self) -> str:
        """The host as it is written in a URL: IPv6 in brackets."""
        return f"[{self.host}]" if ":" in self.host else self.host


def limit(low: float, high: float, reason: str) -> msgspec.Meta:
    """A number from `low` to `high`, and why its default is what it is."""
    return msgspec.Meta(ge=low, le=high, description=reason)


def why(text: str) -> msgspec.Meta:
    """Any value of its type, and what it is for."""
    return msgspec.Meta(description=text)


def parse_address(text: str) -> Address:
    """`127.0.0.1:8080`, `[::1]:8080` or `name:8080`. Raises ValueError that says what is allowed."""
    host, _, port = text.rpartition(":")
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    unbracketed_ipv6 = ":" in bare and bare == host
    if not bare or unbracketed_ipv6 or not re.fullmatch(r"[0-9]{1,5}", port) or int(port) > 65_535:
        raise ValueError("HOST:PORT, the port from 0 (any free one) to 65535, IPv6 in brackets")
    return Address(bare, int(port))


class Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A table of the configuration file."""


class Field(NamedTuple):
    """One setting: its key (`gateway.heartbeat_s`), what it may be, its default, and why it is."""

    key: str
    type: Any
    default: Any
    description: str

    @property
    def variable(self) -> str:
        """The environment variable that sets it."""
        return "TOCSIN_" + self.key.replace(".", "_").upper()

    @property
    def section(self) -> str:
        """The table that it stands in; empty for the top level."""
        return self.key.rpartition(".")[0]

    @property
    def name(self) -> str:
        """Its name inside its section."""
        return self.key.rpartition(".")[2]

    @property
    def kind(self) -> inspect.Type:
        """Its type without the description."""
        return _kind_of(self.type)

    def of(self, config: object) -> Any:
        """Its value in a configuration."""
        return functools.reduce(getattr, self.key.split("."), config)


@functools.cache
def _kind_of(annotation: Any) -> inspect.Type:
    """Asked for each setting, several times, whenever a configuration is checked; there are as many as settings."""
    kind = inspect.type_info(annotation)
    return kind.type if isinstance(kind, inspect.Metadata) else kind


def fields_of(struct: type[Section], prefix: str = "") -> dict[str, Field]:
    """Every setting of a tree of sections, by key, in order. Each is `Annotated[type, Meta(description=...)]`."""
    found: dict[str, Field] = {}
    hints = get_type_hints(struct, include_extras=True)
    for info in msgspec.structs.fields(struct):
        hint, key = hints[info.name], prefix + info.name
        if isinstance(hint, type):
            found |= fields_of(hint, f"{key}.")
        else:
            found[key] = Field(key, hint, info.default, get_args(hint)[1].description)
    return found


Checks = Mapping[str, Callable[[Any], object]]
Structs = Sequence[type[msgspec.Struct]]


def check(field: Field, value: object, extra: Checks, *, text: bool = False) -> Any:
    """The value in its field's type. Raises ConfigError.

    `extra`: by key, what raises ValueError with a text that goes on after "use". `text`: the value comes from a
    variable, so "5" is a number too. A list of tables is checked table by table and member by member (`rules[0].id`,
    looked up in `extra` as `rules.id`), so that a mistake in it is told like any other.
    """
    if structs := _tables_of(field):
        value = _tables(field, structs, value, extra)
    try:
        known = msgspec.convert(value, field.type, strict=not text, dec_hook=_custom)
        if field.key in extra:
            extra[field.key](known)
    except (ValueError, TypeError) as fault:
        # `from None`: the cause's text may hold the value, which may be a secret.
        raise ConfigError(field.key, _problem(field, value, fault)) from None
    return known


def _custom(kind: type, value: Any) -> Any:
    if isinstance(value, kind):
        return value
    if not isinstance(value, str):
        raise ValueError("a text")
    return kind(value)


def _tables_of(field: Field) -> Sequence[type[msgspec.Struct]]:
    """The structs that a list of tables may hold, the one of a table that does not say its kind first; or none."""
    item = field.kind.item_type if isinstance(field.kind, inspect.VarTupleType) else None
    kinds = item.types if isinstance(item, inspect.UnionType) else (item,)
    return [kind.cls for kind in kinds if isinstance(kind, inspect.StructType)]


def _tables(field: Field, structs: Structs, value: object, extra: Checks) -> list[msgspec.Struct]:
    if not isinstance(value, list | tuple):
        raise ConfigError(field.key, f"{value!r:.80} is not allowed: use tables, [[{field.key}]]")
    return [_table(field.key, f"{field.key}[{place}]", structs, row, extra) for place, row in enumerate(value)]


def _table(name: str, key: str, structs: Structs, row: object, extra: Checks) -> msgspec.Struct:
    # A table of a program's own configuration is a struct already; nobody has looked into it yet.
    if isinstance(row, msgspec.Struct) and isinstance(row, tuple(structs)):
        struct, given = type(row), msgspec.structs.asdict(row)
    elif isinstance(row, dict):
        struct, given = _told_apart(key, structs, row)
    else:
        raise ConfigError(key, f"{row!r:.80} is not allowed: use a table, [[{name}]]")
    members = _members(struct)
    for member in given:
        if member not in members:
            raise ConfigError(f"{key}.{member}", f"is no setting; did you mean {nearest(member, members)}?")
    for info in msgspec.structs.fields(struct):
        if info.required and info.name not in given:
            raise ConfigError(f"{key}.{info.name}", f"is missing: use {allowed(members[info.name].kind)}")
    made = {}
    for member, value in given.items():
        field = members[member]._replace(key=f"{key}.{member}")
        own = extra.get(f"{name}.{member}")
        made[member] = check(field, value, {field.key: own} if own else {})
    return struct(**made)


def _told_apart(key: str, structs: Structs, given: dict[str, Any]) -> tuple[type[msgspec.Struct], dict[str, Any]]:
    """Which struct a table is, and the table without the word that says so; without one it is the first."""
    name = structs[0].__struct_config__.tag_field
    if name is None or name not in given:
        return structs[0], given
    by_tag = {struct.__struct_config__.tag: struct for struct in structs}
    tag = given[name]
    if not isinstance(tag, str) or tag not in by_tag:
        raise ConfigError(f"{key}.{name}", f"{tag!r:.80} is not allowed: use {', '.join(map(str, by_tag))}")
    return by_tag[tag], {member: value for member, value in given.items() if member != name}


@functools.cache
def _members(struct: type[msgspec.Struct]) -> Mapping[str, Field]:
    return {name: Field(name, kind, None, "") for name, kind in get_type_hints(struct, include_extras=True).items()}


def nearest(name: str, known: Iterable[str]) -> str:
    """The known name that a wrong one was probably meant to be."""
    return difflib.get_close_matches(name, list(known), n=1, cutoff=0.0)[0]


def _problem(field: Field, value: object, fault: Exception) -> str:
    own_words = not isinstance(fault, msgspec.ValidationError)
    shown = MASK if _is_secret(field) else f"{value!r:.80}"
    return f"{shown} is not allowed: use {fault if own_words else allowed(field.kind)}"


def _is_secret(field: Field) -> bool:
    return isinstance(field.kind, inspect.CustomType) and issubclass(field.kind.cls, Secret)


def allowed(kind: inspect.Type) -> str:
    """What a type allows, as words that go on after "use"."""
    match kind:
        case inspect.UnionType(types=(first, *_)):
            # The other one is None, for what is not given.
            return allowed(first)
        case inspect.FloatType(le=sys.float_info.max):
            return "a finite number"
        case inspect.FloatType(ge=low, le=high):
            return f"a number from {low:.10g} to {high:.10g}"
        case inspect.IntType(ge=low, le=high):
            return f"a whole number from {low} to {high}"
        case inspect.BoolType():
            return "true or false"
        case inspect.LiteralType(values=words):
            return "one of " + ", ".join(map(str, words))
        case inspect.EnumType(cls=members):
            return "one of " + ", ".join(member.value for member in members)
        case inspect.VarTupleType(item_type=inspect.FloatType()):
            return "a list of numbers"
        case inspect.VarTupleType():
            return "a list of texts"
        case inspect.DictType() | inspect.StructType():
            return "a table"
        case inspect.StrType(max_length=int(most)):
            return f"a text of {kind.min_length or 0} to {most} characters"
        case _:
            return "a text"
