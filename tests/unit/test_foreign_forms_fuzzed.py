"""Whatever JSON comes in a foreign form: a Ring that every store can keep, or a refusal; nothing else escapes."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.core.identity import identity_of
from engine.foreign_forms import alerta, alertmanager, cloudevents, mapped, pagerduty
from engine.foreign_forms.alertmanager import Webhook
from engine.foreign_forms.reports import Report
from engine.input.commands import is_storable
from protocol.codec import DECODER_FAULTS
from protocol.errors import BadRequest
from protocol.fields import LABEL_MAX_CHARS, LABELS_MAX, TEXT_MAX_CHARS, TITLE_MAX_CHARS
from protocol.names import is_id
from tests.support.examples import examples
from tests.support.foreign_posts import ALERTA, ALERTMANAGER, CLOUDEVENT, GRAFANA, OWN_JSON, OWN_MAPPING, PAGERDUTY

NOW = 1_767_225_600_000_000
# Texts as a decoder gives them: no half surrogate pairs, but NUL.
TEXTS = st.text(st.characters(codec="utf-8"), max_size=20) | st.sampled_from(["\0", "x" * 9_000, "", "resolved"])
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**60), 2**60)
    | st.just(10**400)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)


def webhook(body: bytes) -> list[Report]:
    alerts = msgspec.json.decode(body, type=Webhook).alerts
    return [alertmanager.report_of(alert, NOW, "alertmanager", None) for alert in alerts]


def page(body: bytes) -> list[Report]:
    event = msgspec.json.decode(body, type=pagerduty.Event)
    return [] if pagerduty.faults(event) else [pagerduty.report_of(event, event.dedup_key or "made", NOW, None)]


def own(body: bytes) -> list[Report]:
    return [
        mapped.report_of(item, mapping, NOW, None)
        for mapping in ({}, OWN_MAPPING)
        for item in mapped.items_of(msgspec.json.decode(body), mapping)
    ]


FORMS: dict[str, tuple[Any, Callable[[bytes], list[Report]]]] = {
    "alertmanager": (ALERTMANAGER, webhook),
    "grafana": (GRAFANA, webhook),
    "pagerduty": (PAGERDUTY, page),
    "cloudevents": (CLOUDEVENT, lambda body: [cloudevents.report_of(msgspec.json.decode(body), NOW, None)]),
    "alerta": (ALERTA, lambda body: [alerta.report_of(msgspec.json.decode(body, type=alerta.AlertaAlert), NOW, None)]),
    "json": (OWN_JSON, own),
}


@st.composite
def spoilt(draw: st.DrawFn, post: Any) -> Any:
    """The post with something else in some place, or something else altogether."""
    if isinstance(post, dict | list) and post and draw(st.integers(0, 9)):
        places = list(post) if isinstance(post, dict) else range(len(post))
        place = draw(st.sampled_from(list(places)))
        copy = post.copy()
        copy[place] = draw(spoilt(post[place]))
        return copy
    return draw(JSON)


@pytest.mark.parametrize("form", FORMS)
def test_nothing_but_a_ring_or_a_refusal_comes_of_any_json(form: str) -> None:
    post, translate = FORMS[form]

    @given(spoilt(post))
    @examples(300)
    def holds(spoiled: Any) -> None:
        try:
            reports = translate(json.dumps(spoiled).encode())
        except (BadRequest, *DECODER_FAULTS):
            return
        for framework, ring, _ in reports:
            texts = [framework, ring.title or "", ring.message or "", ring.dedup_key or "", *ring.labels]
            assert is_storable("".join((*texts, *ring.labels.values())))
            assert is_id(framework)
            assert len(ring.title or "") <= TITLE_MAX_CHARS
            assert len(ring.message or "") <= TEXT_MAX_CHARS
            assert len(ring.labels) <= LABELS_MAX
            assert all(len(text) <= LABEL_MAX_CHARS for pair in ring.labels.items() for text in pair)
            assert ring.current_value is None or abs(ring.current_value) < float("inf")
            assert ring.source is not None
            assert is_storable(ring.source.generator_url)
            assert identity_of(framework, ring)

    holds()
