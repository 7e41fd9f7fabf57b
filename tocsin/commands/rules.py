"""`tocsin rules`: the rules of a running engine, over HTTP."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import click

from tocsin.commands import options

PATH = "/api/v1/rules"
# Read by the engine; the others are read here.
_TEXTS = ("yaml", "prometheus")
_FORMS = {".json": "json", ".yaml": "yaml", ".yml": "yaml"}
_HEADS = ("RULE", "KIND", "FRAMEWORK", "METRIC", "SEVERITY", "ENABLED", "VERSION", "ORIGIN", "TITLE")
_COLUMNS = ("id", "kind", "framework", "metric", "severity", "enabled", "version", "origin", "title")


@click.group(short_help="Shows rules; makes and changes them.")
def rules() -> None:
    """Rules say what is worth ringing for. A change holds from the next reading on.

    \b
    tocsin rules add id=cpu framework=web metric=cpu_percent threshold=90
    tocsin rules edit cpu threshold=95 'labels={"team":"web"}'
    tocsin rules export > rules.toml
    tocsin rules import rules.toml --dry-run
    tocsin rules import alerts.yml --format prometheus
    """


@rules.command("list", short_help="Shows rules.")
@click.option("--framework", callback=options.filled, help="Only those of this framework.")
@click.option("--kind", multiple=True, metavar="WORD", help="threshold, anomaly, performance, milestone. Repeat.")
@click.option("--enabled/--disabled", default=None, help="Only those that are, or are not.")
@click.option("--search", "text", callback=options.filled, help="Looked for in id, title and metric.")
@click.option("--json", "as_json", is_flag=True, help="Prints one JSON object per rule.")
@options.administrator
def list_rules(
    framework: str | None, kind: tuple[str, ...], enabled: bool | None, text: str | None, as_json: bool, **given: Any
) -> None:
    """Shows rules in the order of their ids, those of the configuration file among them."""
    from tocsin.commands.api import api_of

    wanted = {"framework_id": framework, "kind": ",".join(kind), "q": text}
    wanted["enabled"] = None if enabled is None else str(enabled).lower()
    found = list(api_of(**given).pages(PATH, {name: value for name, value in wanted.items() if value}))
    if as_json:
        for rule in found:
            options.write(json.dumps(rule))
        return
    options.write_table([_HEADS, *([str(rule[column]) for column in _COLUMNS] for rule in found)])


@rules.command(short_help="Shows one rule whole.")
@click.argument("rule_id")
@options.administrator
def show(rule_id: str, **given: Any) -> None:
    """Shows the rule RULE_ID as JSON."""
    from tocsin.commands.api import api_of

    options.write(json.dumps(api_of(**given).ask("GET", _address(rule_id)), indent=2))


@rules.command(short_help="Makes a rule.")
@click.argument("fields", nargs=-1, required=True, metavar="FIELD=VALUE...")
@options.administrator
def add(fields: tuple[str, ...], **given: Any) -> None:
    """Makes a rule of FIELDs: values are JSON, or else texts; its kind is threshold unless said. Prints the id."""
    from tocsin.commands.api import api_of

    body = {"kind": "threshold"} | _fields(fields)
    options.write(api_of(**given).ask("POST", PATH, body)["id"])


@rules.command(short_help="Changes fields of a rule.")
@click.argument("rule_id")
@click.argument("fields", nargs=-1, required=True, metavar="FIELD=VALUE...")
@click.option("--version", type=click.IntRange(0), help="Only if this is still the present version. [that of now]")
@options.administrator
def edit(rule_id: str, fields: tuple[str, ...], version: int | None, **given: Any) -> None:
    """Changes FIELDs of the rule RULE_ID; `FIELD=null` gives one its default. Prints the new version."""
    from tocsin.commands.api import api_of

    api, address = api_of(**given), _address(rule_id)
    seen = api.ask("GET", address)["version"] if version is None else version
    options.write(str(api.ask("PATCH", address, _fields(fields), {"If-Match": f'"{seen}"'})["version"]))


def _bulk(action: str, done: str) -> click.Command:
    @click.argument("rule_ids", nargs=-1, required=True, metavar="RULE...")
    @options.administrator
    def change(rule_ids: tuple[str, ...], **given: Any) -> None:
        from tocsin.commands.api import api_of

        body = {"action": action, "ids": list(rule_ids)}
        results = api_of(**given).ask("POST", f"{PATH}/bulk", body)["results"]
        for result in results:
            is_done = result["status"] == "done"
            options.write(f"{result['id']}: {done if is_done else result.get('message') or result['status']}")
        if any(result["status"] != "done" for result in results):
            raise SystemExit(1)

    text = f"{action.capitalize()}s rules; what cannot be done to one keeps nobody back, and the exit code is 1 then."
    return rules.command(action, help=text, short_help=f"{action.capitalize()}s rules.")(change)


for _action, _done in (("enable", "enabled"), ("disable", "disabled"), ("delete", "deleted")):
    _bulk(_action, _done)


@rules.command(short_help="Writes the rules out as TOML, YAML or JSON.")
@click.option("--json", "form", flag_value="json", help="As JSON.")
@click.option("--yaml", "form", flag_value="yaml", help="As YAML.")
@options.administrator
def export(form: str | None, **given: Any) -> None:
    """Writes out the rules that people made here, as [[rules]] of tocsin.toml."""
    from tocsin.commands.api import api_of

    answer = api_of(**given).ask("GET", f"{PATH}/export?format={form or 'toml'}")
    options.write(json.dumps(answer) if form == "json" else answer or "")


@rules.command("import", short_help="Takes rules in from a file.")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--format", "form", type=click.Choice(["toml", "json", "yaml", "prometheus"]), help="[by the file's name]"
)
@click.option("--framework", callback=options.filled, help="What Prometheus' rules belong to. [prometheus]")
@click.option("--dry-run", is_flag=True, help="Only says what would become of them.")
@options.administrator
def import_file(file: Path, form: str | None, framework: str | None, dry_run: bool, **given: Any) -> None:
    """Makes and changes the rules of FILE, all or none; deletes nothing.

    FILE is TOML, JSON or YAML as `export` writes it, or a rule file of Prometheus; what of that has no counterpart is
    left out and named.
    """
    from tocsin.commands.api import api_of

    form = form or _FORMS.get(file.suffix, "toml")
    if framework and form != "prometheus":
        raise click.UsageError("--framework is for --format prometheus; other rules say what they belong to")
    query = {"format": form if form in _TEXTS else "json"} | ({"framework_id": framework} if framework else {})
    body = {"dry_run": dry_run} | _content_of(file, form)
    answer = api_of(**given).ask("POST", f"{PATH}/import?{urlencode(query)}", body)
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


def _fields(given: tuple[str, ...]) -> dict[str, Any]:
    found = {}
    for text in given:
        name, is_assignment, value = text.partition("=")
        if not is_assignment or not name:
            raise click.UsageError(f"{text!r} is no FIELD=VALUE; for example threshold=90")
        try:
            found[name] = json.loads(value)
        except ValueError:
            found[name] = value
    return found


def _address(rule_id: str) -> str:
    # Twice: what stands for a slash must still stand for it when the server has looked for slashes.
    return f"{PATH}/{quote(quote(rule_id, safe=''), safe='')}"
