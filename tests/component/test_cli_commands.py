"""The command line, as far as it needs no engine."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

import benchmarks
import tocsin
from actors.supervisor import TooManyRestarts
from engine.access.auth import Authenticator
from protocol.errors import Busy
from tests.support.engines import ROOT, environment
from tests.support.keys import secret_of
from tocsin.cli import cli, main
from tocsin.commands import listing, options
from tocsin.errors import ClientStopped


def run(*arguments: str, **variables: str) -> Result:
    cleared = {"TOCSIN_TOKEN": None, "TOCSIN_URL": None, "TOCSIN_SECRET": None, "TOCSIN_DATA": None}
    return CliRunner().invoke(cli, list(arguments), prog_name="tocsin", env=cleared | variables)


def test_a_list_with_nothing_in_it_says_so_to_people_and_nothing_to_programs(
    capsys: pytest.CaptureFixture[str],
) -> None:
    listing.show([], {"ALERT": "id", "TITLE": "title"})
    assert capsys.readouterr() == ("ALERT  TITLE\n", "there is none\n")
    listing.show([], {"ALERT": "id"}, as_json=True)
    assert capsys.readouterr() == ("", "")


# Help


def test_the_help_names_every_command_in_the_order_in_which_one_meets_them() -> None:
    result = run("--help")
    assert result.exit_code == 0
    places = [result.output.index(f"\n  {name} ") for name in ("serve", "trigger", "tail", "token", "config", "bench")]
    assert places == sorted(places)


@pytest.mark.parametrize("command", ["serve", "trigger", "tail", "token", "config", "migrate"])
def test_every_command_explains_itself(command: str) -> None:
    result = run(command, "--help")
    assert result.exit_code == 0
    assert f"Usage: tocsin {command}" in result.output


def test_the_version_is_told() -> None:
    assert run("--version").output.startswith("tocsin ")


def test_an_unknown_command_exits_with_2() -> None:
    result = run("sirve")
    assert result.exit_code == 2
    assert "No such command 'sirve'" in result.stderr


# token


def test_a_token_stands_alone_on_its_line_and_opens_its_workspace(tmp_path: Path) -> None:
    result = run(
        "token", "--workspace", "acme", "--user", "ann", "--role", "viewer", "--ttl", "60", "--data", str(tmp_path)
    )
    assert result.exit_code == 0
    assert result.stdout.count("\n") == 1
    who = Authenticator(secret_of(tmp_path)).authenticate(result.stdout.strip())
    assert (who.workspace, who.user, who.role) == ("acme", "ann", "viewer")


def test_a_new_key_file_is_mentioned_once_and_beside_the_token(tmp_path: Path) -> None:
    first, second = (run("token", "--data", str(tmp_path)) for _ in range(2))
    assert "made a new key file" in first.stderr
    assert second.stderr == ""


def test_a_bare_token_is_an_administrators_of_the_configured_workspace() -> None:
    secret = "x" * 40
    result = run("token", TOCSIN_SECRET=secret, TOCSIN_WORKSPACE="acme")
    who = Authenticator(secret.encode()).authenticate(result.stdout.strip())
    assert (who.workspace, who.role) == ("acme", "admin")


@pytest.mark.parametrize(
    "wrong", [["--workspace", "a:b"], ["--ttl", "0"], ["--ttl", "999999999"], ["--role", "king"], ["--user", "*"]]
)
def test_a_token_that_cannot_be_is_a_wrong_use(wrong: list[str]) -> None:
    result = run("token", *wrong, TOCSIN_SECRET="x" * 40)
    assert result.exit_code == 2
    assert result.stdout == ""


def test_a_token_says_which_folder_cannot_take_its_key_file() -> None:
    result = run("token", "--data", "/sys")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("tocsin: data: '/sys' cannot be used (Permission denied): use a folder")


@pytest.mark.parametrize("option", ["--workspace", "--user", "--data", "--config"])
def test_an_empty_option_of_token_is_not_the_default(option: str) -> None:
    result = run("token", option, "", TOCSIN_SECRET="x" * 40)
    assert (result.exit_code, result.stdout) == (2, "")
    assert f"Invalid value for '{option}': it is empty" in result.stderr


@pytest.mark.parametrize("option", ["--workspace", "--token", "--url"])
def test_an_empty_option_of_a_client_command_is_not_the_default(option: str) -> None:
    result = run("tail", option, "", TOCSIN_SECRET="x" * 40)
    assert result.exit_code == 2
    assert f"Invalid value for '{option}': it is empty" in result.stderr


@pytest.mark.parametrize("trouble", [KeyError("uid"), OSError("no such user")])
def test_a_user_without_a_name_is_the_operator(monkeypatch: pytest.MonkeyPatch, trouble: Exception) -> None:
    def nobody() -> str:
        raise trouble

    monkeypatch.setattr("getpass.getuser", nobody)
    assert options.user_name() == "operator"
    monkeypatch.setattr("getpass.getuser", lambda: "*")
    assert options.user_name() == "operator"


# config and migrate


def test_the_configuration_is_shown_with_secrets_masked(tmp_path: Path) -> None:
    (tmp_path / "tocsin.toml").write_text(
        'secret = "0123456789012345678901234567890123456789"\nws = "127.0.0.1:4000"\n'
    )
    result = run("config", "--data", str(tmp_path))
    assert result.exit_code == 0
    assert 'ws = "127.0.0.1:4000"' in result.stdout
    assert "0123456789" not in result.output


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"TOCSIN_SECRET": "short"}, "secret: ******** is not allowed: use at least 32 bytes, this one has 5 (make"),
        ({"TOCSIN_WS": "nowhere"}, "ws: 'nowhere' is not allowed: use HOST:PORT"),
        ({"TOCSIN_HTPP": "x"}, "TOCSIN_HTPP: is no setting; did you mean TOCSIN_HTTP"),
        ({"TOCSIN_CONFIG": "/nowhere.toml"}, "cannot be read"),
    ],
)
@pytest.mark.parametrize("command", ["config", "serve"])
def test_a_wrong_setting_is_one_line_and_exit_2(command: str, settings: dict[str, str], said: str) -> None:
    result = run(command, **settings)
    assert result.exit_code == 2
    assert said in result.stderr
    assert result.stderr.startswith("tocsin: ")
    assert result.stderr.count("\n") == 1


def test_migrations_are_listed_applied_and_then_done(tmp_path: Path) -> None:
    data = ["--data", str(tmp_path)]
    assert "pending  0001" in run("migrate", "--status", *data).stdout
    assert "applied  0001" in run("migrate", *data).stdout
    assert "nothing to do" in run("migrate", *data).stdout
    status = run("migrate", "--status", *data).stdout
    assert "applied  0001" in status
    assert "pending" not in status


@pytest.mark.parametrize("command", [["migrate"], ["migrate", "--status"], ["serve"]])
def test_a_store_that_there_is_not_is_one_line_and_exit_2(command: list[str], tmp_path: Path) -> None:
    result = run(*command, "--store", "oracle://x", "--data", str(tmp_path))
    assert result.exit_code == 2
    assert result.stderr.startswith("tocsin: store: store 'oracle://x' is not known")


def test_a_database_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "tocsin.db").write_text("this is my diary")
    result = run("migrate", "--data", str(tmp_path))
    assert result.exit_code == 2
    assert "not an SQLite database" in result.stderr


# bench


def test_bench_hands_all_its_arguments_on(monkeypatch: pytest.MonkeyPatch) -> None:
    handed: list[list[str]] = []
    monkeypatch.setattr(benchmarks, "main", lambda argv: handed.append(argv) or 1)
    assert run("bench", "fanout", "--clients", "10", "--json", "--help").exit_code == 1
    assert handed == [["fanout", "--clients", "10", "--json", "--help"]]


# The way to an engine


def test_a_given_token_needs_no_configuration() -> None:
    found = options.access(None, "t", None, None, "/nowhere.toml", "viewer")
    assert (found.url, found.token) == (options.DEFAULT_URL, "t")


@pytest.mark.parametrize(
    ("ws", "url"), [("127.0.0.1:4000", "ws://127.0.0.1:4000"), ("127.0.0.1:0", options.DEFAULT_URL)]
)
async def test_without_a_token_fresh_ones_are_made_from_the_engines_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ws: str, url: str
) -> None:
    monkeypatch.setenv("TOCSIN_WS", ws)
    secret = secret_of(tmp_path)
    found = options.access(None, None, "acme", str(tmp_path), None, "viewer")
    assert found.url == url
    assert callable(found.token)
    who = Authenticator(secret).authenticate(await found.token())
    assert (who.workspace, who.role) == ("acme", "viewer")


@pytest.mark.parametrize("command", [["tail"], ["trigger", "web"]])
def test_without_token_and_secret_it_is_said_where_one_comes_from(command: list[str], tmp_path: Path) -> None:
    result = run(*command, "--data", str(tmp_path))
    assert result.exit_code == 2
    assert "set TOCSIN_TOKEN, or TOCSIN_DATA" in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_nobody_at_the_address_is_one_line_and_exit_1() -> None:
    result = run("trigger", "web", "--url", "ws://127.0.0.1:1", TOCSIN_TOKEN="t")
    assert result.exit_code == 1
    assert result.stderr.startswith("tocsin: cannot connect to ws://127.0.0.1:1: ")
    assert result.stderr.endswith("is this its address? start one with: tocsin serve\n")
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("given", "option", "said"),
    [
        (["web", "--value", "nan"], "--value", "nan is not allowed: use a finite number"),
        (["web", "--threshold", "inf"], "--threshold", "inf is not allowed: use a finite number"),
        (["web", "--title", "x" * 513], "--title", "use a text of 0 to 512 characters"),
        (["web", "--message", "x" * 8_193], "--message", "use a text of 0 to 8192 characters"),
        (["web", "--severity", "x" * 1_025], "--severity", "use a text of 0 to 1024 characters"),
        (["web", "--label", "a=" + "x" * 1_025], "--label", "use at most 1024 characters each"),
        (["web", *(f"--label=n{n}=x" for n in range(65))], "--label", "65 labels are not allowed: use at most 64"),
        (["web", "--rule", "a*b"], "--rule", "the name 'a*b' is not allowed: use 1-128 letters"),
        ([""], "FRAMEWORK", "the name '' is not allowed: use 1-128 letters"),
    ],
)
def test_what_no_trigger_can_carry_is_told_by_the_name_of_the_option(given: list[str], option: str, said: str) -> None:
    result = run("trigger", *given, TOCSIN_TOKEN="t")
    assert result.exit_code == 2
    told = " ".join(result.stderr.split())
    assert f"Invalid value for '{option}'" in told
    assert said in told


def test_a_severity_that_nobody_knows_is_told_to_count_as_warning() -> None:
    told = "tocsin: severity 'critcal' is not known and counts as warning"
    assert told in run("trigger", "web", "--severity", "critcal", "--url", "ws://127.0.0.1:1", TOCSIN_TOKEN="t").stderr
    for known in ("critical", " Page "):
        result = run("trigger", "web", "--severity", known, "--url", "ws://127.0.0.1:1", TOCSIN_TOKEN="t")
        assert "is not known" not in result.stderr


def test_the_help_of_trigger_tells_the_truth_about_severities_and_identity() -> None:
    told = " ".join(run("trigger", "--help").output.split())
    assert "any other word counts as warning" in told
    assert "[its rule or title, and its labels without severity]" in told


def test_tail_follows_no_framework_without_a_name() -> None:
    assert run("tail", "", TOCSIN_TOKEN="t").exit_code == 2


@pytest.mark.parametrize("command", [["token"], ["config"]])
def test_an_output_that_cannot_be_written_is_one_line_and_exit_1(command: list[str]) -> None:
    with Path("/dev/full").open("w") as full:
        ran = subprocess.run(
            [sys.executable, "-m", "tocsin", *command],
            env=environment(TOCSIN_SECRET="x" * 40, PYTHONUNBUFFERED=""),
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
        )
    assert ran.returncode == 1
    assert ran.stderr == "tocsin: the output cannot be written: No space left on device\n"


@pytest.mark.parametrize("wrong", [["--label", "x"], ["--label", "=x"], ["--value", "much"]])
def test_a_wrong_option_exits_with_2(wrong: list[str]) -> None:
    assert run("trigger", "web", *wrong, TOCSIN_TOKEN="t").exit_code == 2


def test_a_url_that_is_none_exits_with_2() -> None:
    result = run("tail", "--url", "http://x", TOCSIN_TOKEN="t")
    assert result.exit_code == 2
    assert result.stderr.startswith("tocsin: url: 'http://x' is not allowed: use ws://HOST:PORT")


# Errors


def fail_with(fault: Exception) -> Any:
    @click.command("fail")
    def fail() -> None:
        raise fault

    return fail


def failing(monkeypatch: pytest.MonkeyPatch, fault: Exception) -> Result:
    monkeypatch.setitem(cli.commands, "fail", fail_with(fault))
    return run("fail")


def test_an_engine_that_gave_up_exits_with_70_and_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    gave_up = TooManyRestarts("ticker crashed 6 times in 30 s")
    gave_up.__cause__ = ExceptionGroup("", [ZeroDivisionError("oh")])
    result = failing(monkeypatch, ExceptionGroup("", [gave_up]))
    assert result.exit_code == 70
    assert result.stderr == "tocsin: gave up: ticker crashed 6 times in 30 s: ZeroDivisionError('oh')\n"
    assert failing(monkeypatch, TooManyRestarts("x")).stderr == "tocsin: gave up: x\n"


def test_an_error_of_ours_is_one_line_and_exit_1(monkeypatch: pytest.MonkeyPatch) -> None:
    result = failing(monkeypatch, Busy("try\nagain"))
    assert (result.exit_code, result.stderr) == (1, "tocsin: try again\n")


@pytest.mark.parametrize(
    ("code", "advice"),
    [(3500, "why; get another token (tocsin token)"), (3503, "why; ask the operator (tocsin audit"), (3505, "why\n")],
)
def test_a_client_that_was_ended_for_good_is_told_what_to_do(
    monkeypatch: pytest.MonkeyPatch, code: int, advice: str
) -> None:
    result = failing(monkeypatch, ClientStopped("why", code))
    assert (result.exit_code, advice in result.stderr) == (1, True), result.stderr


def test_a_bug_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(failing(monkeypatch, ZeroDivisionError()).exception, ZeroDivisionError)


def test_a_reader_that_has_gone_ends_the_command_quietly(monkeypatch: pytest.MonkeyPatch) -> None:
    result = failing(monkeypatch, ExceptionGroup("", [BrokenPipeError(32, "Broken pipe")]))
    assert (result.exit_code, result.output) == (1, "")


# The package


def test_the_public_names_are_there_and_only_they() -> None:
    assert dir(tocsin) == sorted(tocsin.__all__)
    assert all(getattr(tocsin, name) is not None for name in tocsin.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        tocsin.nonsense  # noqa: B018


def test_a_client_loads_no_http_server() -> None:
    code = "import sys; from tocsin import Client; print({'litestar', 'hypercorn'} & set(sys.modules))"
    ran = subprocess.run([sys.executable, "-c", code], env=environment(), capture_output=True, text=True, check=True)
    assert ran.stdout == "set()\n"


@pytest.mark.parametrize("first", ["", "import engine; "])
def test_an_application_with_a_package_of_our_name_is_told_so(tmp_path: Path, first: str) -> None:
    (tmp_path / "engine").mkdir()
    (tmp_path / "engine" / "__init__.py").write_text("POWER = 'diesel'\n")
    ran = subprocess.run(
        [sys.executable, "-c", f"{first}import tocsin"], env=environment(), cwd=tmp_path, capture_output=True, text=True
    )
    assert ran.returncode == 1
    assert f"Tocsin needs its own 'engine' (in {ROOT}), but the name leads to {tmp_path / 'engine'}" in ran.stderr
    assert "Rename that package" in ran.stderr


def test_a_package_of_ours_that_is_missing_is_told() -> None:
    code = (
        "import importlib.util as u; real = u.find_spec; "
        "u.find_spec = lambda name: None if name == 'actors' else real(name); import tocsin"
    )
    ran = subprocess.run([sys.executable, "-c", code], env=environment(), capture_output=True, text=True)
    assert ran.returncode == 1
    assert "Tocsin's own package 'actors' was not found" in ran.stderr
    assert "reinstall tocsin" in ran.stderr


def test_python_m_is_the_same_command() -> None:
    assert importlib.import_module("tocsin.__main__").main is main
    ran = subprocess.run(
        [sys.executable, "-m", "tocsin", "token"],
        env=environment(TOCSIN_SECRET="x" * 40),
        capture_output=True,
        text=True,
        check=True,
    )
    assert ran.stdout.startswith("eyJ")
