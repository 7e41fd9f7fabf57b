"""The alarms that we ship, as a real Prometheus reads them."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from tests.support.engines import ROOT

FOLDER = ROOT / "deploy" / "prometheus"


def promtool(*arguments: str) -> str:
    program = shutil.which("promtool")
    assert program, "these tests need promtool: apt-get install prometheus (make system does)"
    done = subprocess.run([program, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_rules_are_good_ones() -> None:
    assert "SUCCESS" in promtool("check", "rules", str(FOLDER / "tocsin.rules.yml"))


def test_the_configuration_is_a_good_one(tmp_path: Path) -> None:
    (tmp_path / "token").touch()
    text = (FOLDER / "prometheus.yml").read_text()
    text = text.replace("/etc/prometheus/tocsin.token", str(tmp_path / "token"))
    text = text.replace("/etc/prometheus/tocsin.rules.yml", str(FOLDER / "tocsin.rules.yml"))
    (tmp_path / "prometheus.yml").write_text(text)
    assert "SUCCESS" in promtool("check", "config", str(tmp_path / "prometheus.yml"))


def test_each_threshold_of_the_reference_rings_when_it_is_crossed_and_not_before() -> None:
    assert "SUCCESS" in promtool("test", "rules", str(FOLDER / "tocsin.rules.test.yml"))


def test_a_threshold_that_was_moved_is_seen_by_those_tests(tmp_path: Path) -> None:
    rules = (FOLDER / "tocsin.rules.yml").read_text()
    assert "tocsin_health_score < 70" in rules
    (tmp_path / "tocsin.rules.yml").write_text(rules.replace("tocsin_health_score < 70", "tocsin_health_score < 60"))
    (tmp_path / "tests.yml").write_text((FOLDER / "tocsin.rules.test.yml").read_text())
    program = shutil.which("promtool")
    assert program, "these tests need promtool: apt-get install prometheus (make system does)"
    done = subprocess.run(
        [program, "test", "rules", str(tmp_path / "tests.yml")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "TocsinHealth" in done.stdout + done.stderr
