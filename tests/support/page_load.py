"""How the page bears a hundred new alerts a second: `make page-load`.

Fires 100 alerts a second for a minute while a page of the stream is open, and resolves those of ten seconds before, so
that two hundred events a second come and about a thousand alerts are open. One JSON object tells the longest time
between two frames that the browser drew, how many took longer than LONG_MS, and the heap after a collection: at the
middle of the minute and at its end. Exits with 1 if a frame was late or the heap has grown by more than GROWN_MAX.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections import deque
from pathlib import Path

import httpx
import jwt
import trio

from tests.support.browsers import Remote, a_browser, signed_in
from tests.support.engines import SECRET, an_engine_process

SECONDS = 60
PER_TENTH = 10
OPEN_S = 10
LONG_MS = 200
# What the collector leaves and the caches of a browser come and go by.
GROWN_MAX = 1.25
WATCH = """() => {
  globalThis.frames = { long: 0, longest: 0, count: 0 };
  let before = performance.now();
  const drawn = (now) => {
    const took = now - before;
    before = now;
    frames.count += 1;
    frames.longest = Math.max(frames.longest, took);
    if (took > %d) frames.long += 1;
    requestAnimationFrame(drawn);
  };
  requestAnimationFrame((now) => { before = now; requestAnimationFrame(drawn); });
}""".replace("%d", str(LONG_MS))
HEAP = "() => { gc(); return performance.memory.usedJSHeapSize; }"


async def fire(http: httpx.AsyncClient, seconds: float) -> None:
    """A tenth of a second's alerts at a time, each at its time."""
    fired: deque[list[str]] = deque()
    began = trio.current_time()
    for tick in range(int(seconds * 10)):
        alerts = [{"framework_id": "load", "title": f"alert {time.time_ns()} {n}"} for n in range(PER_TENTH)]
        answer = await http.post("/triggers", json={"alerts": alerts})
        fired.append([result["alertId"] for result in answer.json()["results"]])
        if len(fired) > OPEN_S * 10:
            resolved = await http.post("/alerts/resolve", json={"alertIds": fired.popleft()})
            resolved.raise_for_status()
        await trio.sleep_until(began + (tick + 1) / 10)


async def measured(page: Remote, http: httpx.AsyncClient) -> dict[str, float]:
    await fire(http, SECONDS / 2)
    middle = await page.evaluate(f"({HEAP})()")
    # What was drawn until now is warming up, and the collection just now was ours.
    await page.evaluate(f"({WATCH})()")
    await fire(http, SECONDS / 2)
    frames = await page.evaluate("frames")
    return {
        "longest_frame_ms": round(frames["longest"]), "frames_over_200_ms": frames["long"],
        "frames_per_s": round(frames["count"] / (SECONDS / 2), 1), "heap_middle_bytes": middle,
        "heap_end_bytes": await page.evaluate(f"({HEAP})()"),
    }  # fmt: skip


async def main() -> int:
    claims = {"sub": "ann", "workspaceId": "main", "role": "admin", "exp": int(time.time()) + 3_600}
    token = jwt.encode(claims, SECRET)
    headers = {"Authorization": f"Bearer {token}"}
    with tempfile.TemporaryDirectory() as folder:
        async with an_engine_process(Path(folder)) as engine, a_browser() as browser:
            page = await signed_in(browser, engine.http, token)
            async with httpx.AsyncClient(base_url=f"{engine.http}/api/v1", headers=headers, timeout=60) as http:
                figures = await measured(page, http)
    print(json.dumps({"scenario": "page", "figures": figures}))
    return int(
        figures["frames_over_200_ms"] > 0 or figures["heap_end_bytes"] > GROWN_MAX * figures["heap_middle_bytes"]
    )


if __name__ == "__main__":
    sys.exit(trio.run(main))
