"""The mail server: whether it lets us in. No mail is sent."""

from __future__ import annotations

import smtplib
from collections.abc import Iterator

from engine.configuration.config import Config
from engine.doctor.findings import Finding, Level
from engine.notify.smtp import MailLink, meaning_of


def server(config: Config) -> Iterator[Finding]:
    """Connects, encrypts and logs in as the configuration says. Takes as long as its time-outs at most."""
    smtp = config.notify.smtp
    if not smtp.host:
        yield Finding("mail", Level.OK, "no mail server is configured: nobody is told by e-mail")
        return
    where, line = f"{smtp.host} port {smtp.port}", MailLink(smtp)
    try:
        line.knock()
    except (smtplib.SMTPException, OSError) as fault:
        advice = "mend [notify.smtp], or the server; mails wait for a day"
        yield Finding("mail", Level.WARNING, f"{where}: {meaning_of(fault).cause}", advice)
    else:
        encrypted = "without encryption" if smtp.security == "none" else f"encrypted ({smtp.security})"
        yield Finding("mail", Level.OK, f"{where} lets us in, {encrypted}")
    finally:
        line.leave()
    if not config.notify.public_url:
        advice = "set notify.public_url to how people reach the HTTP port"
        yield Finding("mail", Level.WARNING, "mails have no links: nobody can acknowledge by mail", advice)
