import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.core.patterns import PATTERN_MAX_CHARS, Pattern, compile_pattern
from protocol.errors import BadRequest

_atoms = st.sampled_from(["a", "b", "-", ".", r"\d", r"\w", r"\S", "[ab]", "[^a]", "[a-c0-9]", r"\.", "é"])
_signs = st.sampled_from(["", "", "*", "+", "?", "{2}", "{1,}", "{0,2}", "{1,3}", "*?"])


def _compound(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    sequence = st.lists(inner, max_size=3).map("".join)
    return st.one_of(sequence, st.tuples(sequence, sequence).map(lambda pair: f"(?:{pair[0]}|{pair[1]})"))


_expressions = st.recursive(st.tuples(_atoms, _signs).map("".join), _compound, max_leaves=6)


@given(_expressions, st.text("abc-.0é\n", max_size=6))
def test_an_expression_matches_what_python_says_it_matches(expression: str, text: str) -> None:
    expected = re.compile(f"(?:{expression})", re.ASCII | re.DOTALL)
    assert Pattern(expression).matches(text) is (expected.fullmatch(text) is not None)


def test_letters_match_in_any_case_when_asked() -> None:
    assert Pattern("(?i)disk.*").matches("DISK full")
    assert not Pattern("disk.*").matches("DISK full")


@pytest.mark.parametrize("expression", ["(", "a**", "[z-a]", r"(a)\1", "(?=a)", "(a{1000}){1000}"])
def test_what_re2_does_not_know_is_refused_with_its_reason(expression: str) -> None:
    with pytest.raises(BadRequest, match=r"is not allowed: ."):
        Pattern(expression)


def test_a_long_expression_is_refused_with_the_limit() -> None:
    with pytest.raises(BadRequest, match=str(PATTERN_MAX_CHARS)):
        Pattern("a" * (PATTERN_MAX_CHARS + 1))


@pytest.mark.timeout(5)
@pytest.mark.parametrize("expression", ["(a+)+$", "(a|a)*b", "(.*)*x", "(a?){100}a{100}"])
def test_an_expression_made_to_explode_ends(expression: str) -> None:
    assert not Pattern(expression).matches("a" * 1_000 + "!")


def test_the_same_text_is_compiled_once() -> None:
    assert compile_pattern("web.*") is compile_pattern("web.*")
