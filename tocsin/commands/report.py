"""`tocsin report`: one's own weekly report, looked at or sent by mail, over HTTP."""

from __future__ import annotations

from typing import Any

import click

from tocsin.commands import options

PATH = "/api/v1/reports/weekly"


@click.command(short_help="Shows the weekly report, or sends it by mail.")
@click.option("--html", "as_html", is_flag=True, help="Print it as HTML, as mail programs show it.")
@click.option("--send", is_flag=True, help="Send it now, to the address of whose token this is.")
@options.administrator
def report(as_html: bool, send: bool, **given: Any) -> None:
    """Shows what the last seven days were like: alerts, rules, incidents, health, and what is expected next.

    Who wants it by mail each week says so: tocsin preferences put NAME 'weekly_report={"day":"mon","hour":8}'
    """
    from tocsin.commands.api import api_of

    api = api_of(**given)
    if send:
        taken = api.ask("POST", PATH)
        options.write(f"the report is sent to {taken['to']} (job {taken['job_id']})")
        return
    options.write(api.ask("GET", f"{PATH}?format={'html' if as_html else 'text'}").rstrip("\n"))
