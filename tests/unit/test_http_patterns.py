import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.http import patterns
from engine.http.patterns import PATTERN_MAX_CHARS, Pattern, compile_pattern
from protocol.errors import BadRequest

_atoms = st.sampled_from(["a", "b", "-", ".", r"\d", r"\w", r"\S", "[ab]", "[^a]", "[a-c0-9]", r"\.", r"[\d-]", "é"])
_signs = st.sampled_from(["", "", "*", "+", "?", "{2}", "{1,}", "{0,2}", "{1,3}", "{0}", "*?"])


def _compound(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    sequence = st.lists(inner, max_size=3).map("".join)
    group = st.tuples(st.sampled_from(["(", "(?:"]), sequence, sequence, _signs).map(
        lambda g: f"{g[0]}{g[1]}|{g[2]}){g[3]}"
    )
    return st.one_of(sequence, group)


_expressions = st.recursive(st.tuples(_atoms, _signs).map("".join), _compound, max_leaves=6)


@given(_expressions, st.text("abc-.0é\n", max_size=6), st.sampled_from(["", "^", "(?i)"]), st.sampled_from(["", "$"]))
def test_an_expression_matches_what_python_says_it_matches(body: str, text: str, before: str, after: str) -> None:
    expected = re.compile(f"{'(?i)' if before == '(?i)' else ''}(?:{body})", re.ASCII)
    assert Pattern(before + body + after).matches(text) is (expected.fullmatch(text) is not None)


def test_letters_match_in_any_case_when_asked() -> None:
    assert Pattern("(?i)disk.*").matches("DISK full")
    assert not Pattern("disk.*").matches("DISK full")


@pytest.mark.parametrize("text", ["a{", "{a}", "a{x}", "a{1,2,3}"])
def test_a_brace_that_is_no_repetition_is_a_brace(text: str) -> None:
    assert Pattern(text).matches(text)


@pytest.mark.parametrize(
    ("expression", "complaint"),
    [
        ("(a", r"missing '\)'"),
        ("a)", r"unmatched '\)'"),
        ("a**", "repetition of a repetition"),
        ("a{1}{2}", "repetition of a repetition"),
        ("*a", r"write \\\* for the character"),
        ("a{3,2}", "wrong way round"),
        ("a{101}", "beyond 100"),
        ("a{1,999}", "beyond 100"),
        ("(?=a)", r"group of the kind"),
        (r"(a)\1", "escape"),
        (r"\p{L}", "escape"),
        ("a\\", "escape"),
        (r"[\B]", "escape"),
        ("[a", "class"),
        ("[]", "class"),
        ("[[:alpha:]]", "class"),
        ("[a--b]", "class"),
        ("[z-a]", "wrong class"),
        ("a^b", r"write \\\^"),
        ("(" * 21 + ")" * 21, "more than 20 groups"),
        ("a" * (PATTERN_MAX_CHARS + 1), f"at most {PATTERN_MAX_CHARS}"),
        ("((a{30}){30}){30}", "too large"),
    ],
)
def test_what_is_not_in_the_subset_is_refused_with_a_sentence(expression: str, complaint: str) -> None:
    with pytest.raises(BadRequest, match=complaint):
        Pattern(expression)


@pytest.mark.parametrize("expression", ["(a+)+b", "(a|a)*b", "(a*)*b", "(.*a){8}b", "a*a*a*a*a*a*b", "(a?){50}a{50}b"])
def test_an_expression_made_to_explode_ends_in_time(expression: str) -> None:
    begin = time.process_time()
    assert not Pattern(expression).matches("a" * 1_024)
    # Python's own engine needs longer than the universe has had; the bound is generous to a loaded machine.
    assert time.process_time() - begin < 2


def test_remembered_steps_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patterns, "STEPS_REMEMBERED_MAX", 3)
    pattern = Pattern("[a-z]*")
    assert pattern.matches("abcdefgh")
    assert len(pattern._steps) <= 3


def test_the_same_text_is_compiled_once() -> None:
    assert compile_pattern("x.*") is compile_pattern("x.*")
