"""Has a language model put insights into words, if the configuration names one.

Owns the circuit to it: after five failures in a row only one question each half minute is asked. It goes out like
everything that leaves the engine (`engine.notify.connector`): private addresses are refused unless they are allowed, an
answer is bounded in time and bytes. An insight that is not explained is as good as before: nothing fails for it.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import structlog

from actors.ports import Clock
from engine.core.analytics.explaining import question_of, text_of
from engine.core.breaker import Breaker
from engine.core.targets import TargetInvalid
from engine.notify.connector import Answer, Connector
from engine.notify.network import TargetRefused, Unreachable
from engine.notify.places import Crowded
from engine.sections.explaining import ExplainerSection
from engine.sections.notify import Notify
from protocol.insights import Explanation, Insight
from protocol.times import rfc3339

log = structlog.get_logger()
_FAULTS = (TargetInvalid, TargetRefused, Unreachable, Crowded)


class Explainer:
    """Asks; counts since the start."""

    def __init__(self, config: ExplainerSection, notify: Notify, clock: Clock) -> None:
        self._config = config
        # As everything that goes out, but for the patience that such a model needs.
        self._network = msgspec.structs.replace(notify, first_byte_s=config.answer_s, total_s=config.answer_s)
        self._clock = clock
        self._breaker = Breaker()
        self._figures = {"explained": 0, "unexplained": 0}

    def statistics(self) -> dict[str, int]:
        """Insights that were explained, and those that were to be and are not."""
        return dict(self._figures)

    async def explain(self, workspace: str, insights: Sequence[Insight]) -> list[Insight]:
        """The same insights; the least healthy ones have explanations, where there are any."""
        if not self._config.url:
            return list(insights)
        ill = sorted((each for each in insights if (each.health or 100.0) < 100.0), key=lambda each: each.health or 0)
        meant = {each.framework_id for each in ill[: self._config.frameworks_max]}
        connector = Connector(self._network, connections_max=1)
        try:
            return [
                await self._explained(connector, workspace, each) if each.framework_id in meant else each
                for each in insights
            ]
        finally:
            await connector.aclose()

    async def _explained(self, connector: Connector, workspace: str, insight: Insight) -> Insight:
        text = None if self._breaker.wait_us(self._clock()) else await self._asked(connector, workspace, insight)
        self._figures["unexplained" if text is None else "explained"] += 1
        if text is None:
            return insight
        said = Explanation(text=text, model=self._config.model, at=rfc3339(self._clock()))
        return msgspec.structs.replace(insight, explanation=said)

    async def _asked(self, connector: Connector, workspace: str, insight: Insight) -> str | None:
        headers = {"Content-Type": "application/json"}
        if self._config.key:
            headers["Authorization"] = f"Bearer {self._config.key.reveal().decode()}"
        question = question_of(insight, self._config.model)
        try:
            answer = await connector.post((workspace, "explainer"), self._config.url, question, headers)
        except _FAULTS as fault:
            self._failed(str(fault))
            return None
        text = text_of(answer.body) if _is_good(answer) else None
        if text is None:
            self._failed(f"it answered {answer.status}, and nothing that can be read")
        else:
            self._breaker.succeeded()
        return text

    def _failed(self, cause: str) -> None:
        self._breaker.failed(self._clock())
        log.warning("not_explained", cause=cause)


def _is_good(answer: Answer) -> bool:
    return answer.status == 200 and answer.is_whole
