"""The limits that can refuse somebody, by name: the same word in the error, the metric's label and the log.

Each refusal at a limit is counted once, under this name (`tocsin_refused_total{limit="..."}`), and its text gives the
limit's value and the present one.
"""

from __future__ import annotations

import enum


class Limit(enum.Enum):
    """What was reached."""

    # Before the upgrade (HTTP 429, 503 and 408).
    CONNECTIONS = "connections"
    CONNECTIONS_PER_ADDRESS = "connections_per_address"
    HANDSHAKES = "handshakes"
    HANDSHAKE_TIME = "handshake_time"
    MEMORY = "memory"
    # Of one connection (a close code).
    CONNECTIONS_PER_USER = "connections_per_user"
    CONNECTIONS_PER_WORKSPACE = "connections_per_workspace"
    AUTH_TIME = "auth_time"
    AUTH_FAILURES = "auth_failures"
    BAD_MESSAGES = "bad_messages"
    SILENCE = "silence"
    MESSAGE_BYTES = "message_bytes"
    MESSAGE_FRAGMENTS = "message_fragments"
    MESSAGE_TIME = "message_time"
    SUBSCRIPTIONS = "subscriptions"
    OUTBOX_BYTES = "outbox_bytes"
    REFUSALS = "refusals"
    # Of requests, at every door (errors 111 and 120, HTTP 429 and 503).
    MESSAGES_PER_S = "messages_per_s"
    ITEMS_PER_S = "items_per_s"
    USER_MESSAGES_PER_S = "user_messages_per_s"
    USER_ITEMS_PER_S = "user_items_per_s"
    WORKSPACE_MESSAGES_PER_S = "workspace_messages_per_s"
    WORKSPACE_ITEMS_PER_S = "workspace_items_per_s"
    # Of who may come in (error 106, HTTP 429).
    TICKETS_PER_USER = "tickets_per_user"
    TICKETS = "tickets"
    REVOCATIONS_PER_WORKSPACE = "revocations_per_workspace"
    REVOCATIONS = "revocations"
    # Of objects of one kind (error 106, HTTP 429).
    OBJECTS_PER_WORKSPACE = "objects_per_workspace"
    QUIET_EXPRESSIONS = "quiet_expressions"
    # Of a channel, and of how many there are (error 120, HTTP 503).
    CHANNEL_MAILBOX = "channel_mailbox"
    CHANNEL_WINDOWS = "channel_windows"
    RULE_STATES = "rule_states"
    RULE_SERIES = "rule_series"
    READING_SERIES = "reading_series"
    BACKTESTS = "backtests"
    HANDED_OVER = "handed_over"
    # Of endpoints: tests of them at a time (error 111), and threads and connections of ours for a look at one (120).
    ENDPOINT_TESTS = "endpoint_tests"
    OUTBOUND = "outbound"
    CHANNELS = "channels"
    CHANNELS_PER_WORKSPACE = "channels_per_workspace"
    # Of HTTP alone.
    HTTP_CONNECTIONS = "http_connections"
    HTTP_BODY_BYTES = "http_body_bytes"
    HTTP_BODY_TIME = "http_body_time"
    QUERY_TIME = "query_time"
    STREAMS = "streams"
    STREAMS_PER_USER = "streams_per_user"
