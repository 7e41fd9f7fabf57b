"""How people are told, and how other people's servers are reached: `[notify]`, with `[notify.smtp]` for e-mail."""

from __future__ import annotations

from typing import Annotated

from engine.configuration.fields import Secret, Section, limit, why
from engine.sections.smtp import Smtp


class Notify(Section, frozen=True, kw_only=True):
    """Notifications: where their links lead, which networks they may go to, how long they wait for a server."""

    public_url: Annotated[
        str, why("How people reach the HTTP port: https://alerts.example.com; empty: messages have no links.")
    ] = ""
    link_s: Annotated[
        float, limit(60, 2_592_000, "An acknowledge link in an e-mail is good for so long: three days.")
    ] = 259_200.0
    allow_private: Annotated[
        tuple[str, ...],
        why("Networks that endpoints may be in although they are not public: for tests and closed networks."),
    ] = ()
    connect_s: Annotated[
        float, limit(0.1, 60, "To resolve, connect and shake hands; a healthy server takes 0.3 s.")
    ] = 5.0
    first_byte_s: Annotated[float, limit(0.1, 120, "Until an answer begins; Slack takes up to 3 s.")] = 10.0
    total_s: Annotated[
        float, limit(0.1, 120, "For all of it: a server that drips holds a worker no longer than that.")
    ] = 20.0
    ca_file: Annotated[str, why("Certificates (PEM) of a closed network's own authority, besides the system's.")] = ""
    sealing_secret: Annotated[
        Secret,
        why("Keeps the secrets of endpoints, 32 bytes or more; empty: the key file sealing.key in the data folder."),
    ] = Secret()
    apprise_schemes: Annotated[
        tuple[str, ...],
        why("Services that apprise may send to: fixed hosts only, because Apprise connects past our address checks."),
    ] = ("discord", "tgram", "pover", "pbul", "opsgenie", "twilio", "sendgrid", "wxteams", "ifttt", "simplepush")
    apprise_s: Annotated[float, limit(0.1, 120, "Apprise blocks a thread; after so long it is left to itself.")] = 20.0
    # Last: a table of TOML goes on until the next one begins.
    smtp: Smtp = Smtp()
