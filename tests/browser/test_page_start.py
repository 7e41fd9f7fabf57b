"""What the built page loads first: little enough that the connection is made while the rest is on its way."""

from __future__ import annotations

import re

from engine.http.dashboard import Page, read_page

# At 400 kbit/s half a second; react-dom alone is more than twice as much.
START_MAX_BYTES = 32_000
# Not `import("./…")`, which nobody waits for.
IMPORTED = re.compile(r'(?:from|import)\s*"\./([\w.-]+\.js)"')


def start_of(page: Page, script: str) -> set[str]:
    """The files without which that script does not begin."""
    needed, left = {script}, [script]
    while left:
        found = set(IMPORTED.findall(page.assets[left.pop()].content.decode())) - needed
        needed |= found
        left += found
    return needed


def test_the_connection_does_not_wait_for_what_the_page_is_drawn_with() -> None:
    page = read_page()
    assert page is not None, "the page is not built: make page"
    (script,) = re.findall(r'<script [^>]*src="\./assets/([^"]+)"', page.index)
    (drawing,) = [name for name in page.assets if name.startswith("draw-")]
    start = start_of(page, script)
    assert len(start) > 1
    assert drawing not in start
    assert sum(len(page.assets[name].packed or page.assets[name].content) for name in start) < START_MAX_BYTES
    # It is asked for by the document, and not only when the script runs.
    assert drawing in re.findall(r'<link rel="modulepreload"[^>]*href="\./assets/([^"]+)"', page.index)
