"""`tocsin doctor`: the findings of `engine.doctor`, and a round trip as a client, as lines for people or as JSON."""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING

import click

from tocsin.commands import options

if TYPE_CHECKING:
    from engine.configuration.config import Config
    from engine.doctor import Finding


@click.command(short_help="Says what is wrong with installation and configuration.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object: ok, and all findings.")
@click.option("--store", metavar="URL", help="The store. [the SQLite file tocsin.db in the data folder]")
@click.option("--token", envvar="TOCSIN_TOKEN", callback=options.filled, hidden=True)
@options.api
@options.configuration
def doctor(
    as_json: bool, store: str | None, token: str | None, api: str | None, data: str | None, config_file: str | None
) -> None:
    """Looks at the installation, the configuration, the data folder and its store, keys, ports, certificate, limits,
    and at the engine that may be running: its health, queues and figures, and a round trip as a client. Changes
    nothing.

    A line for each finding: OK, WARNING (it runs, but look at it) or FAIL, and what to do. Exits with 1 if there is a
    FAIL.
    """
    import msgspec

    from engine.configuration import settings
    from engine.configuration.fields import ConfigError
    from engine.doctor import Level, elsewhere, examine

    overrides: dict[str, object] = {"data": data, "store": store}
    findings: list[Finding] = []
    if api is not None:
        doors, findings = elsewhere.doors(api, overrides, config_file)
        overrides |= doors
    findings += examine(overrides, config_file)
    with contextlib.suppress(ConfigError):  # said already
        findings += _round_trip(settings.load(overrides, file=config_file), token)
    is_well = all(finding.level is not Level.FAIL for finding in findings)
    if as_json:
        options.write(msgspec.json.encode({"ok": is_well, "findings": findings}).decode())
    else:
        for finding in findings:
            options.write(f"{finding.level.value:<8} {finding.check:<14} {finding.text}")
            if finding.advice:
                options.write(f"{'':<23} → {finding.advice}")
    sys.exit(0 if is_well else 1)


def _round_trip(config: Config, token: str | None) -> list[Finding]:
    """Nothing, if no engine of this configuration runs here. Raises ConfigError."""
    import trio

    from engine.access.certificate import trusting_our_own
    from engine.doctor import Finding, Level, asking, network
    from tocsin.commands.api import Api
    from tocsin.round_trip import CHECK, round_trip

    if not network.runs_here(config):
        return []
    token = token or asking.operators_token(config)
    if not token:
        return [Finding(CHECK, Level.WARNING, "not tried: there is no secret to make a token with", "set TOCSIN_TOKEN")]
    try:
        context = trusting_our_own(config)
    except OSError:
        return []  # said of the certificate already
    http, ws = (
        f"{scheme}://{asking.url_of(address)}"
        for scheme, address in ((config.http_scheme, config.http_address), (config.ws_scheme, config.ws_address))
    )
    api = Api(http, token, context)

    async def tell(client_id: str, message: str) -> None:
        body = {"to": "client", "id": client_id, "message": message}
        await trio.to_thread.run_sync(api.ask, "POST", "/api/v1/broadcast", body)

    return trio.run(round_trip, ws, token, context, tell)
