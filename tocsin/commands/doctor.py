"""`tocsin doctor`: the findings of `engine.doctor` as lines for people, or as JSON."""

from __future__ import annotations

import sys

import click

from tocsin.commands import options


@click.command(short_help="Says what is wrong with installation and configuration.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object: ok, and all findings.")
@click.option("--store", metavar="URL", help="The store. [the SQLite file tocsin.db in the data folder]")
@options.configuration
def doctor(as_json: bool, store: str | None, data: str | None, config_file: str | None) -> None:
    """Looks at the installation, the configuration, the data folder and its store, keys, ports, certificate, limits,
    and at the engine that may be running. Changes nothing.

    A line for each finding: OK, WARNING (it runs, but look at it) or FAIL, and what to do. Exits with 1 if there is a
    FAIL.
    """
    import msgspec

    from engine.doctor import Level, examine

    findings = examine({"data": data, "store": store}, config_file)
    is_well = all(finding.level is not Level.FAIL for finding in findings)
    if as_json:
        options.write(msgspec.json.encode({"ok": is_well, "findings": findings}).decode())
    else:
        for finding in findings:
            options.write(f"{finding.level.value:<8} {finding.check:<14} {finding.text}")
            if finding.advice:
                options.write(f"{'':<23} → {finding.advice}")
    sys.exit(0 if is_well else 1)
