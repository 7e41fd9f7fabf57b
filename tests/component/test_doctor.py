"""What the doctor finds: each condition good and bad. Only clocks and limits of the machine are pretended."""

from __future__ import annotations

import datetime
import json
import os
import re
import resource
import socket
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import trio

from engine.configuration.config import Config
from engine.configuration.fields import ConfigError, Secret
from engine.configuration.folder import make_folder
from engine.doctor import Finding, Level, asking, clock, data, examine, installation, network, store, tls
from engine.sections.doors import Gateway, Tls
from engine.stores import migrate
from tests.support.certificates import DAY, Authority
from tests.support.engines import a_config, an_engine, command, environment

OK, WARNING, FAIL = Level.OK, Level.WARNING, Level.FAIL


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """An engine of the tests answers when the machine finds time for it."""
    monkeypatch.setattr(asking, "ANSWER_S", 60.0)


def levels(findings: Any) -> list[tuple[str, Level]]:
    return [(finding.check, finding.level) for finding in findings]


def only(findings: Any) -> Finding:
    [finding] = findings
    return finding


def a_store(folder: Path) -> Config:
    """A configuration whose database is there, as after a first start."""
    config = Config(data=folder)
    migrate.migrate(config.store_url)
    with closing(sqlite3.connect(config.store_url)) as connection, connection:
        connection.execute("INSERT INTO store VALUES (1, 'e1', 0)")
    return config


def test_this_installation_is_in_order() -> None:
    assert levels(installation.python()) == [("python", OK)]
    assert levels(installation.packages()) == [("packages", OK)]


def test_an_old_python_or_sqlite_is_a_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(installation, "PYTHON_MIN", (9, 0))
        found = only(installation.python())
        assert (found.level, found.advice) == (FAIL, "use 9.0 or newer")
    monkeypatch.setattr(installation, "SQLITE_MIN", (9, 0, 0))
    assert only(installation.python()).advice == "use one with 9.0.0"


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("trio>=999", r"trio [\d.]+ is installed, >=999 is needed"),
        ("trio<0.1", r"trio [\d.]+ is installed, <0\.1 is needed"),
        ("PyJWT[crypto]>=999.0", r"PyJWT [\d.]+ is installed, >=999\.0 is needed"),
        ("no-such-package>=1", "no-such-package is not installed"),
    ],
)
def test_a_package_that_is_missing_or_too_old_is_a_fail(monkeypatch: pytest.MonkeyPatch, asked: str, said: str) -> None:
    monkeypatch.setattr(metadata, "requires", lambda name: [asked, "click>=8", 'websockets>=999; extra == "peers"'])
    found = only(installation.packages())
    assert found.level is FAIL
    assert re.fullmatch(said, found.text)


def test_running_from_loose_files_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installation, "DISTRIBUTION", "no-such-distribution")
    assert levels(installation.packages()) == [("packages", WARNING)]


def test_a_configuration_that_cannot_be_used_is_a_fail_and_the_last_line(tmp_path: Path) -> None:
    found = examine({"data": str(tmp_path), "gateway.timeout_s": 1})
    assert levels(found)[-1] == ("configuration", FAIL)
    assert "gateway.timeout_s" in found[-1].text


def test_a_good_data_folder_has_room_and_a_quick_disk(tmp_path: Path) -> None:
    assert [check for check, _ in levels(data.folder(Config(data=tmp_path)))] == ["data", "space", "fsync"]
    assert list(tmp_path.iterdir()) == [], "nothing was left behind"


def test_a_data_folder_that_is_not_there_yet_is_in_order_and_is_not_made(tmp_path: Path) -> None:
    found = only(data.folder(Config(data=tmp_path / "a" / "b")))
    assert found.level is OK
    assert not (tmp_path / "a").exists()


def test_a_data_folder_that_cannot_be_made_or_written_or_is_none_is_a_fail(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    assert only(data.folder(Config(data=tmp_path / "file"))).level is FAIL
    assert only(data.folder(Config(data=Path("/proc/1/fdinfo")))).level is FAIL
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # root may write everywhere
    found = only(data.folder(Config(data=tmp_path / "new")))
    assert (found.level, "cannot be made" in found.text) == (FAIL, True)


@pytest.mark.parametrize(("free", "level"), [(10**12, OK), (500 * 2**20, WARNING), (50 * 2**20, FAIL)])
def test_little_room_is_a_warning_and_hardly_any_a_fail(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int, level: Level
) -> None:
    monkeypatch.setattr(data.shutil, "disk_usage", lambda path: SimpleNamespace(free=free))
    assert ("space", level) in levels(data.folder(Config(data=tmp_path)))


def test_a_slow_disk_is_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data, "FSYNC_SLOW_S", 0.0)
    assert ("fsync", WARNING) in levels(data.folder(Config(data=tmp_path)))


