"""Who may connect, and how much one may send: the tables `[gateway]`, `[api]`, `[limits]` and `[tls]`."""

from __future__ import annotations

from typing import Annotated

from engine.configuration.fields import Section, limit, why

# One ticker looks after the deadlines of all connections once a second: what is shorter would be promised and not kept.
_TICK_S = 1


class Gateway(Section, frozen=True, kw_only=True):
    """WebSocket connections."""

    heartbeat_s: Annotated[float, limit(_TICK_S, 3600, "One shared ping this often; the reference's figure.")] = 30.0
    timeout_s: Annotated[
        float, limit(_TICK_S, 7200, "A peer not heard for so long is gone: one lost heartbeat is forgiven, not two.")
    ] = 60.0
    handshake_s: Annotated[float, limit(0.1, 60, "A peer that is slower with its HTTP upgrade is no client.")] = 5.0
    auth_s: Annotated[float, limit(_TICK_S, 300, "Without a good token by then the connection ends with 3502.")] = 10.0
    message_s: Annotated[
        float, limit(_TICK_S, 300, "A message must be complete in this time (drip-feeding peers).")
    ] = 10.0
    close_s: Annotated[float, limit(0.1, 60, "How long a peer may take to answer our Close frame.")] = 2.0
    drain_s: Annotated[
        float, limit(0.1, 60, "Clients are told to leave within this time at shutdown; the promise is 10 s in all.")
    ] = 8.0
    drain_spread_s: Annotated[
        float, limit(0, 60, "With more than drain_closes_max connections, a stop spreads their closes over this time.")
    ] = 2.0
    drain_closes_max: Annotated[
        int, limit(1, 1_000_000, "Closes under way at once in a stop: who takes the clients over is spared a wave.")
    ] = 256
    message_max_bytes: Annotated[
        int,
        limit(1024, 16_777_216, "A larger message ends with 1009; 1 MiB of empty maps would cost 70 MB to decode."),
    ] = 65_536
    fragments_max: Annotated[int, limit(1, 65_536, "More fragments in one message than anybody needs.")] = 64
    reply_backlog_bytes: Annotated[
        int,
        limit(1024, 16_777_216, "With more replies than this unread we stop reading from that peer (ping floods)."),
    ] = 65_536
    outbox_soft_bytes: Annotated[
        int,
        limit(
            65_536, 1_073_741_824, "A reader further behind than this misses info, then warning alerts: about 1,000."
        ),
    ] = 262_144
    outbox_max_bytes: Annotated[
        int, limit(65_536, 1_073_741_824, "A reader further behind than this is cut with 3008 and may recover.")
    ] = 1_048_576
    connections_max: Annotated[int, limit(1, 1_000_000, "At about 30 kB each, 20,000 take 600 MB.")] = 20_000
    connections_per_address_max: Annotated[
        int,
        limit(1, 1_000_000, "An office behind one address; more are 429. Not for loopback and trusted_proxies."),
    ] = 256
    connections_per_user_max: Annotated[
        int, limit(1, 1_000_000, "Three fifths of all: a fleet may share a token, and leaves room. More: 3504.")
    ] = 12_000
    connections_per_workspace_max: Annotated[
        int, limit(1, 1_000_000, "Four fifths of all: no workspace keeps the others out. More end with 3504.")
    ] = 16_000
    handshakes_max: Annotated[
        int, limit(1, 1_000_000, "Sockets that are not WebSockets yet; then the one that waits longest gives way.")
    ] = 4_096
    trusted_proxies: Annotated[
        tuple[str, ...],
        why("Addresses or networks (10.0.0.0/8) whose X-Forwarded-For tells a client's address; others' is ignored."),
    ] = ()
    memory_soft_bytes: Annotated[
        int,
        limit(0, 2**50, "With more memory in use nobody new comes in (503, 1013); 0: three quarters of what there is."),
    ] = 0
    subscriptions_max: Annotated[int, limit(1, 100_000, "Subscriptions of one connection; more end with 3505.")] = 128
    auth_failures_max: Annotated[
        int, limit(1, 1_000, "A person mistypes twice; the third bad token of a connection ends it with 3500.")
    ] = 3
    bad_messages_max: Annotated[
        int, limit(1, 100_000, "A client with a bug hears its errors; who sends only rubbish is cut with 3501.")
    ] = 20
    position_s: Annotated[float, limit(_TICK_S, 3600, "How often a quiet channel proves that nothing was missed.")] = (
        5.0
    )
    origins: Annotated[
        tuple[str, ...],
        why("Web origins whose pages may connect, exactly as browsers write them; that of `http` is always added."),
    ] = ()


