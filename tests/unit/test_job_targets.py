"""Whose server each message waits for: what shares one has one target."""

from __future__ import annotations

import pytest

from engine.notify.jobs import digest_job, target_of
from protocol.notify import Channel, Recipient

ANN, BOB, HOOK = Recipient(user="ann"), Recipient(user="bob"), Recipient(endpoint="hook")


@pytest.mark.parametrize(
    ("channel", "recipient", "target"),
    [
        (Channel.WEBHOOK, HOOK, "acme/webhook/hook"),
        (Channel.SLACK, HOOK, "acme/slack/hook"),
        (Channel.IN_APP, ANN, None),
    ],
)
def test_an_endpoint_is_a_target_and_the_app_is_none(channel: Channel, recipient: Recipient, target: str) -> None:
    assert target_of("acme", channel, recipient) == target


def test_all_mail_waits_for_one_server_and_peoples_slack_for_their_workspaces_bot() -> None:
    mail = {target_of(workspace, Channel.EMAIL, each) for workspace in ("acme", "other") for each in (ANN, BOB, HOOK)}
    assert mail == {"email"}
    slack = [target_of(workspace, Channel.SLACK, each) for workspace in ("acme", "other") for each in (ANN, BOB)]
    assert slack == ["acme/slack/", "acme/slack/", "other/slack/", "other/slack/"]


def test_a_digest_waits_for_the_target_of_its_messages() -> None:
    assert digest_job("acme", Channel.WEBHOOK, HOOK, 0).target == "acme/webhook/hook"
