"""The way to a running engine's HTTP API, for administrators' commands: an address, a token, a request at a time."""

from __future__ import annotations

import json
import ssl
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tocsin.commands import options

# The engine answers within 10 s (a backtest within 20 s), or says that it is busy.
REQUEST_S = 30.0
ANSWER_MAX_BYTES = 16_777_216
# Of a text that is not our API's: a line for people, not a page of HTML.
SAID_MAX_BYTES = 100
IS_IT_THERE = (
    "is the engine running there? name one that runs elsewhere with --api or TOCSIN_API, "
    "or start one with: tocsin serve"
)
_TEXTS = ("application/toml", "application/yaml", "text/html", "text/plain")
# As many as the API gives at once; a list of 20,000 is 40 requests.
PAGE_ITEMS = 500


@dataclass(frozen=True)
class Api:
    """An engine's HTTP API. `url`: http://HOST:PORT[/PATH]; `ssl_context`: for https with a CA of one's own."""

    url: str
    token: str
    ssl_context: ssl.SSLContext | None = None

    def ask(self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None) -> Any:
        """The decoded answer (of TOML, YAML, HTML and plain text the text); None if it is empty.

        Raises CannotConnect, or the TocsinError that was the answer.
        """
        from tocsin.errors import CannotConnect, tls_hint

        request = urllib.request.Request(  # noqa: S310  # the scheme is checked where the url is made
            self.url + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {self.token}", "Content-Type": "application/json", **(headers or {})},
        )
        try:
            # Without proxies of the environment: a token is for the engine that was named and nobody between.
            opener = urllib.request.build_opener(
                urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=self.ssl_context), _NoRedirects()
            )
            with opener.open(request, timeout=REQUEST_S) as answer:
                content = answer.read(ANSWER_MAX_BYTES)
                is_text = answer.headers.get_content_type() in _TEXTS
        except urllib.error.HTTPError as refusal:
            with refusal:
                raise _error_of(refusal) from None
        except OSError as fault:  # URLError among them, whose reason is what people know
            reason = getattr(fault, "reason", fault)
            hint = tls_hint(reason, "http://") or IS_IT_THERE
            raise CannotConnect(f"cannot reach {self.url}: {reason}; {hint}") from fault
        if is_text:
            return content.decode()
        return json.loads(content) if content else None

    def pages(self, path: str, wanted: Mapping[str, str]) -> Iterator[dict[str, Any]]:
        """All items of a list that comes in pages, each page asked for when it is reached. Raises as `ask`."""
        cursor: str | None = None
        while True:
            query = {**wanted, "limit": str(PAGE_ITEMS)} | ({"cursor": cursor} if cursor else {})
            page = self.ask("GET", f"{path}?{urllib.parse.urlencode(query)}")
            yield from page["items"]
            cursor = page["next_cursor"]
            if cursor is None:
                return


def api_of(
    *,
    api: str | None,
    token: str | None,
    workspace: str | None,
    data: str | None,
    config_file: str | None,
    ca: str | None,
) -> Api:
    """The API that the options of `options.administrator` mean, as an administrator. Raises ConfigError."""
    from engine.configuration.fields import ConfigError

    context = options.trusting(ca)
    if token is None or api is None:
        config = options.load(data, config_file)
        configured = f"{config.http_scheme}://{config.http}" if config.http_address.port else options.DEFAULT_API
        api = configured if api is None else api
        token = options.issuer(config, workspace, "admin")() if token is None else token
    if not _is_address(api):
        allowed = (
            "use http://HOST:PORT or https://HOST:PORT, with the path that a proxy has it at and nothing behind that"
        )
        raise ConfigError("api", f"{api!r:.200} is not allowed: {allowed}")
    return Api(api.rstrip("/"), token, context)


def _is_address(api: str) -> bool:
    try:
        parts = urllib.parse.urlsplit(api)
        _ = parts.port
    except ValueError:  # no port, or half of an IPv6 address
        return False
    # What is behind a ? or # would take in the path of each request, and all would be asked at the root.
    return parts.scheme in ("http", "https") and bool(parts.hostname) and not (parts.username or set("?# ") & set(api))


def place(object_id: str) -> str:
    """An id in an address, quoted twice: its slashes are still quoted when the server has looked for slashes."""
    return urllib.parse.quote(urllib.parse.quote(object_id, safe=""), safe="")


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """An engine never redirects; who does is not one, and must not be told our token."""

    def redirect_request(self, *_: Any) -> None:
        """No request at all: the redirect is an error."""


def _error_of(refusal: urllib.error.HTTPError) -> Exception:
    from protocol.messages import ErrorMessage
    from tocsin.errors import CannotConnect, error_of
    from tocsin.terminal import printable

    body = refusal.read(65_536)
    try:
        problem = json.loads(body)
        return error_of(ErrorMessage(code=problem["code"], message=problem["detail"], temporary=problem["temporary"]))
    except (ValueError, KeyError, TypeError):
        # A port that speaks TLS, and the WebSocket's, say in a line of text what they are.
        said = printable(body[:SAID_MAX_BYTES].decode(errors="replace").strip())
        text = f"{refusal.url} answered {refusal.code}" + (f" ({said})" if said else "")
        return CannotConnect(f"{text}: it is no engine's API; is this its HTTP address, http:// or https://?")
