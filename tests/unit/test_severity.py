import pytest

from engine.input.severity import SEVERITIES, parse_severity
from protocol.model import Severity


@pytest.mark.parametrize("severity", list(Severity))
def test_our_own_words_mean_themselves_and_leave_nothing_to_keep(severity: Severity) -> None:
    assert parse_severity(severity.value) == (severity, None)
    assert parse_severity(f" {severity.value.upper()} ") == (severity, None)


@pytest.mark.parametrize(
    ("word", "severity"),
    [
        ("page", Severity.CRITICAL),
        ("fatal", Severity.CRITICAL),
        ("emergency", Severity.CRITICAL),
        ("minor", Severity.INFO),
        ("notice", Severity.INFO),
        ("LOW", Severity.INFO),
        ("MEDIUM", Severity.WARNING),
        ("HIGH", Severity.ERROR),
        ("major", Severity.ERROR),
    ],
)
def test_a_foreign_word_is_mapped_and_kept(word: str, severity: Severity) -> None:
    assert parse_severity(word) == (severity, word)


def test_an_unknown_word_is_a_warning_and_is_kept() -> None:
    assert parse_severity("Purple") == (Severity.WARNING, "Purple")


def test_no_word_says_nothing() -> None:
    assert parse_severity("") == (Severity.WARNING, None)


def test_every_word_of_the_table_is_lower_case_and_has_one_meaning() -> None:
    assert all(word == word.lower().strip() for word in SEVERITIES)
    assert set(SEVERITIES.values()) == set(Severity)
