"""What a page of the docs names of ours (routes, metrics, settings, commands, files), and whether it is there.

Asked are the product's own parts: its OpenAPI document, its metrics' page (a test holds that against the code), its
settings, its command line. So a page cannot go on naming what was renamed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

import click

from docs.generate_metrics import render
from engine.configuration.config import FIELDS
from tests.support.engines import ROOT
from tocsin.cli import cli

CODE = re.compile(r"`([^`]+)`")
ROUTE = re.compile(r"(GET|POST|PUT|PATCH|DELETE) (/[^\s?`]*)")
COMMAND = re.compile(r"tocsin( [a-z][a-z-]*)( [a-z][a-z-]*)?")
METRIC = re.compile(
    r"\b(?:tocsin|alerts?|notifications|queue|websocket|cache)_\w*(?:_total|_ms|_seconds|_percent|_active|_count)\b"
)
VARIABLE = re.compile(r"\bTOCSIN_[A-Z_]+\b")
SECTIONS = {field.section for field in FIELDS.values() if field.section}
SETTING = re.compile(rf"(?:{'|'.join(sorted(map(re.escape, SECTIONS)))})\.[a-z_]+")
# Of a histogram's name in a query.
_PART = re.compile(r"_(bucket|sum|count)$")


def missing_routes(text: str, document: Mapping[str, Any]) -> list[str]:
    """Routes that the text names and the OpenAPI document has not."""
    there = {f"{method.upper()} {path}" for path, methods in document["paths"].items() for method in methods}
    there.add("GET /schema")
    return [f"{method} {path}" for method, path in ROUTE.findall(text) if f"{method} {path}" not in there]


@cache
def metrics() -> frozenset[str]:
    """The names of all metrics that the engine itself shows."""
    return frozenset(re.findall(r"^\| `(\w+)` \|", render(), re.MULTILINE))


def missing_metrics(text: str) -> list[str]:
    """Metrics that the text names and the engine does not show."""
    named = METRIC.findall(text)
    return [name for name in named if name not in metrics() and _PART.sub("", name) not in metrics()]


def variables() -> frozenset[str]:
    """The variables that settings have."""
    return frozenset("TOCSIN_" + key.replace(".", "_").upper() for key in FIELDS)


def missing_settings(text: str, known: Iterable[str] = ()) -> list[str]:
    """Settings and variables that the text names and the configuration does not know; `known`: variables of others."""
    keys = [
        setting[0]
        for span in CODE.findall(text)
        if (setting := SETTING.match(span)) and setting[0] not in FIELDS and not span.endswith(".py")
    ]
    return keys + sorted(set(VARIABLE.findall(text)) - variables() - set(known))


def missing_commands(text: str) -> list[str]:
    """Commands that the text names in code and the command line does not have, with the options that each names."""
    return [span for span in CODE.findall(text) if COMMAND.match(span) and not is_command(span)]


def is_command(line: str) -> bool:
    """Whether `tocsin …` is a command with these options."""
    at: click.Command = cli
    for word in line.split()[1:]:
        options = {option for each in at.params for option in each.opts}
        if word.startswith("-"):
            if word.partition("=")[0] not in options | {"--help"}:
                return False
        elif isinstance(at, click.Group):
            inner = at.commands.get(word)
            if inner is None:
                return False
            at = inner
    return True


def missing_files(text: str) -> list[str]:
    """Files and folders of the project that the text names in code, or links to, and that are not there."""
    named = [
        span
        for span in CODE.findall(text)
        if re.fullmatch(r"(actors|engine|protocol|tocsin|tests|deploy|docs)/[\w./-]*", span)
    ]
    links = [f"docs/{link}" for link in re.findall(r"\]\((?!https?:)([\w./-]+)", text)]
    return [path for path in named + links if not (ROOT / path).exists()]
