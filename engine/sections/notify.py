"""How people are told: the table `[notify]`, with `[notify.smtp]` for e-mail."""

from __future__ import annotations

from typing import Annotated

from engine.fields import Section, limit, why
from engine.sections.smtp import Smtp


class Notify(Section, frozen=True, kw_only=True):
    """Notifications: where their links lead."""

    public_url: Annotated[
        str, why("How people reach the HTTP port: https://alerts.example.com; empty: messages have no links.")
    ] = ""
    link_s: Annotated[
        float, limit(60, 2_592_000, "An acknowledge link in an e-mail is good for so long: three days.")
    ] = 259_200.0
    smtp: Smtp = Smtp()