def test_the_key_file_is_private_or_a_fail_and_is_never_made(tmp_path: Path) -> None:
    config, key = Config(data=tmp_path), tmp_path / "secret.key"
    assert only(data.keys(config)).level is OK
    assert not key.exists()
    key.write_text("x" * 64)
    key.chmod(0o600)
    assert only(data.keys(config)).level is OK
    key.chmod(0o640)
    found = only(data.keys(config))
    assert (found.level, found.advice) == (FAIL, f"chmod 600 {key}")
    key.write_text("short")
    assert only(data.keys(config)).level is FAIL


def test_a_given_secret_needs_no_file(tmp_path: Path) -> None:
    config = Config(data=tmp_path, secret=Secret("x" * 40))
    assert only(data.keys(config)).level is OK
    assert "x" * 40 not in str(list(data.keys(config)))


def test_a_store_that_is_not_there_yet_is_in_order_and_is_not_made(tmp_path: Path) -> None:
    assert only(store.state(Config(data=tmp_path))).level is OK
    assert list(tmp_path.iterdir()) == []


def test_a_whole_store_is_in_order_and_is_left_byte_for_byte(tmp_path: Path) -> None:
    config = a_store(tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert levels(store.state(config)) == [("store", OK), ("migrations", OK), ("epoch", OK)]
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.suffix == ".db"} == {
        "tocsin.db": before["tocsin.db"]
    }


async def test_a_store_in_use_is_looked_at_beside_its_engine(tmp_path: Path) -> None:
    async with an_engine(tmp_path) as engine:
        # In a process of its own, as the command is: closing a file gives up this process's locks on it.
        found = json.loads((await doctor(tmp_path, engine.ws_url, engine.http_url)).stdout)
        by_check = {finding["check"]: finding for finding in found["findings"]}
        assert "in use by a running engine" in by_check["store"]["text"]
        assert (by_check["migrations"]["level"], by_check["epoch"]["level"]) == ("OK", "OK")
        running = [f["text"] for f in found["findings"] if f["check"] in ("ports", "engine")]
        assert [text.rpartition(" is ")[2] for text in running[:2]] == ["served by a running engine"] * 2
        assert [text.rpartition(": ")[2] for text in running[2:]] == ["its loop turns", "it can acknowledge"]
        assert found["ok"]


async def doctor(folder: Path, ws: str, http: str) -> Any:
    return await trio.run_process(
        command("doctor", "--json"),
        capture_stdout=True,
        check=False,
        env=environment(
            TOCSIN_DATA=str(folder),
            TOCSIN_WS=ws.rpartition("//")[2],
            TOCSIN_HTTP=http.rpartition("//")[2],
        ),
    )


def test_a_damaged_store_is_a_fail(tmp_path: Path) -> None:
    config = a_store(tmp_path)
    path = Path(config.store_url)
    content = bytearray(path.read_bytes())
    content[4_096:12_288] = bytes(b ^ 0xFF for b in content[4_096:12_288])
    path.write_bytes(content)
    found = only(store.state(config))
    assert (found.check, found.level) == ("store", FAIL)
    assert path.read_bytes() == content


def test_an_index_that_lacks_a_row_is_a_fail_though_the_engine_starts_with_it(tmp_path: Path) -> None:
    config = a_store(tmp_path)
    forgotten = "DELETE FROM sqlite_schema WHERE name = 'forgetful'"
    remembered = "INSERT INTO sqlite_schema VALUES ('index', 'forgetful', 'migration', ?, ?)"
    with closing(sqlite3.connect(config.store_url, isolation_level=None)) as connection:
        connection.execute("CREATE INDEX forgetful ON migration (name)")
        ((root, sql),) = connection.execute("SELECT rootpage, sql FROM sqlite_schema WHERE name = 'forgetful'")
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute(forgotten)
    with closing(sqlite3.connect(config.store_url, isolation_level=None)) as connection:
        connection.execute("UPDATE migration SET name = name || ' again' WHERE number = 1")
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute(remembered, (root, sql))
    found = only(store.state(config))
    assert (found.check, found.level) == ("store", FAIL)
    assert "is damaged (row 1 missing from index forgetful)" in found.text


