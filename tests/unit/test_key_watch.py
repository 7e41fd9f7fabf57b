"""Keys that change while the engine runs: taken within seconds, and never replaced by what cannot be used."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import structlog
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from engine.access.auth import Authenticator
from engine.access.identity import Identity
from engine.access.key_files import KEY_FILE, load_keys, rotate
from engine.access.key_watch import CHECK_EVERY_S, KEY_GONE, KeyWatch
from engine.configuration.config import Config
from engine.configuration.fields import Secret
from engine.sections.identity import Identity as Limits
from protocol.errors import CloseCode, Unauthorized
from protocol.model import Principal
from tests.support.actors import start
from tests.support.keys import jwk, jwks, signed

NOW = 1_800_000_000
GOOD = {"sub": "ann", "workspaceId": "main", "iat": NOW, "exp": NOW + 60}


class Bench:
    def __init__(self, config: Config) -> None:
        self.identity = Identity(Authenticator(load_keys(config).ring, lambda: NOW))
        self.connected: list[Principal] = []
        self.ended: list[tuple[str, CloseCode, str]] = []
        self.watch = KeyWatch(config, self.identity, self.end_where)

    def end_where(self, is_meant: Callable[[Principal], bool], code: CloseCode, reason: str) -> int:
        meant = [each for each in self.connected if is_meant(each)]
        self.ended += [(each.user, code, reason) for each in meant]
        return len(meant)

    def connect(self, token: str) -> None:
        self.connected.append(self.identity.authenticate(token))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "set.json").write_bytes(jwks(jwk("ES256", "a"), jwk("EdDSA", "b")))
    return tmp_path


def a_bench(folder: Path) -> Bench:
    return Bench(Config(data=folder, identity=Limits(jwks=str(folder / "set.json"))))


async def test_a_new_key_is_taken_and_a_key_that_is_gone_cuts_its_bearers(folder: Path) -> None:
    bench = a_bench(folder)
    for algorithm, kid in (("ES256", "a"), ("EdDSA", "b")):
        bench.connect(signed(algorithm, GOOD | {"sub": kid}, kid=kid))
    assert await bench.watch.reload()
    assert (bench.ended, bench.watch.changes) == ([], 0), "nothing has changed"
    (folder / "set.json").write_bytes(jwks(jwk("EdDSA", "b"), jwk("RS256", "c")))
    assert await bench.watch.reload()
    assert bench.ended == [("a", CloseCode.INVALID_TOKEN, KEY_GONE)]
    assert bench.identity.authenticate(signed("RS256", GOOD, kid="c")).user == "ann"
    with pytest.raises(Unauthorized):
        bench.identity.authenticate(signed("ES256", GOOD, kid="a"))
    assert bench.watch.statistics() == {"keys": 2, "key_changes": 1, "key_reloads_failed": 0}


async def test_another_key_under_the_same_name_cuts_the_bearers_of_the_old_one(folder: Path) -> None:
    bench = a_bench(folder)
    bench.connect(signed("ES256", GOOD, kid="a"))
    (folder / "set.json").write_bytes(jwks(jwk("ES256", "a", name="new"), jwk("EdDSA", "b")))
    await bench.watch.reload()
    assert len(bench.ended) == 1


@pytest.mark.parametrize("content", [b"", b'{"keys": [', jwks(jwk("ES256", "a") | {"crv": "P-1"}), None])
async def test_a_file_that_cannot_be_used_leaves_the_keys_as_they_were(folder: Path, content: bytes | None) -> None:
    bench = a_bench(folder)
    bench.connect(signed("ES256", GOOD, kid="a"))
    (folder / "set.json").unlink()
    if content is not None:
        (folder / "set.json").write_bytes(content)
    with structlog.testing.capture_logs() as logs:
        assert not await bench.watch.reload()
    assert [line["event"] for line in logs] == ["keys_not_reloaded"]
    assert (bench.ended, bench.watch.failures) == ([], 1)
    assert bench.identity.authenticate(signed("ES256", GOOD, kid="a")).user == "ann"


async def test_a_key_file_that_is_gone_leaves_the_secret_in_force(tmp_path: Path) -> None:
    bench = Bench(Config(data=tmp_path))
    (tmp_path / KEY_FILE).unlink()
    assert not await bench.watch.reload()
    assert len(bench.identity.authenticator.keys.keys) == 1
    assert not (tmp_path / KEY_FILE).exists(), "and no new one is made behind anybody's back"


async def test_files_are_read_again_only_when_they_look_different(folder: Path) -> None:
    bench = a_bench(folder)
    await bench.watch.look()
    (folder / "set.json").write_bytes(b"not a set")
    for _ in range(5):
        await bench.watch.look()
    assert bench.watch.failures == 1, "a file that cannot be used is complained about once"
    rotate(folder, keep=0)
    (folder / "set.json").write_bytes(jwks(jwk("RS256", "c")))
    await bench.watch.look()
    assert [key.kid for key in bench.identity.authenticator.keys.keys if not key.is_secret] == ["c"]
    assert len(bench.identity.authenticator.keys.keys) == 2, "also a key file that appears"


async def test_a_slow_read_does_not_bring_back_a_key_that_was_taken_away_meanwhile(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = a_bench(folder)
    is_slow, go_on = trio.Event(), trio.Event()

    async def read(call: Callable[[], object]) -> object:
        content = call()
        if not is_slow.is_set():  # the first one: the disk gives the old keys, late
            is_slow.set()
            await go_on.wait()
        return content

    monkeypatch.setattr(trio.to_thread, "run_sync", read)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(bench.watch.reload)
        await is_slow.wait()
        (folder / "set.json").write_bytes(jwks(jwk("RS256", "c")))
        nursery.start_soon(bench.watch.reload)
        await wait_all_tasks_blocked()
        go_on.set()
    assert [key.kid for key in bench.identity.authenticator.keys.keys if not key.is_secret] == ["c"]


async def test_the_files_are_looked_at_every_two_seconds(
    folder: Path, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A thread lives in real time, and virtual time would run ahead of it.
    async def at_once(call: Callable[..., object], *arguments: object) -> object:
        await trio.lowlevel.checkpoint()
        return call(*arguments)

    monkeypatch.setattr(trio.to_thread, "run_sync", at_once)
    bench = a_bench(folder)
    async with trio.open_nursery() as nursery:
        await start(nursery, bench.watch.run)
        await trio.sleep(CHECK_EVERY_S / 2)
        (folder / "set.json").write_bytes(jwks(jwk("RS256", "c")))
        await trio.sleep(CHECK_EVERY_S / 4)
        assert bench.watch.changes == 0
        await trio.sleep(CHECK_EVERY_S / 2)
        assert bench.watch.changes == 1
        nursery.cancel_scope.cancel()


async def test_with_a_secret_that_stands_in_no_file_there_is_nothing_to_watch(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    bench = Bench(Config(data=tmp_path, secret=Secret("s" * 32)))
    async with trio.open_nursery() as nursery:
        await start(nursery, bench.watch.run)
        await trio.sleep(CHECK_EVERY_S * 3)
        assert bench.watch.statistics() == {"keys": 1, "key_changes": 0, "key_reloads_failed": 0}
        nursery.cancel_scope.cancel()
    assert await bench.watch.reload()


async def test_the_owner_is_told_what_is_odd_about_a_set(folder: Path) -> None:
    bench = a_bench(folder)
    (folder / "set.json").write_bytes(jwks(jwk("ES256", "a"), jwk("RS256", "e", use="enc")))
    with structlog.testing.capture_logs() as logs:
        await bench.watch.reload()
    assert logs[-1]["notes"] == ["keys[1] is not used: its `use` is 'enc'"]
    assert "Key('a', ES256, 'set.json keys[0]')" in logs[0]["keys"]
