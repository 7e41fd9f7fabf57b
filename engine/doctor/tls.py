"""The certificate: can it be used, does it last, is it for the name that clients use, who may read its key."""

from __future__ import annotations

import ipaddress
import ssl
import time
from collections.abc import Iterator
from pathlib import Path

from cryptography import x509

from engine.access.certificate import load, read_certificates
from engine.configuration.config import Config
from engine.configuration.fields import Address, ConfigError
from engine.doctor.data import is_open
from engine.doctor.findings import Finding, Level

# Renewals are done a month before the end; half of that later somebody should have a look.
ENDS_SOON_S = 14 * 86_400
_EVERYWHERE = frozenset({"0.0.0.0", "::"})  # noqa: S104  # compared with, not bound to


def certificate(config: Config) -> Iterator[Finding]:
    """Validity, names and the key's permissions; without TLS whether that is in order."""
    if not config.tls.cert:
        yield _plain(config)
        return
    cert, key = Path(config.tls.cert), Path(config.tls.key)
    try:
        _, ends_at_s = load(cert, key)
        leaf = read_certificates(cert)[0]
    except ConfigError as fault:
        yield Finding("tls", Level.FAIL, str(fault), "an engine would not start with it")
        return
    yield _lasts(leaf, ends_at_s)
    for name, address in (("ws", config.ws_address), ("http", config.http_address)):
        yield from _is_for(name, address, leaf)
    if is_open(key):
        yield Finding("tls", Level.WARNING, f"others may read the private key {key}", f"chmod 600 {key}")


def _plain(config: Config) -> Finding:
    if config.ws_address.is_loopback and config.http_address.is_loopback:
        return Finding("tls", Level.OK, "plain, and only this machine can connect")
    return Finding(
        "tls", Level.WARNING, "plain ports that others reach", "keep a proxy with TLS in front, or set [tls]"
    )


def _lasts(leaf: x509.Certificate, ends_at_s: float) -> Finding:
    now = time.time()
    ends = leaf.not_valid_after_utc.strftime("%Y-%m-%d")
    if leaf.not_valid_before_utc.timestamp() > now:
        begins = leaf.not_valid_before_utc.strftime("%Y-%m-%d %H:%M UTC")
        return Finding("tls", Level.FAIL, f"the certificate is valid only from {begins} on", "wait, or set the clock")
    if ends_at_s <= now:
        return Finding("tls", Level.FAIL, f"the certificate ended on {ends}", "renew it, then SIGHUP")
    if ends_at_s - now < ENDS_SOON_S:
        return Finding("tls", Level.WARNING, f"the certificate ends on {ends}", "renew it, then SIGHUP")
    return Finding("tls", Level.OK, f"the certificate is valid until {ends} ({ssl.OPENSSL_VERSION})")


def _is_for(name: str, address: Address, leaf: x509.Certificate) -> Iterator[Finding]:
    names = _names(leaf)
    if address.host in _EVERYWHERE:
        yield Finding("tls", Level.OK, f"{name}: the certificate is for {', '.join(names) or 'no name at all'}")
    elif not _covers(names, address.host):
        text = f"{name}: clients of {address.host} will refuse a certificate for {', '.join(names) or 'no name at all'}"
        yield Finding("tls", Level.WARNING, text, "use a name of the certificate, or one made for this address")


def _names(leaf: x509.Certificate) -> list[str]:
    try:
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    return [str(name.value) for name in names if isinstance(name, x509.DNSName | x509.IPAddress)]


def _covers(names: list[str], host: str) -> bool:
    try:
        return str(ipaddress.ip_address(host)) in names
    except ValueError:
        wildcard = "*." + host.partition(".")[2]
        return any(name.lower() in (host.lower(), wildcard.lower()) for name in names)