def test_a_store_that_is_too_large_to_be_looked_through_is_as_good_as_what_was_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "INDEXES_MAX_S", -1.0)
    monkeypatch.setattr(store, "_STEPS", 1)
    assert levels(store.state(a_store(tmp_path))) == [("store", OK), ("migrations", OK), ("epoch", OK)]


def test_a_log_without_its_database_is_a_fail(tmp_path: Path) -> None:
    config = Config(data=tmp_path)
    Path(f"{config.store_url}-wal").write_bytes(b"commits")
    found = only(store.state(config))
    assert (found.level, "is gone" in found.text) == (FAIL, True)


def test_another_programs_file_is_a_fail(tmp_path: Path) -> None:
    Path(Config(data=tmp_path).store_url).write_text("no database")
    assert "is not an SQLite database" in only(store.state(Config(data=tmp_path))).text


def test_a_store_that_a_newer_program_made_is_a_fail(tmp_path: Path) -> None:
    config = a_store(tmp_path)
    with closing(sqlite3.connect(config.store_url)) as connection, connection:
        connection.execute("INSERT INTO migration VALUES (999, 'future', 0, 'x')")
    assert "newer than this program" in only(store.state(config)).text


def test_migrations_to_come_are_a_warning_and_are_not_applied(tmp_path: Path) -> None:
    config = a_store(tmp_path)
    with closing(sqlite3.connect(config.store_url)) as connection, connection:
        connection.execute("DELETE FROM migration WHERE number > 1")
    found = list(store.state(config))
    assert levels(found)[:2] == [("store", OK), ("migrations", WARNING)]
    assert "to be applied: 0002" in found[1].text
    assert levels(store.state(config)) == levels(found)


def test_a_store_without_an_identity_is_a_fail(tmp_path: Path) -> None:
    config = a_store(tmp_path)
    with closing(sqlite3.connect(config.store_url)) as connection, connection:
        connection.execute("DELETE FROM store")
    assert levels(store.state(config))[-1] == ("epoch", FAIL)


def test_a_store_in_memory_is_a_warning_and_an_unknown_url_a_fail(tmp_path: Path) -> None:
    assert only(store.state(Config(data=tmp_path, store="memory:"))).level is WARNING
    assert only(store.state(Config(data=tmp_path, store="mysql://x/y"))).level is FAIL


def test_a_clock_behind_what_was_written_by_it_is_a_fail(tmp_path: Path) -> None:
    config = Config(data=tmp_path)
    assert only(clock.sanity(config)).level is OK
    Path(config.store_url).touch()
    ahead = time.time() + 3_600
    os.utime(config.store_url, (ahead, ahead))
    assert only(clock.sanity(config)).level is FAIL


def encrypted(folder: Path, host: str = "127.0.0.1", hosts: tuple[str, ...] = ("127.0.0.1",), **more: Any) -> Config:
    files = Authority(folder).issue(hosts=hosts, **more)
    tls = Tls(cert=str(files.cert), key=str(files.key))
    return Config(data=folder, ws=f"{host}:3008", http=f"{host}:8080", tls=tls)


@pytest.mark.parametrize(
    ("lasts", "level", "said"),
    [
        (90 * DAY, OK, "valid until"),
        (10 * DAY, WARNING, "ends on"),
        (-1 * DAY, FAIL, "ended on"),
    ],
)
def test_a_certificate_is_renewed_in_time_or_told(
    tmp_path: Path, lasts: datetime.timedelta, level: Level, said: str
) -> None:
    found = only(tls.certificate(encrypted(tmp_path, lasts=lasts)))
    assert (found.level, said in found.text) == (level, True)


def test_a_certificate_of_the_future_is_a_fail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = encrypted(tmp_path)
    long_ago = time.time() - 60 * 86_400
    monkeypatch.setattr(tls.time, "time", lambda: long_ago)
    assert "valid only from" in only(tls.certificate(config)).text


