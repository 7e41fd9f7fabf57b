"""What Litestar reads out of a handler is read once, and not for each engine of a test.

An application's handlers are functions made anew for it, whose annotations are the same each time: evaluating them, and
building what arguments are held against, was two thirds of what an application costs, and that most of an engine's
start. Both are functions of what is given to them, and what they answer is changed by nobody.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any

from litestar._signature.model import SignatureModel
from litestar.utils.signature import ParsedSignature


def read_signatures_once() -> None:
    """For all tests of this process."""
    ParsedSignature.from_fn = _once(ParsedSignature.from_fn, _of_function)  # type: ignore[method-assign]
    SignatureModel.create = _once(SignatureModel.create, _of_model)  # type: ignore[method-assign]


def _once(make: Callable[..., Any], key_of: Callable[..., Hashable]) -> Any:
    made: dict[Hashable, Any] = {}

    def once(*given: Any, **named: Any) -> Any:
        key = key_of(*given, **named)
        if key not in made:
            made[key] = make(*given, **named)
        return made[key]

    return once


class _Same:
    """An object as part of a key: itself, whatever it equals; kept, so that no other gets its place in memory."""

    def __init__(self, value: Any) -> None:
        self._value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and self._value is other._value

    def __hash__(self) -> int:
        return id(self._value)


def _of_function(fn: Any, signature_namespace: dict[str, Any]) -> Hashable:
    """Its code stands for its annotations, and not the function: that holds the engine that it was made for."""
    defaults = (*(fn.__defaults__ or ()), *(fn.__kwdefaults__ or {}).values())
    return fn.__code__, fn.__module__, tuple(map(_Same, defaults)), tuple(signature_namespace.items())


def _of_model(
    dependency_name_set: set[str], fn: Any, parsed_signature: Any, type_decoders: Any, data_dto: Any = None
) -> Hashable:
    return frozenset(dependency_name_set), fn.__name__, _Same(parsed_signature), tuple(type_decoders or ()), data_dto
