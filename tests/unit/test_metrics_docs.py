"""`docs/metrics.md` names every metric of the engine, and is what would be written now."""

from __future__ import annotations

from docs.generate_metrics import PAGE, render


def test_the_page_is_what_the_metrics_make() -> None:
    assert PAGE.read_text() == render(), "run `make docs`"


def test_a_figure_a_counter_and_a_series_are_named_as_a_scrape_names_them() -> None:
    page = render()
    for line in (
        "| `tocsin_channels` | gauge |",
        "| `tocsin_restarts_total` | counter |",
        "| `tocsin_triggers_total` |",
    ):
        assert line in page