@pytest.mark.parametrize(
    ("host", "hosts", "expected"),
    [
        ("127.0.0.1", ("127.0.0.1",), [OK]),
        ("10.1.2.3", ("alerts.example.com",), [OK, WARNING, WARNING]),
        ("alerts.example.com", ("Alerts.example.com",), [OK]),
        ("alerts.example.com", ("*.example.com",), [OK]),
        ("alerts.example.com", ("*.other.com",), [OK, WARNING, WARNING]),
        ("0.0.0.0", ("anything.example",), [OK, OK, OK]),
    ],
)
def test_a_certificate_is_for_the_name_that_clients_use(
    tmp_path: Path, host: str, hosts: tuple[str, ...], expected: list[Level]
) -> None:
    config = encrypted(tmp_path, host, hosts, lasts=90 * DAY)
    assert [finding.level for finding in tls.certificate(config)] == expected


def test_a_certificate_without_names_is_for_nobody(tmp_path: Path) -> None:
    config = encrypted(tmp_path, lasts=90 * DAY)
    ca = tmp_path / "ca.pem"
    assert tls._names(tls.read_certificates(ca)[0]) == []
    assert config.tls.cert


def test_a_key_that_others_may_read_is_a_warning_and_a_missing_one_a_fail(tmp_path: Path) -> None:
    config = encrypted(tmp_path, lasts=90 * DAY)
    Path(config.tls.key).chmod(0o644)
    assert [finding.level for finding in tls.certificate(config)] == [OK, WARNING]
    Path(config.tls.key).unlink()
    assert only(tls.certificate(config)).level is FAIL


def test_plain_ports_that_others_reach_are_a_warning(tmp_path: Path) -> None:
    public = Config(data=tmp_path, ws="0.0.0.0:3008", allow_public_bind=True)
    assert only(tls.certificate(public)).level is WARNING
    assert only(tls.certificate(Config(data=tmp_path))).level is OK


def test_fewer_descriptors_than_connections_are_a_warning(tmp_path: Path) -> None:
    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    few = Config(data=tmp_path, gateway=Gateway(connections_max=10))
    many = Config(data=tmp_path, gateway=Gateway(connections_max=1_000_000))
    assert soft > 2_000
    assert only(network.descriptors(few)).level is OK
    found = only(network.descriptors(many))
    assert (found.level, "LimitNOFILE=1001100" in found.advice) == (WARNING, True)


