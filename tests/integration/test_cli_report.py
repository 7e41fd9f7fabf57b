"""`tocsin report` against a real engine: the text, the HTML, and the mail that it asks for."""

from __future__ import annotations

from pathlib import Path

from tests.support.shell import a_shell


async def test_the_report_is_shown_as_text_and_as_html(tmp_path: Path) -> None:
    async with a_shell(tmp_path) as (_, said):
        assert "No alerts this week." in (await said("report")).splitlines()
        assert (await said("report", "--html")).startswith("<!doctype html>")


async def test_without_a_mail_server_it_is_said_why_nothing_is_sent(tmp_path: Path) -> None:
    async with a_shell(tmp_path) as (_, said):
        assert "no mail server is configured (notify.smtp.host)" in await said("report", "--send", code=1)


async def test_who_wants_it_says_so_with_his_preferences(tmp_path: Path) -> None:
    async with a_shell(tmp_path) as (_, said):
        assert "made" in await said("preferences", "put", "ann", 'weekly_report={"day":"fri","hour":17}')
        assert '"day": "fri"' in await said("preferences", "show", "ann")
        wrong = await said("preferences", "put", "ann", 'weekly_report={"day":"friday"}', code=1)
        assert "weekly_report" in wrong
