"""The mail server: whether it lets us in, and whether there should be one. No mail is sent; the store is only read."""

from __future__ import annotations

import smtplib
import sqlite3
from collections.abc import Iterator
from contextlib import closing

from engine.configuration.config import Config
from engine.doctor.findings import Finding, Level
from engine.notify.smtp import MailLink, meaning_of
from engine.stores.sqlite.file import Database

# Objects that somebody expects mail for.
_EXPECT = """
SELECT count(*) FILTER (WHERE kind = 'endpoint'), count(*) FILTER (WHERE kind = 'user') FROM object
WHERE archived_at IS NULL AND (
    (kind = 'endpoint' AND body ->> '$.channel' = 'email') OR (kind = 'user' AND coalesce(body ->> '$.email', '') <> '')
)
"""


def server(config: Config) -> Iterator[Finding]:
    """Connects, encrypts and logs in as the configuration says. Takes as long as its time-outs at most."""
    smtp = config.notify.smtp
    if not smtp.host:
        yield _without(config)
        return
    where, line = f"{smtp.host} port {smtp.port}", MailLink(smtp)
    try:
        line.knock()
    except (smtplib.SMTPException, OSError) as fault:
        advice = "mend [notify.smtp], or the server; mails wait for a day"
        if isinstance(fault, smtplib.SMTPNotSupportedError) and "STARTTLS" in str(fault):
            # Of a relay on this machine or in this network one knows that nobody listens in between.
            advice += '; if it is a server of your own that never encrypts: notify.smtp.security = "none"'
        yield Finding("mail", Level.WARNING, f"{where}: {meaning_of(fault).cause}", advice)
    else:
        encrypted = "without encryption" if smtp.security == "none" else f"encrypted ({smtp.security})"
        yield Finding("mail", Level.OK, f"{where} lets us in, {encrypted}")
    finally:
        line.leave()
    if not config.notify.public_url:
        advice = "set notify.public_url to how people reach the HTTP port"
        yield Finding("mail", Level.WARNING, "mails have no links: nobody can acknowledge by mail", advice)


def _without(config: Config) -> Finding:
    text = "no mail server is configured: nobody is told by e-mail"
    endpoints, users = _who_expect(config)
    if not endpoints and not users:
        return Finding("mail", Level.OK, text)
    who = f" (endpoints that mail is expected for: {endpoints}, users: {users})"
    return Finding("mail", Level.WARNING, text + who, "set notify.smtp.host and notify.smtp.sender")


def _who_expect(config: Config) -> tuple[int, int]:
    """How many endpoints and users have an address; none of a store that is not there, or not readable: that is said
    where the store is looked at.
    """
    try:
        database = Database.of_url(config.store_url)
        if database.path is None or not database.path.exists():
            return 0, 0
        with closing(database.connect_reader()) as connection:
            endpoints, users = connection.execute(_EXPECT).fetchone()
            return endpoints, users
    except (ValueError, OSError, sqlite3.Error):
        return 0, 0
