"""How numbers that somebody owns already are shown: under which metrics, and what these say. Values only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class Figure(NamedTuple):
    """How a watched number is shown. `names` without `_total`; `monotonic`: it only grows, so it is a counter."""

    names: tuple[str, ...]
    text: str
    monotonic: bool = False


# By the name that `watch` is given; for a mapping `<name>.<key>` or the key alone.
FIGURES: Mapping[str, Figure] = {
    "gateway.connections_accepted": Figure(("tocsin_connections_accepted",), "Sockets accepted.", True),
    "gateway.connections_refused": Figure(("tocsin_connections_refused",), "Peers that did not become one.", True),
    "gateway.connected_clients": Figure(("tocsin_connections", "websocket_connections_active"), "Open connections."),
    "gateway.active_subscriptions": Figure(("tocsin_streams_followed",), "Channels and workspaces being followed."),
    "gateway.total_subscribers": Figure(("tocsin_subscriptions",), "Subscriptions of all connections."),
    "gateway.messages_sent": Figure(("tocsin_messages_sent",), "Messages of every kind sent to clients.", True),
    "gateway.messages_received": Figure(("tocsin_messages_received",), "Messages received from clients.", True),
    "gateway.errors": Figure(("tocsin_session_errors",), "Connections and requests that ended with an error.", True),
    "gateway.slow_disconnects": Figure(("tocsin_slow_disconnects",), "Connections cut for not keeping up.", True),
    "gateway.tls_handshakes_failed": Figure(("tocsin_tls_handshakes_failed",), "WebSocket peers without TLS.", True),
    "gateway.forwarded_unreadable": Figure(
        ("tocsin_forwarded_unreadable",), "X-Forwarded-For of trusted proxies that names no address.", True
    ),
    "health_score": Figure(("tocsin_health_score",), "How well the engine is, 0 to 100: 100 less what its parts took."),
    "loop_lag_worst_s": Figure(("tocsin_loop_lag_max_seconds",), "The latest wake-up of the last minute or two."),
    "watchdog.stalls": Figure(("tocsin_loop_stalls",), "How often the loop was silent for watchdog.stall_s.", True),
    "tls_expires_at_s": Figure(("tocsin_tls_certificate_expires_timestamp_seconds",), "When the certificate ends."),
    "tls_renewals": Figure(("tocsin_tls_renewals",), "Certificates taken over while running (SIGHUP).", True),
    "tls_renewals_failed": Figure(("tocsin_tls_renewals_failed",), "Renewals that could not be used.", True),
    "gateway.outbox_bytes": Figure(("tocsin_outbox_bytes",), "Bytes waiting to be sent to clients."),
    "gateway.outbox_lag_s": Figure(("tocsin_outbox_lag_seconds",), "How long the oldest byte not taken waits."),
    "gateway.messages_dropped_info": Figure(
        ("tocsin_messages_dropped_info",), "Info alerts left out for slow readers, who got a gap.", True
    ),
    "gateway.messages_dropped_warning": Figure(
        ("tocsin_messages_dropped_warning",), "Warning alerts left out for slow readers, who got a gap.", True
    ),
    **{
        f"bus.{word}": Figure((f"tocsin_bus_{name}",), text, True)
        for word, (name, text) in {
            "published": ("published", "Entries that this node took to tell the others."),
            "dropped": ("dropped", "Entries for which there was no room in bus.queue_bytes; the others look up."),
            "received": ("received", "Entries of other nodes."),
            "repeated": ("repeated", "Entries that came once more, and were left out."),
            "unreadable": ("unreadable", "Things on the bus that no node of ours has made."),
            "switched": ("switched", "Times that another carrier took over: Redis was away, or is back."),
            "gaps_hole": ("gaps_hole", "Gaps: entries were dropped, or lost on their way."),
            "gaps_silent": ("gaps_silent", "Gaps: a node that had spoken was silent for 3 s."),
            "gaps_lost": ("gaps_lost", "Gaps: the carrier was restarted empty, or had trimmed what was not read yet."),
            "gaps_unreadable": ("gaps_unreadable", "Gaps: foreign things in between."),
        }.items()
    },
    "bus.gaps_started": Figure(("tocsin_bus_topics_followed",), "Topics that this node has begun to follow.", True),
    "bus.queue_bytes": Figure(("tocsin_bus_queue_bytes",), "Bytes that wait to be sent to other nodes."),
    "bus.lag_s": Figure(("tocsin_bus_lag_seconds",), "How long this node's last words took to come back to it."),
    "bus.heartbeat_age_s": Figure(
        ("tocsin_bus_heartbeat_age_seconds",), "How long the node that is silent for longest has been so; each second."
    ),
    "bus.up_redis": Figure(("tocsin_bus_redis_up",), "Whether Redis carries in both directions."),
    "bus.up_postgres": Figure(("tocsin_bus_postgres_up",), "Whether Postgres could, or does."),
    "nodes.membership_live": Figure(
        ("tocsin_nodes_live",), "Nodes whose row was renewed within 3 s, this one included."
    ),
    **{
        f"nodes.{word}": Figure((f"tocsin_nodes_{name}",), text, True)
        for word, (name, text) in {
            "membership_joined": ("joined", "Nodes that came, as this one saw it."),
            "membership_left": ("left", "Nodes that went, or were silent for 3 s."),
            "membership_missed_beats": ("beats_missed", "Renewals of this node's row that the store did not take."),
            "membership_lapses": ("lapses", "Times that this node was silent for 3 s, and taken for dead."),
            "forwarding_sent": ("forwarded", "Batches of commands sent to the node that decides."),
            "forwarding_taken": ("forwarded_taken", "Batches taken from other nodes."),
            "forwarding_again": ("forwarded_again", "Batches that came again, because their answer was lost or late."),
            "forwarding_not_ours": ("forwarded_astray", "Batches for workspaces that this node does not own."),
            "forwarding_late": ("forwarded_late", "Answers that nobody waited for any more."),
            "forwarding_unknown": ("forwarded_unknown", "Commands and results of another version of the program."),
            "letters_sent": ("letters_sent", "Messages to other nodes."),
            "letters_received": ("letters_received", "Messages of other nodes."),
            "letters_foreign": ("letters_foreign", "Messages that no node of ours has made; they are dropped."),
            "letters_too_large": ("letters_too_large", "Messages that did not fit, and went another way."),
            "relay_published": ("events_published", "Events told to other nodes."),
            "relay_heard": ("events_heard", "Events that other nodes told."),
            "relay_gaps": ("bus_gaps", "Times that something may have been missed, so the store was asked."),
            "questions_asked": ("questions_asked", "Questions to other nodes: connections, tickets, broadcasts."),
            "questions_answered": ("questions_answered", "Questions of other nodes that were answered."),
            "questions_unanswered": ("questions_unanswered", "Answers that did not come within a second."),
            "receipts_unconfirmed": ("news_unconfirmed", "Changes that another node did not confirm within a second."),
            "news_heard": ("news_heard", "News of other nodes: objects, revocations, hints, the bell for jobs."),
            "news_reloads": ("objects_reloaded", "Times that all objects were read anew after a gap."),
        }.items()
    },
    **{
        f"incidents.{word}": Figure((f"tocsin_incidents_{name}",), text, True)
        for word, (name, text) in {
            "opened": ("opened", "Alerts that belong together were found, and made an incident."),
            "joined": ("joined", "Alerts that joined an incident."),
            "merged": ("merged", "Incidents that turned out to be one with another."),
            "resolved": ("resolved", "Incidents that were over."),
            "reopened": ("reopened", "Incidents that needed somebody again."),
            "events": ("events", "Events of alerts that were looked at."),
            "skipped": ("events_skipped", "Events that nobody looked at: too many waited, or they were trimmed."),
            "forgotten": ("alerts_forgotten", "Alerts no longer looked at because newer ones were too many."),
            "failed": ("events_failed", "Events passed over because they made us raise; the log has the reason."),
            "recalled": ("recalled", "Times that a workspace's machine was made from the store."),
        }.items()
    },
    "incidents.waiting": Figure(("tocsin_incidents_events_waiting",), "Events that wait to be looked at."),
    "incidents.workspaces": Figure(("tocsin_incidents_workspaces",), "Workspaces whose machine is in memory."),
    "nodes.forwarding_under_way": Figure(("tocsin_nodes_forwarded_under_way",), "Batches that wait for their answer."),
    "nodes.channels_elsewhere": Figure(("tocsin_nodes_channels_elsewhere",), "Channels here that others decide."),
    "gateway.hints_dropped": Figure(("tocsin_hints_dropped",), "Hints of workflows left out for slow readers.", True),
    **{
        f"mail.{word}": Figure((f"tocsin_mail_{word}",), text, True)
        for word, text in {
            "sent": "Mails that the mail server took.",
            "refused": "Mails that it, or we, refused for good.",
            "failed": "Attempts that failed.",
            "put_off": "Mails put off: the server was away, or their address was sent many.",
            "slowed": "Mails put off because their address was sent many.",
            "connections": "Connections to the mail server opened.",
        }.items()
    },
    "mail.connections_kept": Figure(("tocsin_mail_connections_kept",), "Connections kept for the next mail."),
    **{
        f"links.{word}": Figure((f"tocsin_mail_links_{word}",), text, True)
        for word, text in {
            "opened": "Pages of acknowledge links opened.",
            "done": "Acknowledge links used.",
            "refused": "Links that were not ours, or whose person may not.",
            "expired": "Links that came too late.",
        }.items()
    },
    **{
        f"slack_buttons.{word}": Figure((f"tocsin_slack_buttons_{word}",), text, True)
        for word, text in {
            "done": "Buttons pressed in Slack that acknowledged or resolved.",
            "refused": "Those that did not: not known, or may not.",
            "replayed": "Posts for buttons that had come before; nothing was done again.",
            "unsigned": "Posts for buttons that Slack had not signed.",
        }.items()
    },
    "workflows.batches": Figure(("tocsin_workflow_batches",), "Workflow batches done.", True),
    **{
        f"workflows.projects_{word}": Figure(
            (f"tocsin_workflow_projects_{word}",), f"Projects of batches: {word}.", True
        )
        for word in ("fired", "repeated", "suppressed", "advanced", "finished", "already", "rejected")
    },
    "outbound.requests": Figure(("tocsin_outbound_requests",), "Requests to endpoints' servers.", True),
    "outbound.unreachable": Figure(("tocsin_outbound_unreachable",), "Those that got no answer.", True),
    "outbound.crowded": Figure(
        ("tocsin_outbound_crowded",), "Those that this engine had no thread or connection for: tried again.", True
    ),
    "outbound.refused": Figure(
        ("tocsin_outbound_refused",), "Endpoints not connected to: their address is not public.", True
    ),
    "outbound.endpoints": Figure(("tocsin_endpoints",), "Endpoints of all workspaces."),
    "outbound.endpoints_off": Figure(("tocsin_endpoints_off",), "Endpoints that are switched off."),
    "outbound.circuits_open": Figure(("tocsin_endpoint_circuits_open",), "Targets that keep failing: only probes."),
    "outbound.messages_paced": Figure(("tocsin_endpoint_messages_paced",), "Messages in line for their target's rate."),
    "foreign.calls": Figure(
        ("tocsin_foreign_calls",), "Calls to Postgres and Redis that are under way, those that wait for news included."
    ),
    "foreign.abandoned": Figure(
        ("tocsin_foreign_abandoned",), "Calls to Postgres and Redis that did not end within 2 s of being ended.", True
    ),
    "cache.up": Figure(("tocsin_cache_up",), "1 while the Redis of the cache is used; missing without one."),
    "cache.owed": Figure(("tocsin_cache_owed",), "What was forgotten and Redis has not heard: it is not asked for it."),
    "cache.writes_waiting": Figure(("tocsin_cache_writes_waiting",), "Answers that are to be written to Redis."),
    "cache.evicted": Figure(("tocsin_cache_evicted",), "Entries of this process that went for others.", True),
    "cache.loading": Figure(("tocsin_cache_loading",), "Questions to the store that are under way for the cache."),
    "mailbox_depth": Figure(("tocsin_mailbox_depth",), "Commands waiting in the mailboxes of all channels."),
    "channels": Figure(("tocsin_channels",), "Channels that run."),
    "channels_parked": Figure(("tocsin_channels_parked",), "Channels past their restart intensity."),
    "store_available": Figure(("tocsin_store_available",), "1 while the store takes commits, and its server answers."),
    "store_unavailable": Figure(
        ("tocsin_store_unavailable",), "Commits and other writes that the store did not take.", True
    ),
    **{
        f"traces.{word}": Figure((f"tocsin_trace_spans_{word}",), text, word != "waiting")
        for word, text in {
            "exported": "Spans that the collector took.",
            "failed": "Spans that it did not take.",
            "dropped": "Spans that found no place in the queue (tracing.spans_max).",
            "waiting": "Spans that wait for the collector.",
        }.items()
    },
    "store_readings": Figure(("tocsin_readings",), "Readings stored.", True),
    "store_reading_bytes": Figure(("tocsin_reading_bytes",), "Bytes of the log of readings, as written.", True),
    "counting.hours": Figure(("tocsin_counted_hours",), "Hours whose alerts were counted, each time anew.", True),
    "counting.alerts": Figure(("tocsin_counted_alerts",), "Alerts in these hours.", True),
    "counting.changed": Figure(("tocsin_counted_figures",), "Counts that were not as they had been.", True),
    "counting.hours_waiting": Figure(("tocsin_counting_hours_waiting",), "Hours with changes that are not counted."),
    "counting.lag_s": Figure(
        ("tocsin_counting_lag_seconds",), "How long the oldest change of an alert waits to be counted."
    ),
    "store_readings_rolled": Figure(("tocsin_readings_rolled_up",), "Readings that went into the roll-ups.", True),
    "store_reading_rows_trimmed": Figure(("tocsin_reading_rows_trimmed",), "Rows of the log that were trimmed.", True),
    "duplicates_stored": Figure(("tocsin_duplicates_stored",), "Alerts stored twice; always 0.", True),
    "objects.changes": Figure(("tocsin_object_changes",), "Changes of rules, people and other objects stored.", True),
    "objects_forgotten": Figure(
        ("tocsin_objects_forgotten",), "Silences and windows deleted because they were over long ago.", True
    ),
    "objects.conflicts": Figure(("tocsin_object_conflicts",), "Edits refused because somebody was faster.", True),
    "objects.unreadable": Figure(("tocsin_objects_unreadable",), "Stored objects that could not be read.", True),
    "weekly.sent": Figure(("tocsin_weekly_reports_sent",), "Weekly reports that the mail server took.", True),
    "weekly.refused": Figure(("tocsin_weekly_reports_refused",), "Weekly reports that it refused.", True),
    "weekly.failed": Figure(("tocsin_weekly_reports_failed",), "Weekly reports that were given up.", True),
    "weekly.readers": Figure(("tocsin_weekly_report_readers",), "People who want a weekly report."),
    "patterns.runs": Figure(
        ("tocsin_pattern_runs",), "Workspaces whose history was looked through for patterns.", True
    ),
    "patterns.alerts": Figure(("tocsin_pattern_alerts",), "Alerts that were looked through for them.", True),
    "patterns.found": Figure(("tocsin_patterns_found",), "Patterns found, those that are known each time again.", True),
    "patterns.told": Figure(("tocsin_patterns_told",), "New patterns, which were told.", True),
    "patterns.confirmed": Figure(("tocsin_patterns_confirmed",), "Patterns that people confirmed.", True),
    "patterns.dismissed": Figure(("tocsin_patterns_dismissed",), "Patterns that people dismissed.", True),
    "patterns.started": Figure(("tocsin_pattern_processes_started",), "Processes started to find patterns.", True),
    "patterns.failed": Figure(("tocsin_pattern_processes_failed",), "Of them those that ended without a result.", True),
    "patterns.ended_early": Figure(
        ("tocsin_pattern_processes_ended_early",), "Of them those that were cancelled.", True
    ),
    "patterns.running": Figure(("tocsin_pattern_processes_running",), "Of them those that run now."),
    "backtests.started": Figure(("tocsin_backtests_started",), "Processes started for backtests.", True),
    "backtests.failed": Figure(("tocsin_backtests_failed",), "Of them those that ended without a result.", True),
    "backtests.ended_early": Figure(("tocsin_backtests_ended_early",), "Of them those that took too long.", True),
    "backtests.running": Figure(("tocsin_backtests_running",), "Of them those that run now."),
    "insights.runs": Figure(("tocsin_insight_runs",), "Times that a workspace's insights were reckoned.", True),
    "insights.insights": Figure(("tocsin_insights_kept",), "Insights kept, one a framework and run.", True),
    "insights.rules_tried": Figure(
        ("tocsin_insight_rules_tried",), "Rules that trouble people, and that measures were tried for.", True
    ),
    "insights.rules_failed": Figure(
        ("tocsin_insight_rules_failed",), "Of them those whose trial ended badly: the log says why.", True
    ),
    "insights.recommended": Figure(
        ("tocsin_recommendations_found",), "Recommendations that runs found, known ones too.", True
    ),
    "insights.left_out": Figure(
        ("tocsin_insights_left_out",), "Metrics, and histories of alerts, that were too long to be read whole.", True
    ),
    "insights.explained": Figure(("tocsin_insights_explained",), "Insights that a language model explained.", True),
    "insights.unexplained": Figure(
        ("tocsin_insights_unexplained",), "Insights that one was to explain, and did not.", True
    ),
    "insights.applied": Figure(("tocsin_recommendations_applied",), "Recommendations that people applied.", True),
    "insights.dismissed": Figure(("tocsin_recommendations_dismissed",), "Recommendations that people dismissed.", True),
    "schedules.fired": Figure(("tocsin_schedule_runs",), "Runs that schedules have fired.", True),
    "schedules.faulty": Figure(("tocsin_schedules_faulty",), "Schedules that cannot fire as they are."),
    "schedules.set_right": Figure(
        ("tocsin_schedules_set_right",), "Schedules that had fired with a clock far ahead, and go on from now.", True
    ),
    "tasks": Figure(("tocsin_tasks",), "Tasks of the event loop."),
    "revocations": Figure(("tocsin_revocations",), "Tokens and users that are revoked."),
    "tickets_unused": Figure(("tocsin_tickets_unused",), "One-use tickets that nobody has used yet."),
    "keys": Figure(("tocsin_keys",), "Keys that tokens are verified with."),
    "key_changes": Figure(("tocsin_key_changes",), "Changes of the keys since the start.", True),
    "key_reloads_failed": Figure(("tocsin_key_reloads_failed",), "Key files that could not be used.", True),
    "presence_notes_dropped": Figure(
        ("tocsin_presence_notes_dropped",), "Changes of connections never recorded: the store was away too long.", True
    ),
    "recipient_marks_dropped": Figure(
        ("tocsin_recipient_marks_dropped",), "Marks of `received` and `seen` never kept, for the same reason.", True
    ),
    "log_lines_dropped": Figure(("tocsin_log_lines_dropped",), "Log lines lost because nobody read them.", True),
}
