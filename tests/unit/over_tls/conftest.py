"""The gateway's, the transport's and the sessions' tests once more, over TLS: what holds for plain connections holds.

Each file here takes over one file of tests; this fixture makes their gateways and peers speak TLS.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from trio.testing import MockClock

from engine.access.certificate import Certificate
from tests.support import sockets
from tests.support.certificates import Authority


@pytest.fixture(scope="session")
def encryption(tmp_path_factory: pytest.TempPathFactory) -> sockets.Encryption:
    folder: Path = tmp_path_factory.mktemp("tls")
    files = Authority(folder).issue()
    return sockets.Encryption(Certificate(files.cert, files.key).new_tls, files.client())


@pytest.fixture
def autojump_clock() -> MockClock:
    """Jumps only when nothing has moved for a moment: a record may be several packets between real sockets."""
    return MockClock(autojump_threshold=0.001)


@pytest.fixture(autouse=True)
def over_tls(encryption: sockets.Encryption, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sockets, "DEFAULT_TLS", encryption)
