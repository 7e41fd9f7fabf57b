"""`tocsin rules`: the rules of a running engine, over HTTP."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import click

from tocsin.commands import options
from tocsin.commands.listing import Column, json_option, show
from tocsin.commands.shelves import Kind, add_bulk, add_show, fields_of, own_fields

# Read by the engine; the others are read here.
_TEXTS = ("yaml", "prometheus")
_FORMS = {".json": "json", ".yaml": "yaml", ".yml": "yaml"}


def _title(rule: dict[str, Any]) -> str:
    """What its alerts are called; with a title of its own that, with what stands in braces there."""
    import msgspec

    from engine.core.rules.book import title_of
    from protocol.rules import Rule

    try:
        return title_of(msgspec.convert(own_fields(rule), Rule))
    except msgspec.ValidationError:
        # An engine of another version has rules that we do not know.
        return str(rule["title"])


def _value(series: dict[str, Any]) -> str | None:
    """As `tail` shows it."""
    return None if series["value"] is None else f"{series['value']:g}"


RULES = Kind(
    "rules",
    "rule",
    {
        "RULE": "id", "KIND": "kind", "FRAMEWORK": "framework", "METRIC": "metric", "SEVERITY": "severity",
        "ENABLED": "enabled", "VERSION": "version", "ORIGIN": "origin", "TITLE": _title,
    },
    example="threshold=90",
)  # fmt: skip
_SERIES: dict[str, Column] = {
    "LABELS": "labels", "STATE": "state", "VALUE": _value, "SINCE": "since", "UNTIL": "until",
    "LAST READING": "last_at", "ALERT": lambda series: series["alert_id"] or series["no_data_alert_id"],
}  # fmt: skip


@click.group(short_help="Shows rules; makes and changes them.")
def rules() -> None:
    """Rules say what is worth ringing for. A change holds from the next reading on.

    \b
    tocsin rules add id=cpu framework=web metric=cpu_percent threshold=90
    tocsin rules edit cpu threshold=95 'labels={"team":"web"}'
    tocsin rules series cpu --state pending --state firing
    tocsin rules backtest cpu threshold=99 --since 7d
    tocsin rules export > rules.toml
    tocsin rules import rules.toml --dry-run
    tocsin rules import alerts.yml --format prometheus
    """


@rules.command("list", short_help="Shows rules.")
@click.option("--framework", metavar="NAME", callback=options.filled, help="Only those of this framework.")
@click.option("--kind", multiple=True, metavar="WORD", help="threshold, anomaly, performance, milestone. Repeat.")
@click.option("--enabled/--disabled", default=None, help="Only those that are, or are not.")
@click.option("--search", "text", callback=options.filled, help="Looked for in id, title and metric.")
@click.option("--archived", is_flag=True, help="Only those that were put away.")
@json_option
@options.administrator
def list_rules(
    framework: str | None,
    kind: tuple[str, ...],
    enabled: bool | None,
    text: str | None,
    archived: bool,
    as_json: bool,
    **given: Any,
) -> None:
    """Shows rules in the order of their ids, those of the configuration file among them."""
    wanted = {"framework_id": framework, "kind": ",".join(kind), "q": text}
    wanted["archived"] = "true" if archived else None
    wanted["enabled"] = None if enabled is None else str(enabled).lower()
    found = RULES.api(given).pages(RULES.path, {name: value for name, value in wanted.items() if value})
    show(found, RULES.columns, as_json)


add_show(rules, RULES)


@rules.command(short_help="Shows what a rule sees now.")
@click.argument("rule_id", metavar="RULE", callback=options.filled)
@click.option("--state", multiple=True, metavar="WORD", help="idle, pending, firing, keeping, no_data. Repeat.")
@json_option
@options.administrator
def series(rule_id: str, state: tuple[str, ...], as_json: bool, **given: Any) -> None:
    """Shows the series that a rule watches: the state of each, since when, its value, and the alert that is open."""
    wanted = {"state": ",".join(state)} if state else {}
    show(RULES.api(given).pages(f"{RULES.address(rule_id)}/series", wanted), _SERIES, as_json)


@rules.command(short_help="Makes a rule.")
@click.argument("fields", nargs=-1, required=True, metavar="FIELD=VALUE...")
@options.administrator
def add(fields: tuple[str, ...], **given: Any) -> None:
    """Makes a rule of FIELDs: values are JSON, or else texts; its kind is threshold unless said. Prints the id."""
    body = {"kind": "threshold"} | fields_of(fields, RULES.example)
    options.write(RULES.api(given).ask("POST", RULES.path, body)["id"])


@rules.command(short_help="Changes fields of a rule.")
@click.argument("rule_id")
@click.argument("fields", nargs=-1, required=True, metavar="FIELD=VALUE...")
@click.option("--version", type=click.IntRange(0), help="Only if this is still the present version. [that of now]")
@options.administrator
def edit(rule_id: str, fields: tuple[str, ...], version: int | None, **given: Any) -> None:
    """Changes FIELDs of the rule RULE_ID; `FIELD=null` gives one its default. Prints the new version."""
    api, address = RULES.api(given), RULES.address(rule_id)
    seen = api.ask("GET", address)["version"] if version is None else version
    options.write(
        str(api.ask("PATCH", address, fields_of(fields, RULES.example), {"If-Match": f'"{seen}"'})["version"])
    )


for _action in ("enable", "disable", "delete", "archive", "restore"):
    add_bulk(rules, RULES, _action, _action.rstrip("e") + "ed", f"{_action.capitalize()}s rules.")


@rules.command(short_help="Writes the rules out as TOML, YAML or JSON.")
@click.option("--format", "form", type=click.Choice(["toml", "yaml", "json"]), help="[toml]")
@click.option("--json", "form", flag_value="json", help="As JSON.")
@click.option("--yaml", "form", flag_value="yaml", help="As YAML.")
@options.administrator
def export(form: str | None, **given: Any) -> None:
    """Writes out the rules that people made here, as [[rules]] of tocsin.toml."""
    answer = RULES.api(given).ask("GET", f"{RULES.path}/export?format={form or 'toml'}")
    options.write(json.dumps(answer) if form == "json" else answer or "")


@rules.command("import", short_help="Takes rules in from a file.")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--format", "form", type=click.Choice(["toml", "json", "yaml", "prometheus"]), help="[by the file's name]"
)
@click.option("--framework", callback=options.filled, help="What Prometheus' rules belong to. [prometheus]")
@click.option("--dry-run", is_flag=True, help="Only says what would become of them.")
@click.option("--json", "as_json", is_flag=True, help="Prints the results, and what is left out, as JSON.")
@options.administrator
def import_file(
    file: Path, form: str | None, framework: str | None, dry_run: bool, as_json: bool, **given: Any
) -> None:
    """Makes and changes the rules of FILE, all or none; deletes nothing.

    FILE is TOML, JSON or YAML as `export` writes it, or a rule file of Prometheus; what of that has no counterpart is
    left out and named.
    """
    form = form or _FORMS.get(file.suffix, "toml")
    if framework and form != "prometheus":
        raise click.UsageError("--framework is for --format prometheus; other rules say what they belong to")
    query = {"format": form if form in _TEXTS else "json"} | ({"framework_id": framework} if framework else {})
    body = {"dry_run": dry_run} | _content_of(file, form)
    answer = RULES.api(given).ask("POST", f"{RULES.path}/import?{urlencode(query)}", body)
    if as_json:
        options.write(json.dumps(answer))
        return
    for result in answer["results"]:
        options.write(f"{result['id']}: {result['action']}")
    for each in answer["left_out"]:
        name = "/".join(filter(None, (each["group"], each["rule"])))
        options.write(f"{name}: left out{each['part'] and ' ' + each['part']}: {each['reason']}")


def _content_of(file: Path, form: str) -> dict[str, Any]:
    try:
        text = file.read_text("utf-8")
        if form in _TEXTS:
            return {"text": text}
        found = json.loads(text) if form == "json" else tomllib.loads(text)
        return {"rules": [{"kind": "threshold"} | rule for rule in found["rules"]]}
    except (ValueError, KeyError, TypeError) as fault:
        raise click.UsageError(f"{file} has no rules ({fault}): write them as [[rules]] of tocsin.toml") from fault
