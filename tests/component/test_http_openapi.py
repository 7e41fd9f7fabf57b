"""The OpenAPI document: every error in its one shape, an example of each body, and each example is right."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from http import HTTPStatus
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from engine.app import Engine
from engine.http.examples import ALERT_ID, EXAMPLES
from engine.http.foreign_errors import foreign_errors
from engine.http.openapi import PROBLEM, with_problems
from engine.http.problems import Problem
from engine.http.samples import fits_plain
from tests.support.engines import an_engine


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[Engine]:
    async with an_engine(tmp_path) as engine:
        yield engine


@pytest.fixture
async def client(engine: Engine) -> AsyncIterator[httpx.AsyncClient]:
    headers = {"Authorization": f"Bearer {engine.issue_token('system', 'ann')}"}
    async with httpx.AsyncClient(base_url=engine.http_url, headers=headers, timeout=170) as client:
        yield client


async def operations(client: httpx.AsyncClient) -> dict[str, Any]:
    paths = (await client.get("/schema/openapi.json")).json()["paths"]
    return {f"{method.upper()} {path}": each for path, methods in paths.items() for method, each in methods.items()}


async def test_every_route_says_what_it_is_for_and_which_errors_it_may_answer_with(client: httpx.AsyncClient) -> None:
    for route, operation in (await operations(client)).items():
        assert operation.get("description"), route
        statuses = set(operation["responses"])
        assert {"500", "503"} <= statuses, route
        if "429" in statuses:
            assert "Retry-After" in operation["responses"]["429"].get("headers", {}), route
        taken = {each["name"] for each in operation.get("parameters", ())}
        assert ({"412", "428"} <= statuses) is ("If-Match" in taken), route
        if operation.get("security") == [{"bearer": []}]:
            assert {"400", "401", "403", "404", "429"} <= statuses, route
        if "requestBody" in operation or route.endswith("/ingest/cloudevents"):
            assert {"408", "413", "415"} <= statuses, route
        path = route.partition(" ")[2]
        form = "application/json" if foreign_errors(path) else "application/problem+json"
        for status in statuses - {"200", "201", "202", "204"}:
            forms = dict(operation["responses"][status]["content"])
            if forms.pop("text/html", None):
                assert route.endswith(("/act/{link}", "/act/leave/{link}")), route
            if not forms:
                assert status == "410", "told by a page alone"
                continue
            ((told, body),) = forms.items()
            assert told == form, (route, status)
            if told == "application/problem+json":
                example = msgspec.convert(body["example"], Problem)
                assert (example.status, example.title) == (int(status), HTTPStatus(int(status)).phrase), route
                assert example.code in PROBLEM["properties"]["code"]["enum"]
            else:
                msgspec.convert(body["example"], foreign_errors(path).kind)


def misfits(schema: Any, value: Any, schemas: Any, at: str = "$") -> list[str]:
    """Where a value is not what a schema says."""
    if "$ref" in schema:
        return misfits(schemas[schema["$ref"].rpartition("/")[2]], value, schemas, at)
    if branches := schema.get("oneOf") or schema.get("anyOf"):
        found = [misfits(branch, value, schemas, at) for branch in branches]
        return [] if [] in found else min(found, key=len)
    if isinstance(value, dict):
        fields, others = schema.get("properties", {}), schema.get("additionalProperties", not schema.get("properties"))
        wrong = [f"{at}.{name} is missing" for name in schema.get("required", ()) if name not in value]
        wrong += [f"{at}.{name} is unknown" for name in value if name not in fields and others is False]
        if schema.get("type", "object") != "object":
            wrong.append(f"{at}: {value!r} is no {schema}")
        for name, each in value.items():
            wrong += misfits(
                fields.get(name, others if isinstance(others, dict) else {}), each, schemas, f"{at}.{name}"
            )
        return wrong
    if isinstance(value, list):
        is_long = schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", len(value))
        wrong = [] if schema.get("type", "array") == "array" and is_long else [f"{at}: {value!r} is no {schema}"]
        return wrong + [each for one in value for each in misfits(schema.get("items", {}), one, schemas, f"{at}[]")]
    return [] if fits_plain(schema, value) or not schema else [f"{at}: {value!r} is no {schema}"]


async def test_every_answer_in_json_has_an_example_that_is_one(client: httpx.AsyncClient) -> None:
    document = (await client.get("/schema/openapi.json")).json()
    schemas, wrong, seen = document["components"]["schemas"], {}, 0
    for route, operation in (await operations(client)).items():
        for status, response in operation["responses"].items():
            body = response.get("content", {}).get("application/json", {})
            if status.startswith("2") and body.get("schema"):
                seen += 1
                found = misfits(body["schema"], body.get("example", ...), schemas)
                if found:
                    wrong[f"{route} {status}"] = found
    assert wrong == {}
    assert seen > 130
    assert misfits({"type": "object", "required": ["x"]}, {"y": 1}, {}) == ["$.x is missing"]


async def test_what_another_products_path_answers_is_documented_in_its_form(client: httpx.AsyncClient) -> None:
    document = (await client.get("/schema/openapi.json")).json()
    forms = {
        path: document["paths"][path]["post"]["responses"]["403"]["content"]["application/json"]["schema"]
        for path in ("/api/v2/alerts", "/v2/enqueue", "/alert")
    }
    assert list(forms.values()) == [
        {"type": "string"},
        {"$ref": "#/components/schemas/PagerDutyError"},
        {"$ref": "#/components/schemas/AlertaError"},
    ]
    assert {"PagerDutyError", "AlertaError"} <= document["components"]["schemas"].keys()


async def test_a_probe_is_never_missing_or_too_fast(client: httpx.AsyncClient) -> None:
    known = await operations(client)
    assert set(known["GET /healthz"]["responses"]) == {"200", "400", "500", "503"}
    for route in ("GET /metrics", "GET /api/v1/system", *(route for route in known if "/api/metrics/" in route)):
        assert {"401", "403"} <= known[route]["responses"].keys(), route


async def test_an_object_may_be_sent_without_an_id_and_is_shown_with_one(client: httpx.AsyncClient) -> None:
    document = (await client.get("/schema/openapi.json")).json()
    body = document["paths"]["/api/v1/teams"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    schemas = document["components"]["schemas"]
    assert body == {"$ref": "#/components/schemas/TeamGiven"}
    assert "id" not in schemas["TeamGiven"]["required"]
    assert "id" in schemas["TeamShown"]["required"]
    rules = document["paths"]["/api/v1/rules"]["post"]["requestBody"]["content"]["application/json"]["schema"]["oneOf"]
    required = {each["$ref"]: schemas[each["$ref"].rpartition("/")[2]]["required"] for each in rules}
    assert required["#/components/schemas/ThresholdRuleGiven"] == ["framework", "kind", "metric", "threshold"]


async def test_the_schema_of_an_error_is_that_of_the_struct(client: httpx.AsyncClient) -> None:
    document = (await client.get("/schema/openapi.json")).json()
    assert document["components"]["schemas"]["Problem"] == PROBLEM
    assert set(PROBLEM["properties"]) == {field.name for field in msgspec.structs.fields(Problem)}


async def test_every_json_body_has_an_example_and_no_example_is_left_over(client: httpx.AsyncClient) -> None:
    taken = {route: each["requestBody"] for route, each in (await operations(client)).items() if "requestBody" in each}
    # What Slack posts is a form, and signed: no example of it would be taken.
    bodies = {route: body for route, body in taken.items() if not any("form" in kind for kind in body["content"])}
    shown = {
        route: content["example"]
        for route, body in bodies.items()
        for content in body["content"].values()
        if "example" in content
    }
    assert set(bodies) == set(shown) == set(EXAMPLES)
    assert shown == EXAMPLES


async def test_each_example_is_right(client: httpx.AsyncClient) -> None:
    document = (await client.get("/schema/openapi.json")).json()
    wrong: dict[str, Any] = {}
    # First a workflow and who follows it, before others put it away.
    for route in sorted(EXAMPLES, key=lambda route: (route != "POST /api/v1/workflows", "trackers" not in route)):
        example = EXAMPLES[route]
        method, path = route.split()
        name = example.get("id", "nosuch") if isinstance(example, dict) else ""
        names = {"object_id": name, "project_id": "42", "queue": "alert"}
        path = re.sub(r"\{(\w+)\}", lambda found, names=names: names.get(found[1], ALERT_ID), path)
        response = await client.request(method, path, json=example)
        # There may be no such object, an edit wants its version, a ticket is nobody's: but it was read and understood.
        if response.status_code not in (200, 201, 202, 401, 404, 428):
            wrong[route] = response.text
        if response.status_code in (200, 201, 202) and response.headers.get("Content-Type") == "application/json":
            answers = document["paths"][route.split()[1]][method.lower()]["responses"][str(response.status_code)]
            body = answers["content"]["application/json"]
            if found := misfits(body["schema"], response.json(), document["components"]["schemas"]):
                wrong[route] = found
            if isinstance(body.get("example"), dict) and "oneOf" not in body["schema"]:
                assert response.json().keys() <= body["example"].keys(), route
    assert wrong == {}


def test_what_belongs_to_all_methods_of_a_path_is_left_as_it_is() -> None:
    assert with_problems({"paths": {"/x": {"summary": "all"}}})["paths"] == {"/x": {"summary": "all"}}


def test_a_tuple_of_any_length_has_one_kind_of_member() -> None:
    matchers = {"type": "array", "items": {"oneOf": [{"$ref": "#/x"}, {}]}}
    schemas = with_problems({"components": {"schemas": {"Silence": {"matchers": matchers}}}})["components"]["schemas"]
    assert schemas["Silence"] == {"matchers": {"type": "array", "items": {"$ref": "#/x"}}}


async def test_pages_behind_links_and_what_slack_posts_are_documented(client: httpx.AsyncClient) -> None:
    known = await operations(client)
    for route in ("GET /act/{link}", "POST /act/{link}"):
        answers = known[route]["responses"]
        assert {status for status, answer in answers.items() if "text/html" in answer["content"]} >= {
            "200",
            "404",
            "410",
        }
    assert "text/html" in known["POST /act/{link}"]["responses"]["503"]["content"]
    posted = known["POST /api/v1/slack/actions"]
    assert {each["name"] for each in posted["parameters"]} == {"x-slack-signature", "x-slack-request-timestamp"}
    assert list(posted["requestBody"]["content"]) == ["application/x-www-form-urlencoded"]
