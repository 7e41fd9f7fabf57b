"""The language model that puts insights into words: `[explainer]`. Off unless it has a URL."""

from __future__ import annotations

from typing import Annotated

from engine.configuration.fields import Secret, Section, limit, why


class ExplainerSection(Section, frozen=True, kw_only=True):
    """A chat endpoint in OpenAI's form. It is told names and numbers, never labels, titles or messages."""

    url: Annotated[
        str, why("Such as https://llm.example.com/v1/chat/completions; empty: insights are not explained.")
    ] = ""
    model: Annotated[str, why("What the endpoint calls the model.")] = "default"
    key: Annotated[Secret, why("Its bearer key; empty: none is sent.")] = Secret()
    answer_s: Annotated[float, limit(1, 120, "For one explanation; a large model takes tens of seconds.")] = 60.0
    frameworks_max: Annotated[
        int, limit(1, 1_000, "Explained in one run of a workspace, the least healthy first: each costs money.")
    ] = 20
