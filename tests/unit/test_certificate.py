"""Which certificates are taken, what is said of the others, and their renewal."""

from __future__ import annotations

import datetime
import ssl
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from structlog.testing import capture_logs

from engine.access.certificate import PEM_MAX_BYTES, Certificate
from engine.configuration.config import Config
from engine.configuration.fields import ConfigError
from engine.sections.doors import Tls
from tests.support.certificates import Authority, Files


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def names_seen(certificate: Certificate, files: Files) -> set[str]:
    """The subject that a client which connects now sees."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = files.client().wrap_bio(to_client, to_server, server_hostname="localhost")
    server = certificate.context.wrap_bio(to_server, to_client, server_side=True)
    for end in (client, server, client, server):
        try:
            end.do_handshake()
        except ssl.SSLWantReadError:
            continue
    subject = (client.getpeercert() or {}).get("subject", ())
    return {value for ((_, value),) in subject}


def test_no_files_mean_no_tls() -> None:
    assert Certificate.of(Config()) is None


def test_a_good_pair_is_shown_to_clients_and_its_end_is_known(authority: Authority) -> None:
    files = authority.issue("first", lasts=datetime.timedelta(days=3))
    certificate = Certificate.of(Config(tls=Tls(cert=str(files.cert), key=str(files.key))))
    assert certificate is not None
    assert names_seen(certificate, files) == {"first"}
    assert certificate.expires_at_s == pytest.approx(time.time() + 3 * 86_400, abs=60)


# A private key (PKCS #8) of the kind 1.2.3.4, which nobody knows.
UNKNOWN_KIND = b"""-----BEGIN PRIVATE KEY-----
MAwCAQAwBQYDKgMEBAA=
-----END PRIVATE KEY-----
"""
Spoil = Callable[[Files], object]


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda f: f.cert.unlink(), r"tls\.cert: .*server\.pem cannot be read: No such file"),
        (lambda f: f.key.unlink(), r"tls\.key: .*server\.key cannot be read: No such file"),
        (lambda f: f.cert.write_text("hello"), r"tls\.cert: .*server\.pem holds no certificate in PEM form"),
        (lambda f: f.key.write_text("hello"), r"tls\.key: .*server\.key holds no private key in PEM form"),
        (
            lambda f: f.key.write_bytes(UNKNOWN_KIND),
            r"tls\.key: .*server\.key is of a kind that we cannot use \(Unknown",
        ),
        (lambda f: f.cert.write_bytes(f.key.read_bytes()), r"tls\.cert: .* holds no certificate"),
        (lambda f: f.cert.write_bytes(bytes(PEM_MAX_BYTES + 1)), rf"tls\.cert: .* larger than {PEM_MAX_BYTES} bytes"),
        (lambda f: f.cert.write_bytes(f.ca.read_bytes()), r"tls\.key: .*server\.key is not the key of .*server\.pem"),
    ],
)
def test_a_bad_pair_is_refused_with_the_file_and_its_fault(authority: Authority, spoil: Spoil, said: str) -> None:
    files = authority.issue()
    spoil(files)
    with pytest.raises(ConfigError, match=said):
        Certificate(files.cert, files.key)


def test_a_key_with_a_password_is_refused_and_nobody_is_asked_for_it(authority: Authority) -> None:
    files = authority.issue(password=b"hunter2")
    with pytest.raises(ConfigError, match=r"tls\.key: .* is protected by a password"):
        Certificate(files.cert, files.key)


def test_what_only_openssl_finds_is_said_in_its_words(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    def strict(self: ssl.SSLContext, cert: Path, key: Path) -> None:
        raise ssl.SSLError(1, "ee key too small")

    monkeypatch.setattr(ssl.SSLContext, "load_cert_chain", strict)
    files = authority.issue()
    with pytest.raises(ConfigError, match=r"tls\.cert: .* cannot be used with .*: .*ee key too small"):
        Certificate(files.cert, files.key)


def test_a_renewed_pair_is_shown_to_whoever_connects_from_then_on(authority: Authority) -> None:
    old, new = authority.issue("old"), authority.issue("new")
    certificate = Certificate(old.cert, old.key)
    old.cert.write_bytes(new.cert.read_bytes())
    old.key.write_bytes(new.key.read_bytes())
    assert names_seen(certificate, old) == {"old"}
    assert certificate.renew()
    assert names_seen(certificate, old) == {"new"}
    assert certificate.statistics()["tls_renewals"] == 1


def test_a_bad_new_pair_leaves_the_old_one_in_use_and_is_logged_and_counted(authority: Authority) -> None:
    old, other = authority.issue("old"), authority.issue("other")
    certificate = Certificate(old.cert, old.key)
    old.key.write_bytes(other.key.read_bytes())
    with capture_logs() as logs:
        assert not certificate.renew()
    assert names_seen(certificate, old) == {"old"}
    assert [(entry["event"], entry["log_level"]) for entry in logs] == [("certificate_not_renewed", "error")]
    assert "is not the key of" in logs[0]["error"]
    statistics = certificate.statistics()
    assert (statistics["tls_renewals"], statistics["tls_renewals_failed"]) == (0, 1)


def test_a_new_key_of_a_kind_that_nobody_knows_leaves_the_old_pair_in_use(authority: Authority) -> None:
    files = authority.issue("old")
    certificate = Certificate(files.cert, files.key)
    files.key.write_bytes(UNKNOWN_KIND)
    with capture_logs() as logs:
        assert not certificate.renew()
    assert names_seen(certificate, files) == {"old"}
    assert [entry["event"] for entry in logs] == ["certificate_not_renewed"]
    assert certificate.statistics()["tls_renewals_failed"] == 1


def test_a_certificate_whose_own_key_is_of_an_unknown_kind_is_refused(authority: Authority) -> None:
    files = authority.issue()
    der = x509.load_pem_x509_certificate(files.cert.read_bytes()).public_bytes(serialization.Encoding.DER)
    # The certificate's curve, P-256, renamed to its neighbour that does not exist. Its signature is not looked at here.
    renamed = der.replace(bytes.fromhex("06082a8648ce3d030107"), bytes.fromhex("06082a8648ce3d030177"))
    assert renamed != der
    files.cert.write_text(ssl.DER_cert_to_PEM_cert(renamed))
    with pytest.raises(ConfigError, match=r"tls\.cert: the key in .*server\.pem is of no use"):
        Certificate(files.cert, files.key)