class Api(Section, frozen=True, kw_only=True):
    """HTTP."""

    body_max_bytes: Annotated[
        int, limit(1024, 1_073_741_824, "Prometheus posts a few hundred alerts at once; 4 MiB is ten times that.")
    ] = 4_194_304
    body_s: Annotated[float, limit(0.1, 300, "A request's body is here by then (4 MiB at 0.4 MB/s); else 408.")] = 10.0
    connections_max: Annotated[
        int,
        limit(1, 100_000, "HTTP connections; 100 kB each at worst, plus a body. For one more a silent one gives way."),
    ] = 1_000
    streams_max: Annotated[
        int, limit(1, 100_000, "Event streams, each an HTTP connection for as long as it lasts: half of them.")
    ] = 500
    streams_per_user_max: Annotated[
        int, limit(1, 100_000, "A person has a handful of pages open, each with a stream or two.")
    ] = 32
    answer_s: Annotated[float, limit(0.1, 300, "A request not answered by then gets busy: try again.")] = 10.0


class Limits(Section, frozen=True, kw_only=True):
    """How much a connection (over HTTP: a token) may send; beyond it error 111 or HTTP 429, then 3013."""

    producer_roles: Annotated[
        tuple[str, ...], why("Roles of programs; a bare `tocsin token` makes an admin, which programs use as well.")
    ] = ("producer", "admin")
    people_messages_per_s: Annotated[float, limit(0.1, 1e6, "Nobody clicks faster than this.")] = 50.0
    people_messages_burst: Annotated[int, limit(1, 10**7, "A page that subscribes to 128 channels at once.")] = 200
    people_items_per_s: Annotated[float, limit(0.1, 1e8, "Five bulk changes of 1,000 alerts a second.")] = 5_000.0
    people_items_burst: Annotated[int, limit(1, 10**9, "Ten bulk changes at once.")] = 10_000
    producer_messages_per_s: Annotated[float, limit(0.1, 1e6, "One at a time from 32 producers is 2,000 a second.")] = (
        2_000.0
    )
    producer_messages_burst: Annotated[int, limit(1, 10**7, "Two seconds' worth: a pause makes a backlog.")] = 4_000
    producer_items_per_s: Annotated[float, limit(0.1, 1e8, "Batches of 1,000 at 50 a second; more than is stored.")] = (
        50_000.0
    )
    producer_items_burst: Annotated[int, limit(1, 10**9, "Two seconds' worth: a pause makes a backlog.")] = 100_000
    tokens_per_user: Annotated[
        int, limit(1, 10_000, "All tokens of a user together, over HTTP, may so many times what one may.")
    ] = 4
    workspace_messages_per_s: Annotated[
        float, limit(1, 1e6, "HTTP requests of one workspace; an engine serves a few thousand a second in all.")
    ] = 5_000.0
    workspace_items_per_s: Annotated[float, limit(0.1, 1e9, "All doors of one workspace together, so others live.")] = (
        500_000.0
    )
    refusals_max: Annotated[
        int, limit(1, 10**6, "So many refusals within refusals_window_s, and the connection ends with 3013.")
    ] = 100
    refusals_window_s: Annotated[float, limit(0.1, 3600, "Who does not slow down by then does not listen.")] = 10.0


class Tls(Section, frozen=True, kw_only=True):
    """Encryption of both ports; both files or none. `tocsin serve` reads them again at SIGHUP."""

    cert: Annotated[str, why("PEM file: the certificate, then those between it and the CA. Empty: plain ws, http.")] = (
        ""
    )
    key: Annotated[str, why("PEM file: the certificate's private key, without a password.")] = ""
