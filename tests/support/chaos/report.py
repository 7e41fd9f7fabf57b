"""What a run has shown, for somebody who knows nothing of it."""

from __future__ import annotations

from collections.abc import Iterator

from tests.support.chaos.probing import WITHIN_S, Probe, share
from tests.support.chaos.run import Chaos
from tests.support.chaos.sizes import FRAMEWORKS, WORKSPACES

BAD_SHOWN_MAX = 20
# Of the nodes' figures: what each one says to whoever reads it here.
FIGURES = {
    "tocsin_restarts_total": "parts that were started again",
    "tocsin_dead_letters_total": "commands set aside",
    "tocsin_store_conflicts_total": "commits that the fence kept out, and that were decided again",
    "tocsin_nodes_joined_total": "nodes that another one saw come",
    "tocsin_nodes_left_total": "nodes that another one saw go",
    "tocsin_bus_switched_total": "times that the bus went over to Postgres, or back",
}


def lines_of(chaos: Chaos, seed: int) -> Iterator[str]:
    """The report."""
    size, rung, watchers = chaos.size, chaos.producers.counts, chaos.watchers
    yield f"Three nodes, one Postgres, {'one Redis' if chaos.installation.redis else 'no Redis'}; seed {seed}."
    yield (
        f"Triggers: {rung['rung']:,} in {chaos.lasted_s:.0f} s, {rung['rung'] / chaos.lasted_s:.1f}/s"
        f" (wanted {size.triggers_per_s:g}), {rung['repeated'] / max(1, rung['rung']):.0%} of them repeated, for"
        f" {len(FRAMEWORKS)} channels in {len(WORKSPACES)} workspaces; {rung['left_out']} left out."
    )
    yield f"Answered: {len(chaos.producers.acked):,} keys; stored: {rung['alerts']:,} alerts (with the probes)."
    yield f"Sent again by producers: { {name: n for name, n in sorted(rung.items()) if name.startswith('again')} }"
    of_workspaces = sum(each.channel == "workspace" for each in watchers)
    yield (
        f"Clients: {len(watchers)}, of them {of_workspaces} of whole workspaces;"
        f" {sum(each.messages for each in watchers):,} events heard, {chaos.installation.balancer.shaken:,} connections"
        f" cut at random, {sum(each.reconnects for each in watchers):,} reconnects,"
        f" {sum(each.gaps for each in watchers)} gaps told."
    )
    yield f"The clients' own process was late by {chaos.probes.late_s:.2f} s at worst: no wait is known better."
    yield f"Longest waits (bound {size.wait_max_s:g} s; from the fault where a node is gone, else from its end):"
    for wait in chaos.waits:
        before = f"began {wait.over_at - wait.began_at:5.1f} s before"
        yield f"  {wait.fault:20} {before}; answer {wait.answer_s:5.2f} s, event {wait.event_s:5.2f} s"
    yield from _availability(chaos)
    pager = chaos.pager
    yield f"Told of errors: {len(pager.posts):,} alerts posted, {pager.repeated} posts repeated under the same key;"
    yield f"  the last one {chaos.told_after_s:.0f} s after the last trigger."
    yield "By the nodes' own word (killed ones up to a moment before):"
    for name, text in FIGURES.items():
        yield f"  {chaos.installation.figure(name):6}  {text} ({name})"
    yield f"Logged as errors: {dict(chaos.installation.complaints().most_common(8))}"
    for what in chaos.wrong:
        yield f"WRONG: {what}"
    yield "Nothing was wrong." if not chaos.wrong else f"{len(chaos.wrong)} things were wrong."


def _availability(chaos: Chaos) -> Iterator[str]:
    probes = chaos.probes.all
    yield (
        f"Availability: {share(probes):.3%} of {len(probes)} probes (one a second, at one node, followed at another)"
        f" answered and heard within {WITHIN_S * 1e3:g} ms; {_median(probes)}."
    )
    if bad := [probe for probe in probes if not probe.is_good]:
        yield f"  Those that were not: {', '.join(_said(probe, probes[0].began_at) for probe in bad[:BAD_SHOWN_MAX])}."
    faults = [(wait.began_at, wait.over_at + chaos.size.wait_max_s) for wait in chaos.waits if wait.fault != "calm"]
    if faults:
        inside, outside = chaos.probes.among(faults, True), chaos.probes.among(faults, False)
        yield (
            f"  {share(inside):.1%} of {len(inside)} during faults and {chaos.size.wait_max_s:g} s behind them,"
            f" {share(outside):.1%} of {len(outside)} between them."
        )


def _said(probe: Probe, since: float) -> str:
    took = "never" if probe.took_s is None else f"{probe.took_s * 1e3:.0f} ms"
    return f"{probe.began_at - since:.0f} s {probe.way} {took}"


def _median(probes: list[Probe]) -> str:
    times = sorted(probe.took_s for probe in probes if probe.took_s is not None)
    if not times:
        return "none came"
    share_of = {name: times[min(len(times) - 1, int(len(times) * part))] for name, part in _PARTS.items()}
    told = ", ".join(f"{name} {seconds * 1e3:.0f} ms" for name, seconds in share_of.items())
    return f"{told}; {len(probes) - len(times)} never"


_PARTS = {"half within": 0.5, "p99": 0.99, "p99.9": 0.999}
