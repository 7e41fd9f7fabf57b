"""`tocsin rules` against a real engine: made, shown, changed, switched, written out and taken in again."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path

import trio
from structlog.testing import capture_logs

from protocol.items import ReadingInput
from protocol.rules import ThresholdRule
from protocol.times import SECOND_US, rfc3339
from tests.support.engines import an_engine
from tests.support.shell import PATIENCE_S, a_shell, in_thread, run
from tocsin.commands.rules import RULES


async def test_rules_are_made_changed_and_moved_from_the_command_line(tmp_path: Path) -> None:
    # The engine shares this process, and its log must not be in what the command prints.
    with capture_logs(), trio.fail_after(PATIENCE_S):
        async with an_engine(tmp_path, rules=()) as engine:
            given = ("--api", engine.http_url, "--data", str(tmp_path))

            async def rules(*arguments: str, code: int = 0) -> str:
                done = await in_thread("rules", *arguments, *given)
                assert done.exit_code == code, done.output
                return done.output

            fields = ("framework=web", "metric=cpu_percent", "threshold=90", "title=Hot CPU")
            assert await rules("add", "id=team/cpu hot", *fields) == "team/cpu hot\n"
            assert "is no FIELD=VALUE" in await rules("add", "threshold", code=2)
            assert "invalid rule: Expected `float`" in await rules("add", "threshold=high", *fields[:2], code=1)
            assert await rules("edit", "team/cpu hot", "threshold=95", 'labels={"a":"b"}') == "2\n"
            assert "version 1 was changed" in await rules(
                "edit", "team/cpu hot", "threshold=1", "--version", "1", code=1
            )
            shown = json.loads(await rules("show", "team/cpu hot"))
            assert (shown["threshold"], shown["labels"], shown["version"]) == (95.0, {"a": "b"}, 2)
            listed = (await rules("list", "--search", "HOT", "--enabled")).splitlines()
            assert listed[0].split()[:4] == ["RULE", "KIND", "FRAMEWORK", "METRIC"]
            assert listed[1].split()[-6:] == ["warning", "yes", "2", "stored", "Hot", "CPU"]
            assert await rules("edit", "team/cpu hot", "title=null") == "3\n"
            assert (await rules("list")).splitlines()[1].endswith("  cpu_percent > 95")
            await rules("edit", "team/cpu hot", "title=Hot CPU")
            assert "nothing: there is no such rule" in await rules("disable", "team/cpu hot", "nothing", code=1)
            [line] = (await rules("list", "--disabled", "--json")).splitlines()
            assert json.loads(line)["enabled"] is False
            file = tmp_path / "rules.toml"
            file.write_text(await rules("export"))
            assert await rules("delete", "team/cpu hot") == "team/cpu hot: deleted\n"
            assert await rules("import", str(file), "--dry-run") == "team/cpu hot: create\n"
            assert await rules("list", "--json") == ""
            assert await rules("import", str(file)) == "team/cpu hot: create\n"
            as_yaml = tmp_path / "rules.yaml"
            as_yaml.write_text(await rules("export", "--format", "yaml"))
            assert await rules("import", str(as_yaml)) == "team/cpu hot: unchanged\n"
            foreign = tmp_path / "alerts.yml"
            foreign.write_text("groups: [{name: g, limit: 3, rules: [{alert: Hot, expr: temp > 5}, {record: r}]}]")
            assert "say format=prometheus (--format prometheus)" in await rules("import", str(foreign), code=1)
            dry = (str(foreign), "--format", "prometheus", "--framework", "shop", "--dry-run")
            assert (await rules("import", *dry)).splitlines() == [
                "g/Hot: create",
                "g: left out limit: rules are evaluated with each reading, groups have no settings here",
                "g/r: left out: a recording rule; rules here make alerts, no series",
            ]
            [left_out, _] = json.loads(await rules("import", *dry, "--json"))["left_out"]
            assert left_out["part"] == "limit"
            assert "--framework is for" in await rules("import", str(as_yaml), "--framework", "shop", code=2)
            as_json = tmp_path / "rules.json"
            as_json.write_text(await rules("export", "--json"))
            assert await rules("import", str(as_json)) == "team/cpu hot: unchanged\n"
            assert await rules("archive", "team/cpu hot") == "team/cpu hot: archived\n"
            assert await rules("list", "--json") == ""
            assert (await rules("list", "--archived", "--json")).count("\n") == 1
            as_json.write_text("[]")
            assert "has no rules" in await rules("import", str(as_json), code=2)


async def test_what_a_rule_sees_is_shown_series_by_series(tmp_path: Path) -> None:
    hot = ThresholdRule(id="a/hot", framework="web", metric="cpu", threshold=90.0, for_s=60.0)
    async with a_shell(tmp_path, rules=(hot,)) as (engine, said):
        assert (await said("rules", "series", "a/hot")).splitlines()[1:] == ["there is none"]
        readings = [
            ReadingInput(framework_id="web", metric="cpu", value=value, labels={"host": host})
            for host, value in (("h1", 95.0), ("h2", 20.0))
        ]
        await engine.service.read(engine.principal("p", "producer"), readings)
        head, *lines = (await said("rules", "series", "a/hot")).splitlines()
        assert head.split("  ")[0] == "LABELS"
        assert [line.split()[:3] for line in lines] == [["host=h1", "pending", "95"], ["host=h2", "idle", "20"]]
        [line] = (await said("rules", "series", "a/hot", "--state", "pending", "--json")).splitlines()
        assert json.loads(line)["labels"] == {"host": "h1"}
        assert "there is no such rule" in await said("rules", "series", "b", code=1)


def an_hour(*values: float) -> str:
    """Readings of the last hour, as a file has them."""
    start = datetime(2026, 1, 5, 12, tzinfo=UTC)
    return json.dumps([{"value": value, "at": f"{start:%Y-%m-%dT%H:}{n:02}:00Z"} for n, value in enumerate(values)])


async def test_a_rule_is_tried_on_values_and_with_a_marked_alert(tmp_path: Path) -> None:
    async with a_shell(tmp_path, rules=()) as (_, said):
        await said("rules", "add", "id=cpu", "framework=web", "metric=cpu", "threshold=90", "title=Hot")
        tried = (await said("rules", "test", "cpu", "95", "96", "10", "--label", "host=1")).splitlines()
        assert tried[0] == "3 readings: 1 fired, 1 duplicate, 1 resolved"
        assert tried[1].split() == ["AT", "(UTC)", "WHAT", "WHY", "NOTIFIED", "SEVERITY", "VALUE", "LABELS", "TITLE"]
        assert [line.split()[1:] for line in tried[2:]] == [
            ["fired", "-", "yes", "warning", "95.0", "host=1", "Hot"],
            ["suppressed", "duplicate", "(1)", "-", "-", "-", "-", "-"],
            ["resolved", "-", "yes", "warning", "95.0", "host=1", "Hot"],
        ]
        assert (await said("rules", "test", "cpu", "10")).endswith("nothing would have rung\n")
        assert (await said("rules", "test", "cpu", "-10.5")).endswith("nothing would have rung\n")
        assert "'--sned' is not a valid float" in await said("rules", "test", "cpu", "1", "--sned", code=2)
        assert (await said("alerts", "list")).endswith("TITLE\nthere is none\n")
        assert "\ntest alert: fired " in await said("rules", "test", "cpu", "10", "--send")
        assert "[test] Hot" in await said("alerts", "list")
        enabled = json.loads(await said("rules", "enable", "cpu", "--json"))
        assert (enabled["id"], enabled["status"]) == ("cpu", "done")
        assert json.loads(await said("rules", "test", "cpu", "95", "--json"))["backtest"]["told"] == {"fired": 1}
        assert "tocsin frameworks put web" in await said("frameworks", "archive", "web", code=1)
        await said("frameworks", "put", "web", "name=Web")
        await said("frameworks", "archive", "web")
        assert "test alert: rejected" in await said("rules", "test", "cpu", "10", "--send", code=1)


async def test_a_backtest_is_a_table_of_what_would_have_happened_when_and_why(tmp_path: Path) -> None:
    file = tmp_path / "readings.json"
    file.write_text(an_hour(95, 96, 97, 10, 98, 10, 10, 10, 10, 10, 99))
    async with a_shell(tmp_path, rules=()) as (engine, said):
        await said("rules", "add", "id=cpu", "framework=web", "metric=cpu", "threshold=90")
        told = (await said("rules", "backtest", "cpu", "--readings", str(file))).splitlines()
        assert told[0] == "11 readings: 2 fired, 2 duplicate, 1 resolved, 1 cooldown, 5 below_threshold"
        at = "2026-01-05T12:0{}:00Z".format
        assert [" ".join(line.split()[:3]) for line in told[2:]] == [
            f"{at(0)} fired -",
            f"{at(1)} suppressed duplicate",
            f"{at(3)} resolved -",
            f"{at(4)} suppressed cooldown",
            f"{at(5)} window over",
            "2026-01-05T12:10:00Z fired -",
        ]
        assert "duplicate (2, the last at 2026-01-05T12:02:00Z)" in told[3]
        assert "3 were held back" in told[6]
        file.write_text(json.dumps([json.loads(an_hour(95))[0] | {"labels": {"n": str(n)}} for n in range(1_002)]))
        many = await said("rules", "backtest", "cpu", "--readings", str(file))
        assert many.endswith("\nand 2 events more\n")
        file.write_text(an_hour(95, 99))
        higher = await said("rules", "backtest", "cpu", "threshold=98.5", "--readings", str(file), "--json")
        assert json.loads(higher)["told"] == {"fired": 1}
        yesterday = rfc3339(engine._world.clock() - 20 * 3_600 * SECOND_US)
        series = ((yesterday, 1.0), (None, 99.0))
        given = [ReadingInput(framework_id="web", metric="cpu", value=value, at=at) for at, value in series]
        await engine.service.read(engine.principal("agent"), given)
        assert (await said("rules", "backtest", "cpu")).startswith("1 reading (raw): 1 fired\n")
        mixed = await said("rules", "backtest", "cpu", "--since", "10d")
        assert re.match(r"3 readings \(1m from 20[^,]*Z, raw from 20[^,]*Z\): 2 below_threshold, 1 fired\n", mixed)
        hourly = await said("rules", "backtest", "cpu", "for_s=60", "--resolution", "1h")
        assert "\nnote: readings are averages of 1 h; shorter breaches are not seen; for_s is" in hourly
        assert "there is no such rule" in await said("rules", "backtest", "nothing", "--since", "1h", code=1)


def test_a_rule_of_another_version_is_listed_as_it_says() -> None:
    title = RULES.columns["TITLE"]
    assert callable(title)
    assert title({"id": "x", "kind": "forecast", "title": "Full soon", "version": 1}) == "Full soon"


def test_readings_that_are_no_json_are_refused_before_anything_is_sent(tmp_path: Path) -> None:
    broken = tmp_path / "readings.json"
    broken.write_text("{")
    done = run("rules", "backtest", "cpu", "--readings", str(broken), TOCSIN_TOKEN="t")
    assert (done.exit_code, "is no JSON" in done.output) == (2, True)
