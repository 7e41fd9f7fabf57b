"""Our OpenAPI document, held against a real engine: no fault of ours, nothing undocumented, nobody in without a token.

schemathesis makes requests from the document, good and bad ones, and holds each answer against it. Event streams have
no end, so they have tests of their own.
"""

from __future__ import annotations

import re
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from engine.access.auth import Authenticator
from tests.support.engines import SECRET, a_shared_engine, environment

CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
    "ignored_auth",
)
# Made-up requests of each operation, beside those that cover what the document says of it.
EXAMPLES = 5
# The phase that covers what the document says is most of it: it is asked in two halves, by what paths begin with.
HALF = "^/api/(v1/[a-f]|v2)"
PARTS = {
    "coverage of the first half": ("--phases", "coverage", "--include-path-regex", HALF),
    "coverage of the second half": ("--phases", "coverage", "--exclude-path-regex", HALF),
    "examples, fuzzing": ("--phases", "examples,fuzzing"),
}
# Each takes half a minute on an idle core; beside other work many times as long.
RUN_MAX_S = 1_800
ANSWER_MAX_S = 170
# Of what was found: the requests of a thousand items are cut.
SECTIONS = re.compile(r"^=+ (?:FAILURES|ERRORS) =+\n(.*?)(?=^=+ [A-Z]+ =+$)", re.MULTILINE | re.DOTALL)
LINE_MAX_CHARS = 300
LINES_MAX = 40
FAULTS_MAX, FAULT_MAX_CHARS = 2, 1_500
# Faster than any rate: this is about what is answered, not how often.
FAST = {
    f"TOCSIN_LIMITS_{name}": "1000000"
    for name in ("PRODUCER_MESSAGES_PER_S", "PRODUCER_MESSAGES_BURST", "WORKSPACE_MESSAGES_PER_S")
}


def schemathesis(url: str, token: str, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).with_name("schemathesis")
    # Read by itself it would give up after ten seconds.
    document = httpx.get(f"{url}/schema/openapi.json", timeout=ANSWER_MAX_S).raise_for_status()
    (folder / "openapi.json").write_bytes(document.content)
    return subprocess.run(
        [
            *(str(program), "run", "openapi.json", "--url", url, "--header", f"Authorization: Bearer {token}"),
            # What is asked is whether the answer is right, on whatever machine; not how soon it comes.
            *("--checks", ",".join(CHECKS), "--seed", "1", "--request-timeout", str(ANSWER_MAX_S)),
            *("--max-examples", str(EXAMPLES), "--no-color", "--warnings", "off", *arguments),
        ],
        env=environment() | {"PYTHONWARNINGS": "ignore"},
        capture_output=True,
        text=True,
        cwd=folder,  # it keeps what it found there
        timeout=RUN_MAX_S,
        check=False,
    )


@pytest.mark.timeout(RUN_MAX_S + 20)
@pytest.mark.parametrize("part", PARTS)
def test_whatever_is_asked_the_answer_is_as_the_document_says(tmp_path: Path, part: str) -> None:
    with a_shared_engine(tmp_path, **FAST) as engine:
        token = Authenticator(SECRET.encode(), lambda: int(time.time())).issue("system", "ann", "admin", 3_600)
        run = schemathesis(engine.http, token, tmp_path, "--exclude-path", "/api/v1/stream", *PARTS[part])
        log = (tmp_path / "stderr").read_text()
    assert run.returncode == 0, told_short(run, log)


def told_short(run: subprocess.CompletedProcess[str], log: str) -> str:
    """What was answered wrongly, and what the engine said of it; what else there is to read is many times as long."""
    lines = [line for section in SECTIONS.findall(run.stdout) for line in section.splitlines() if line.strip()]
    if not lines:  # it did not come to its end
        lines = [*run.stdout.splitlines()[-LINES_MAX:], *run.stderr.splitlines()[-LINES_MAX:]]
    faults = [line for line in log.splitlines() if '"level":"error"' in line][:FAULTS_MAX]
    return "\n".join(
        [line[:LINE_MAX_CHARS] for line in lines[:LINES_MAX]] + [line[-FAULT_MAX_CHARS:] for line in faults]
    )
