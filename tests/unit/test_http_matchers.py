import pytest

from engine.http.matchers import MATCHERS_MAX, parse_matcher, parse_matchers
from protocol.errors import BadRequest

LABELS = {"alertname": "DiskFull", "host": "h1", "note": 'a "b"\nc'}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("alertname=DiskFull", True),
        ('alertname="DiskFull"', True),
        (' alertname = "DiskFull" ', True),
        ("alertname=Disk", False),
        ("alertname!=DiskFull", False),
        ("host!=h2", True),
        ('alertname=~"Disk.*"', True),
        ("alertname=~Disk", False),
        ("alertname!~Disk.*", False),
        ("alertname!~Net.*", True),
        ("missing=", True),
        ('missing=""', True),
        ("missing!=x", True),
        ("missing=~.+", False),
        (r'note="a \"b\"\nc"', True),
        ('"host"="h1"', True),
        (r'host=~"h\d"', True),
    ],
)
def test_a_matcher_decides_as_in_alertmanager(text: str, expected: bool) -> None:
    assert parse_matcher(text).matches(LABELS) is expected


@pytest.mark.parametrize("text", ["", "alertname", "=x", "{a=b}"])
def test_what_is_no_matcher_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(BadRequest, match="not a matcher; write"):
        parse_matcher(text)


def test_the_number_of_matchers_is_bounded() -> None:
    with pytest.raises(BadRequest, match=f"at most {MATCHERS_MAX}"):
        parse_matchers(["a=b"] * (MATCHERS_MAX + 1))
