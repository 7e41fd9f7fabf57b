"""The anomaly benchmark: its scorer, the detectors it is checked with, its own series, and the command."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

import benchmarks
from benchmarks import nab
from benchmarks.control import BenchmarkError
from benchmarks.nab_peers import ENTROPY_WINDOW, GAUSSIAN_STEP, GAUSSIAN_WINDOW, relative_entropy, windowed_gaussian
from benchmarks.nab_scorer import PROBATION_MAX, PROFILES, Sheet, Window, probation, sigmoid
from benchmarks.nab_series import COURSES, series
from tests.support.engines import ROOT

STANDARD, LOW_FP, LOW_FN = PROFILES["standard"], PROFILES["low_fp"], PROFILES["low_fn"]
# One window of ten records, after probation.
RECORDS, FIRST, LAST = 100, 40, 49


def sheet(*windows: Window) -> Sheet:
    made = Sheet()
    made.add(RECORDS, windows or [Window(FIRST, LAST)])
    return made


def detections(*records: int) -> list[float]:
    return [1.0 if number in records else 0.0 for number in range(RECORDS)]


def test_who_detects_nothing_gets_0_and_who_detects_each_window_at_its_edge_100():
    assert sheet().at(detections(), STANDARD, 0.5).score == 0.0
    for profile in PROFILES.values():
        assert sheet().at(detections(FIRST), profile, 0.5).score == pytest.approx(100.0)


def test_an_equal_score_for_all_records_is_worth_nothing():
    assert sheet().best([0.5] * RECORDS, STANDARD).score == 0.0


def test_the_first_detection_in_a_window_counts_and_the_earlier_it_is_the_more():
    scores = [sheet().at(detections(*range(first, LAST + 1)), STANDARD, 0.5).score for first in range(FIRST, LAST + 1)]
    assert scores == sorted(scores, reverse=True)
    assert scores[0] > 99.9
    assert 50.0 < scores[-1] < 65.0, "the last moment is worth little more than no miss"


def test_a_false_alarm_costs_its_weight_and_less_right_behind_a_window():
    far, near, before = (sheet().at(detections(record), STANDARD, 0.5).score for record in (95, LAST + 1, FIRST - 1))
    assert before == far == pytest.approx(-100 * 0.11 / 2)
    assert far < near < 0.0
    assert sheet().at(detections(95), LOW_FP, 0.5).score == pytest.approx(-100 * 0.22 / 2)
    assert sheet().at(detections(95), LOW_FN, 0.5).score == pytest.approx(-100 * 0.11 / 3)


def test_a_miss_costs_twice_as_much_in_its_profile():
    two = sheet(Window(20, 29), Window(FIRST, LAST))
    assert two.at(detections(20), STANDARD, 0.5).score == pytest.approx(50.0)
    assert two.at(detections(20), LOW_FN, 0.5).score == pytest.approx(50.0)
    assert [outcome.found for outcome in (two.at(detections(20), LOW_FN, 0.5),)] == [1]


@pytest.mark.parametrize(("records", "length"), [(10, 1), (1_000, 150), (5_000, 750), (20_000, PROBATION_MAX)])
def test_the_beginning_of_a_file_is_probation(records: int, length: int):
    assert probation(records) == length


def test_what_is_detected_in_probation_counts_neither_way():
    assert sheet().at(detections(*range(15)), STANDARD, 0.5) == (0.0, 0.5, 0, 0)
    assert sheet().counted == 85


def test_the_threshold_is_the_one_that_serves_best_over_all_files():
    both = Sheet()
    both.add(RECORDS, [Window(FIRST, LAST)])
    both.add(RECORDS, [])
    scores = [0.0] * (2 * RECORDS)
    scores[FIRST], scores[RECORDS + 50], scores[RECORDS + 60] = 0.7, 0.6, 0.8
    best = both.best(scores, STANDARD)
    assert (best.threshold, best.found, best.false_alarms) == (0.7, 1, 1)
    assert best.score == pytest.approx(100 - 5.5)


def test_the_curve_falls_from_1_through_0_to_minus_1():
    assert sigmoid(0.0) == 0.0
    assert sigmoid(-1.0) == pytest.approx(0.98661, abs=1e-5)
    assert sigmoid(-0.5) == pytest.approx(0.84828, abs=1e-5)
    assert sigmoid(1.0) == pytest.approx(-0.98661, abs=1e-5)
    assert sigmoid(3.0) == -1.0


def test_the_windowed_gaussian_tells_tail_probabilities():
    scores = windowed_gaussian([10.0, 10.0, 12.0, 8.0, 10.0])
    assert scores[:3] == [0.0, 0.5, 1.0]
    values = [float(number % 2) for number in range(GAUSSIAN_WINDOW)] + [5.0] * (GAUSSIAN_STEP + 1)
    scores = windowed_gaussian(values)
    deviation = math.erfc(4.5 / 0.5 / math.sqrt(2)) / 2
    assert scores[GAUSSIAN_WINDOW] == scores[GAUSSIAN_WINDOW + GAUSSIAN_STEP - 1] == round(1 - deviation, 12)
    assert scores[-1] < scores[GAUSSIAN_WINDOW]


def test_relative_entropy_tells_windows_that_are_unlike_any_before():
    assert relative_entropy([3.0] * 100) == [0.0] * 100
    scores = relative_entropy([0.0] * 100 + [10.0] * 100 + [0.0] * 100 + [10.0] * 100)
    assert sum(scores[:100]) == 0.0
    assert scores[100] == 1.0
    assert sum(scores[300:]) == 0.0, "what was seen once is known"
    assert sum(scores[: ENTROPY_WINDOW - 1]) == 0.0


def test_own_series_are_the_same_for_the_same_seed_and_others_for_another():
    assert series(7, 1) == series(7, 1)
    assert series(7, 1) != series(8, 1)
    courses = [file.values for file in series(7, 1)]
    assert all(courses.count(values) == 1 for values in courses), "a course that is there twice is drawn twice"
    assert {file.name.partition("-")[0] for file in series(7, 1)} == {make.__name__ for make in COURSES}


def test_own_series_have_windows_that_are_apart_and_after_probation():
    for file in series(3, 3):
        assert len(file.at_us) == len(file.values)
        assert all(earlier < later for earlier, later in zip(file.at_us, file.at_us[1:], strict=False))
        edges = [edge for window in file.windows for edge in window]
        assert edges == sorted(edges)
        assert all(probation(len(file.values)) <= edge < len(file.values) for edge in edges)


def corpus(folder: Path) -> Path:
    """A benchmark of one small file, an hour of which comes twice."""
    times = [f"2015-03-0{1 + number // 288} {number % 288 // 12:02}:{number % 12 * 5:02}:00" for number in range(1_440)]
    times[12:24] = times[:12]
    rows = [f"{at},{50 + number % 3 + (500 if number == 1_000 else 0)}" for number, at in enumerate(times)]
    (folder / "data" / "some").mkdir(parents=True)
    (folder / "labels").mkdir()
    (folder / "data" / "some" / "file.csv").write_text("\n".join(["timestamp,value", *rows]) + "\n")
    window = [f"{times[950]}.000000", f"{times[1_050]}.000000"]
    (folder / "labels" / "combined_windows.json").write_bytes(msgspec.json.encode({"some/file.csv": [window]}))
    return folder


def test_the_benchmark_is_read_from_its_folder(tmp_path: Path):
    [file] = nab.read(corpus(tmp_path))
    assert (file.name, file.windows) == ("some/file.csv", [Window(950, 1_050)])
    assert file.values[1_000] == 551.0


def test_the_command_scores_the_benchmark_and_says_what_others_get(tmp_path: Path, capsys):
    assert benchmarks.main(["nab", "--data", str(corpus(tmp_path)), "--runs", "2", "--json"]) == 0
    report = msgspec.json.decode(capsys.readouterr().out)
    assert report["conditions"]["points"] == 1_440
    assert report["figures"]["windows_found"] == report["figures"]["default_windows_found"] == 1
    assert report["figures"]["nab_standard"] > 80.0
    assert report["figures"]["published_artime_standard"] == 74.9
    assert {check["figure"] for check in report["checks"]} >= {"nab_standard", "points_per_s", "windowed_gaussian_off"}


def test_the_file_itself_is_the_command_too(tmp_path: Path):
    asked = [sys.executable, "benchmarks/nab.py", "--data", str(corpus(tmp_path)), "--runs", "2", "--json"]
    done = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, check=True, timeout=60)
    assert msgspec.json.decode(done.stdout)["conditions"]["points"] == 1_440
    wrong = subprocess.run([*asked[:3], str(tmp_path / "no")], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert (wrong.returncode, "--data is a checkout" in wrong.stderr) == (1, True)


def test_without_data_the_command_scores_its_own_series(capsys):
    assert benchmarks.main(["nab", "--short", "--runs", "1"]) == 0
    said = capsys.readouterr().out
    assert "our own series" in said
    assert "own_standard" in said


def test_a_folder_that_is_no_benchmark_is_said_to_be_none(tmp_path: Path, capsys):
    assert benchmarks.main(["nab", "--data", str(tmp_path)]) == 1
    assert "--data is a checkout of github.com/numenta/NAB" in capsys.readouterr().err
    (corpus(tmp_path) / "data" / "some" / "file.csv").write_text("timestamp,value\nyesterday,many\n")
    with pytest.raises(BenchmarkError, match="does not hold the Numenta Anomaly Benchmark"):
        nab.read(tmp_path)


# Three files of very different kinds: far below what it gets there, far above a detector that has gone blind.
FLOOR = 20.0
DATA = os.environ.get("TOCSIN_NAB_DATA")
absent = pytest.mark.skipif(
    not DATA,
    reason="TOCSIN_NAB_DATA is not set: the path of a checkout (git clone https://github.com/numenta/NAB), or of any"
    " folder that has its data/ and labels/combined_windows.json",
)
SOME = [
    "realKnownCause/nyc_taxi.csv",
    "realKnownCause/machine_temperature_system_failure.csv",
    "artificialNoAnomaly/art_flatline.csv",
]


@absent
@pytest.mark.parametrize(
    ("detector", "published"),
    [(windowed_gaussian, (39.6, 20.9, 47.4)), (relative_entropy, (54.6, 47.6, 58.8))],
)
def test_detectors_of_others_get_what_was_published_for_them(detector, published: tuple[float, float, float]):
    files = nab.read(Path(DATA or ""))
    worth, scores = nab.sheet_of(files), [score for file in files for score in detector(file.values)]
    assert (len(files), worth.windows) == (58, 116)
    measured = [worth.best(scores, profile).score for profile in PROFILES.values()]
    assert measured == pytest.approx(published, abs=0.06)


@absent
def test_our_detector_stays_above_its_floor_on_a_few_files():
    files = nab.read(Path(DATA or ""), only=SOME)
    scores = [score for file in files for score in nab.detect(file)]
    assert nab.sheet_of(files).best(scores, STANDARD).score > FLOOR
