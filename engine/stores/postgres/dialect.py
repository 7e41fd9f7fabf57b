"""Says in Postgres' words what the stores' SQL says in SQLite's. Pure; each text is translated once.

The rules are few and look at words, not at meaning, so the shared SQL keeps to what they know: numbers out of JSON are
cast (`CAST(value ->> 0 AS INTEGER)`), a table is named in `ON CONFLICT DO UPDATE SET` where a column of its own is
read, every condition is one (`= 1`). What no rule can say has a text of its own beside it (`either`). Each rule has
its test, and every statement of the stores is run against a real server by the conformance suite.

Decided against: a library that parses SQL (it would be larger than the store), and functions in the database that are
called as SQLite's are (they would have to be there before we may ask whether the database is ours).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from itertools import count

from engine.stores.tables.connection import OTHERWISE, ManyRows

# All texts of the stores are a few hundred; lists with many combinations of filters make some more.
TEXTS_REMEMBERED = 4_096
TYPES = {"i": "bigint", "t": "text", "f": "double precision", "b": "bytea"}

_LITERAL = re.compile(r"'(?:[^']|'')*'")
_JSON_PATH = re.compile(r"\s*'\$(?P<path>[^']*)'\s*")
_STEP = re.compile(r"\.(\w+)|\[#?(-?\d+)\]")
# What may follow a table that has a name of its own already.
_UNNAMED = re.compile(r"\s*(?:$|[),;]|(?:WHERE|ORDER|GROUP|LIMIT|UNION|JOIN|LEFT|CROSS|ON|RETURNING)\b)")
_WORDS: list[tuple[re.Pattern[str], str]] = [
    (re.compile(r"\s+INDEXED BY \w+"), ""),
    (re.compile(r"\bCROSS JOIN\b"), "JOIN"),
    (re.compile(r"\bjson_array\("), "json_build_array("),
    (re.compile(r"\bjson_object\("), "json_build_object("),
    (re.compile(r"\binstr\("), "strpos("),
    (re.compile(r"\bAS INTEGER\)"), "AS bigint)"),
    (re.compile(r'(?<!")\buser\b(?!")'), '"user"'),
    # A plus keeps SQLite's planner from an index; Postgres would add up.
    (re.compile(r"(?<=[\s(])\+(?=[a-z_.]+ (?:=|IN)\b|[a-z_.]+ =)"), ""),
]


@lru_cache(TEXTS_REMEMBERED)
def translated(sql: str) -> str:
    """The same statement for Postgres."""
    for ours, theirs in _otherwise():
        sql = sql.replace(ours, theirs)
    sql = _functions(_lists(sql))
    sql = "".join(part if is_literal else _words(part) for part, is_literal in _parts(sql))
    return _numbered(_named(sql))


@lru_cache(TEXTS_REMEMBERED)
def by_columns(head: str, types: str, tail: str) -> str:
    """A statement that writes rows, handed over as an array a column."""
    arrays = ", ".join(f"${n}::{TYPES[letter]}[]" for n, letter in enumerate(types, 1))
    names = ", ".join(f"column{n}" for n in range(1, len(types) + 1))
    return translated(f"{head} SELECT * FROM unnest({arrays}) AS given ({names}) {tail}")  # noqa: S608  # our own words


@lru_cache(TEXTS_REMEMBERED)
def joined(texts: tuple[str, ...]) -> str:
    """Several statements that write as one; their parameters follow on each other."""
    done, parts = 0, []
    for text in texts:
        numbers = [int(number) for number in re.findall(r"\$(\d+)", text)]
        parts.append(re.sub(r"\$(\d+)", lambda number, done=done: f"${int(number[1]) + done}", text))  # type: ignore[misc]
        done += max(numbers, default=0)
    *first, last = parts
    names = ", ".join(f"write{n} AS ({part})" for n, part in enumerate(first, 1))
    return f"WITH {names} {last}" if first else last


def conflict_columns(rows: ManyRows) -> list[int]:
    """Which columns of a row say which row of the table it means, if there may be one that it changes; else none.

    Postgres refuses to change a row twice in one statement.
    """
    found = re.match(r"\s*ON CONFLICT \(([^)]*)\)", rows.tail)
    if found is None or "DO UPDATE" not in rows.tail:
        return []
    columns = [name.strip() for name in rows.head[rows.head.index("(") + 1 : rows.head.rindex(")")].split(",")]
    return [columns.index(name.strip()) for name in found[1].split(",")]


def _otherwise() -> list[tuple[str, str]]:
    return sorted(OTHERWISE.items(), key=lambda pair: -len(pair[0]))


def _parts(sql: str) -> Iterator[tuple[str, bool]]:
    """The text in pieces, and of each whether it is a literal."""
    end = 0
    for literal in _LITERAL.finditer(sql):
        yield sql[end : literal.start()], False
        yield literal[0], True
        end = literal.end()
    yield sql[end:], False


def _words(sql: str) -> str:
    for pattern, theirs in _WORDS:
        sql = pattern.sub(theirs, sql)
    return sql


def _lists(sql: str) -> str:
    """A list in JSON: an array where it is looked into, rows else."""
    sql = re.sub(
        r" IN \(SELECT (value|CAST\(value AS INTEGER\)) FROM json_each\((\?\d*)\)\)",
        r" = ANY(ARRAY(SELECT \1 FROM jsonb_array_elements_text(\2::text::jsonb)))",
        sql,
    )
    # Looked into: its elements are JSON. Else they are texts.
    as_json = "jsonb_array_elements" if re.search(r"\bvalue ->", sql) else "jsonb_array_elements_text"
    return re.sub(r"\bjson_each\((\?\d*)\)", rf"{as_json}(\1::text::jsonb)", sql)


def _functions(sql: str) -> str:
    """Functions whose arguments must be looked at."""
    rules: dict[str, Callable[[list[str]], str]] = {
        "group_concat": lambda a: f"string_agg({a[0]}, ',')",
        "json_group_array": lambda a: f"coalesce(json_agg({a[0]}), '[]'::json)",
        "json_extract": lambda a: f"(CAST({a[0]} AS jsonb) #>> '{_path(a[1])}')",
        "json": lambda a: f"CAST({a[0]} AS json)",
        "min": lambda a: f"least({', '.join(a)})" if len(a) > 1 else f"min({a[0]})",
        "max": lambda a: f"greatest({', '.join(a)})" if len(a) > 1 else f"max({a[0]})",
    }
    found = re.compile(rf"(?<![\w.])({'|'.join(rules)})\(")
    done, rest = "", sql
    while call := found.search(rest):
        arguments, end = _arguments(rest, call.end())
        done += rest[: call.start()] + rules[call[1]]([_functions(each) for each in arguments])
        rest = rest[end:]
    return done + rest


def _arguments(sql: str, start: int) -> tuple[list[str], int]:
    """What stands between a parenthesis that has opened before `start` and its end, comma by comma; and that end."""
    found, begin = list[str](), start
    for place, character, depth in _walk(sql, start):
        if character == "," and depth == 0:
            found.append(sql[begin:place].strip())
            begin = place + 1
        elif depth < 0:
            return [*found, sql[begin:place].strip()], place + 1
    raise ValueError(f"a parenthesis is not closed: {sql}")


def _walk(sql: str, start: int) -> Iterator[tuple[int, str, int]]:
    """Place, character and depth of parentheses (after the character) of all that is no literal."""
    depth, is_literal = 0, False
    for place in range(start, len(sql)):
        character = sql[place]
        is_literal ^= character == "'"
        if not is_literal:
            depth += (character == "(") - (character == ")")
            yield place, character, depth


def _path(text: str) -> str:
    """`'$.a[#-1].b'` → `{a,-1,b}`."""
    path = _JSON_PATH.fullmatch(text)
    if path is None:
        raise ValueError(f"not a path that can be translated: {text}")
    return "{" + ",".join(name or index for name, index in _STEP.findall(path["path"])) + "}"


def _named(sql: str) -> str:
    """Each subquery that stands for a table needs a name."""
    names = (f"table{number}" for number in count(1))
    place = 0
    while found := re.compile(r"\b(?:FROM|JOIN) \(").search(sql, place):
        _, end = _arguments(sql, found.end())
        if _UNNAMED.match(sql, end):
            sql = f"{sql[:end]} AS {next(names)}{sql[end:]}"
        place = found.end()
    return sql


def _numbered(sql: str) -> str:
    """`?` and `?2` → `$1` and `$2`."""
    numbers = count(1)

    def number(mark: re.Match[str]) -> str:
        return f"${mark[1] or next(numbers)}"

    return "".join(part if is_literal else re.sub(r"\?(\d*)", number, part) for part, is_literal in _parts(sql))