def test_where_the_hard_limit_is_too_low_nothing_is_advised_that_a_shell_would_refuse(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = Config(data=tmp_path)
    advised = {}
    for hard in (4_096, 1_000_000):
        monkeypatch.setattr(resource, "getrlimit", lambda _, hard=hard: (1_024, hard))
        advised[hard] = only(network.descriptors(config)).advice
    needed = config.gateway.connections_max + config.api.connections_max + network.DESCRIPTORS_BESIDE
    assert f"ulimit -n {needed} or" in advised[1_000_000]
    assert f"LimitNOFILE={needed} in its unit" in advised[4_096]
    assert "ulimit -n 4096 (the hard limit)" in advised[4_096]
    fitting = 4_096 - config.api.connections_max - network.DESCRIPTORS_BESIDE
    assert f"connections_max = {max(fitting, 1)}" in advised[4_096]


def test_free_ports_are_in_order_and_taken_ones_a_fail(tmp_path: Path) -> None:
    config = a_config(tmp_path)
    assert levels(network.ports(config)) == [("ports", OK), ("ports", OK), ("engine", OK)]
    with socket.create_server(("127.0.0.1", 0)) as taken:
        config = a_config(tmp_path, ws=f"127.0.0.1:{taken.getsockname()[1]}")
        found = list(network.ports(config))
        assert levels(found) == [("ports", FAIL), ("ports", OK), ("engine", OK)]
        assert "another program has it" in found[0].text
        assert "TOCSIN_WS=HOST:PORT" in found[0].advice


def test_an_address_of_another_machine_is_a_fail(tmp_path: Path) -> None:
    config = a_config(tmp_path, ws="192.0.2.1:3008", allow_public_bind=True)
    assert levels(network.ports(config))[0] == ("ports", FAIL)


async def test_an_engine_that_cannot_acknowledge_is_a_fail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = {"/api/v1/about": (200, b'{"name": "tocsin", "version": "1", "ws": "ws://127.0.0.1:5"}')}
    monkeypatch.setattr(asking, "ask", lambda config, path: answers.get(path, (503, b"")))
    config = a_config(tmp_path, store="memory:")
    assert levels(network.ports(config))[2:] == [("engine", FAIL), ("engine", FAIL)]
    answers["/api/v1/about"] = (200, b"not ours")
    assert levels(network.ports(config))[2:] == [("engine", OK)]


async def test_ports_of_an_engine_with_another_data_folder_are_a_fail(tmp_path: Path) -> None:
    async with an_engine(tmp_path / "theirs") as engine:
        there = {"ws": engine.ws_url.rpartition("//")[2], "http": engine.http_url.rpartition("//")[2]}
        mine = a_config(tmp_path / "mine", **there)
        found = await trio.to_thread.run_sync(lambda: list(network.ports(mine)))
        assert levels(found) == [("ports", FAIL), ("ports", FAIL), ("engine", OK)]
        assert "served by an engine with another store" in found[0].text
        assert "TOCSIN_WS=HOST:PORT" in found[0].advice


async def test_an_engine_with_this_data_folder_at_other_ports_is_a_fail(tmp_path: Path) -> None:
    async with an_engine(tmp_path):
        found = await trio.to_thread.run_sync(lambda: list(network.ports(a_config(tmp_path))))
    assert levels(found) == [("ports", OK), ("ports", OK), ("engine", FAIL)]
    assert "a second one cannot start" in found[2].advice
    assert "--api, or TOCSIN_API" in found[2].advice
    assert levels(network.ports(a_config(tmp_path)))[2:] == [("engine", OK)]


def a_dangling_link(path: Path) -> None:
    path.symlink_to(path.parent / "nowhere")


def a_link_to_itself(path: Path) -> None:
    path.symlink_to(path)


@pytest.mark.parametrize("obstacle", [Path.touch, a_dangling_link, a_link_to_itself])
@pytest.mark.parametrize("below", ["", "a"])
def test_where_no_data_folder_can_be_made_nothing_is_promised_of_the_first_start(
    tmp_path: Path, obstacle: Callable[[Path], None], below: str
) -> None:
    obstacle(tmp_path / "data")
    found = examine({"data": str(tmp_path / "data" / below), "ws": "127.0.0.1:0", "http": "127.0.0.1:0"})
    told = {finding.check: finding for finding in found}
    assert (told["data"].level, told["store"].level) == (FAIL, FAIL), found
    assert not any("the first start" in finding.text for finding in found)
    assert not any("the check itself failed" in finding.text for finding in found)
    with pytest.raises(ConfigError):
        make_folder(tmp_path / "data" / below)


async def test_an_encrypted_engine_is_asked_too(tmp_path: Path) -> None:
    config = encrypted(tmp_path, lasts=90 * DAY)
    async with an_engine(tmp_path, tls=config.tls) as engine:
        there = a_config(tmp_path, tls=config.tls, http=engine.http_url.rpartition("//")[2])
        found = await trio.to_thread.run_sync(lambda: list(network.ports(there)))
        texts = [finding.text for finding in found if finding.check == "engine"]
        assert [text.rpartition(": ")[2] for text in texts] == ["its loop turns", "it can acknowledge"]


def test_a_check_that_crashes_is_a_finding_and_hides_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(config: Config) -> None:
        raise ZeroDivisionError("oops")

    monkeypatch.setattr(data, "keys", broken)
    found = examine({"data": str(tmp_path), "ws": "127.0.0.1:0", "http": "127.0.0.1:0"})
    assert (
        Finding("key", FAIL, "the check itself failed: ZeroDivisionError: oops", "report it, with this line") in found
    )
    assert found[-1].check == "engine"


async def test_the_command_says_it_in_lines_and_ends_with_1_if_something_fails(tmp_path: Path) -> None:
    async def run(*arguments: str) -> Any:
        free = {"TOCSIN_WS": "127.0.0.1:0", "TOCSIN_HTTP": "127.0.0.1:0"}
        return await trio.run_process(
            command("doctor", "--data", str(tmp_path), *arguments), capture_stdout=True, check=False,
            env=environment(**free),
        )  # fmt: skip

    good = await run()
    assert good.returncode == 0
    assert "OK       configuration  every setting is known and allowed" in good.stdout.decode().splitlines()
    bad = await run("--store", "mysql://x/y")
    assert bad.returncode == 1
    assert "FAIL     store" in bad.stdout.decode()
    assert "→ set store, or leave it out" in bad.stdout.decode()
