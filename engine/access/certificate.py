"""The certificate that both ports show, and its renewal while the engine runs.

Owns the TLS context of this moment. A connection takes it when it begins and keeps it, so that a renewal touches nobody
who is connected. A renewal that cannot be used (a file half written, a key of another certificate) is an error in the
log and a count, and the old pair stays in use: an engine that nobody can reach is worse than a certificate that ends.
The files are looked at one by one before OpenSSL gets them, because its own message names neither file nor fault.
"""

from __future__ import annotations

import ssl
from pathlib import Path

import structlog
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization

from actors.send import Send
from actors.tls import Tls
from engine.configuration.bounded_file import read_bounded
from engine.configuration.config import Config
from engine.configuration.fields import ConfigError

log = structlog.get_logger()

# A chain of certificates takes some kilobytes; what is larger is another file.
PEM_MAX_BYTES = 1_048_576


class Certificate:
    """The pair of files of `[tls]`. Raises ConfigError if it cannot be used at the start."""

    def __init__(self, cert: Path, key: Path) -> None:
        self._cert, self._key = cert, key
        self.context, self.expires_at_s = load(cert, key)
        self.renewals = 0
        self.renewals_failed = 0

    @classmethod
    def of(cls, config: Config) -> Certificate | None:
        """That of a configuration; None: plain connections. Raises ConfigError."""
        return cls(Path(config.tls.cert), Path(config.tls.key)) if config.tls.cert else None

    def renew(self) -> bool:
        """Reads the files again, for connections that begin from now on. Reads from disk: call it in a thread."""
        try:
            self.context, self.expires_at_s = load(self._cert, self._key)
        except ConfigError as fault:
            self.renewals_failed += 1
            log.error("certificate_not_renewed", error=str(fault), still="the one from before is in use")
            return False
        self.renewals += 1
        log.info("certificate_renewed", expires_at_s=self.expires_at_s)
        return True

    def new_tls(self, send: Send) -> Tls:
        """TLS for a connection that begins now (an `actors.tls.NewTls`)."""
        return Tls(self.context, send)

    def statistics(self) -> dict[str, float]:
        """When it ends (seconds since 1970), and how often it was renewed since the start, in vain or not."""
        return {
            "tls_expires_at_s": self.expires_at_s,
            "tls_renewals": self.renewals,
            "tls_renewals_failed": self.renewals_failed,
        }


def trusting_our_own(config: Config) -> ssl.SSLContext | None:
    """For clients on this machine: trusts the configured certificate itself and no other, by whatever name it is
    reached; None: the ports are plain. Raises OSError."""
    if not config.tls.cert:
        return None
    context = ssl.create_default_context(cafile=config.tls.cert)
    context.check_hostname = False
    # The file's first certificate is not its own issuer, and need not be for this.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return context


def load(cert: Path, key: Path) -> tuple[ssl.SSLContext, float]:
    """A server's context, and when the certificate ends (seconds since 1970). Raises ConfigError."""
    leaf = read_certificates(cert)[0]
    _check_key(key, leaf, cert)
    # TLS 1.2 and newer without compression (Python's defaults, said here because we promise them).
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    # No h2: see engine/http/server.py.
    context.set_alpn_protocols(["http/1.1"])
    try:
        context.load_cert_chain(cert, key)
    except OSError as fault:  # ssl.SSLError among them: OpenSSL is stricter, or a file was replaced meanwhile
        raise ConfigError("tls.cert", f"{cert} cannot be used with {key}: {fault}") from fault
    return context, leaf.not_valid_after_utc.timestamp()


def read_certificates(path: Path) -> list[x509.Certificate]:
    """The certificates of a PEM file, at least one. Raises ConfigError."""
    pem = read_bounded(path, PEM_MAX_BYTES, "tls.cert", "PEM")
    try:
        return x509.load_pem_x509_certificates(pem)
    except ValueError as fault:
        raise ConfigError("tls.cert", f"{path} holds no certificate in PEM form: use the file of your CA") from fault


def _check_key(path: Path, leaf: x509.Certificate, cert: Path) -> None:
    pem = read_bounded(path, PEM_MAX_BYTES, "tls.key", "PEM")
    try:
        key = serialization.load_pem_private_key(pem, password=None)
    except TypeError as fault:
        raise ConfigError("tls.key", f"{path} is protected by a password: use a key without one, mode 0600") from fault
    except ValueError:
        # `from None`: the cause may quote the key.
        raise ConfigError("tls.key", f"{path} holds no private key in PEM form: use the certificate's key") from None
    except UnsupportedAlgorithm as fault:
        raise ConfigError("tls.key", f"{path} is of a kind that we cannot use ({fault}): use RSA or P-256") from fault
    try:
        theirs = leaf.public_key()
    except (UnsupportedAlgorithm, ValueError) as fault:
        raise ConfigError("tls.cert", f"the key in {cert} is of no use ({fault}): use RSA or P-256") from fault
    if key.public_key() != theirs:
        raise ConfigError("tls.key", f"{path} is not the key of the certificate {cert}: use the one made with it")
