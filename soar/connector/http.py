"""The HTTP client every connector shares: one pool, errors sorted, egress held, keys sent.

httpx speaks to connectors and tests; aiohttp carries the bytes, because its pool stays
cheap with hundreds of calls in flight (docs/decisions). One session serves all
connections; who may reach what is asked per call, see `egress`.
"""

from __future__ import annotations

import base64
import ssl
from collections.abc import AsyncIterable, Collection, Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, Final
from urllib.parse import urlsplit

import aiohttp
import httpx
from httpx_aiohttp import AiohttpTransport

from soar.clock import Clock, SystemClock
from soar.connector.answers import AnswerTooLarge, CallTimedOut, Reply, sorted_status
from soar.connector.egress import Egress, EgressConnector
from soar.connector.masking import Masker
from soar.connector.trail import Sending, Trail, current_sending, current_trail
from soar.errors import ConnectorError, OutcomeUnknown, Refused, Unavailable

BODY_LIMIT: Final = 5 * 1024 * 1024
LONGEST_WAIT: Final = 900.0
"""A system that asks for a longer pause than 15 minutes has said no."""
_CONNECT_TIMEOUT: Final = 10.0
_KEEP_ALIVE: Final = 4.0
"""Below the 5 s after which common servers hang up: a connection that dies under a request costs an unknown outcome."""
_EXTENSIONS: Final = {"timeout": {"connect": _CONNECT_TIMEOUT}}
"""The time of the whole call is held by its caller."""
HOPS_HEADER: Final = "soar-hops"
_READS: Final = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
_DEFAULT_HEADERS: Final = {"accept": "*/*", "accept-encoding": "identity", "user-agent": "soar-engine"}
_ANSWERED_ELSEWHERE: Final = frozenset({303, 304})


class SharedHttp:
    """One client for all connections of this process. Made anywhere, opened inside the loop."""

    def __init__(
        self,
        clock: Clock | None = None,
        *,
        transport: httpx.AsyncBaseTransport | None = None,
        body_limit: int = BODY_LIMIT,
        longest_wait: float = LONGEST_WAIT,
        masker: Masker | None = None,
    ) -> None:
        self.clock = clock or SystemClock()
        self.masker = masker
        self.body_limit = body_limit
        self.longest_wait = longest_wait
        self.notes_connections = transport is None
        """Ours tells when a request got a connection; with a test's transport every request counts as sent."""
        self._transport = transport
        self._session: aiohttp.ClientSession | None = None
        self._ssl: ssl.SSLContext | bool = True

    async def open(self) -> None:
        """Make the client now: reading the certificate authorities would hold up the first call."""
        if self._transport is None:
            session = self.session
            self._transport = AiohttpTransport(client=session, verify=self._ssl)

    @property
    def session(self) -> aiohttp.ClientSession:
        """The aiohttp session below, for vendors' SDKs that take one. Must be asked for inside the loop."""
        if self._session is None:
            context = httpx.create_ssl_context()
            context.load_default_certs()  # the machine's own authorities beside the public ones
            self._ssl = context
            self._session = aiohttp.ClientSession(
                connector=EgressConnector(limit=0, keepalive_timeout=_KEEP_ALIVE, ssl=context),
                cookie_jar=aiohttp.DummyCookieJar(),
                trust_env=False,
            )
            # aiohttp repeats PUT and DELETE by itself when a kept connection dies; a repeat is the engine's to decide.
            self._session._retry_connection = False
        return self._session

    async def send(self, request: httpx.Request) -> httpx.Response:
        """Send one request as it is: no redirects, no cookies, no retries."""
        if self._transport is None:
            await self.open()
        assert self._transport is not None
        return await self._transport.handle_async_request(request)

    async def close(self) -> None:
        if self._transport is not None:
            await self._transport.aclose()
        if self._session is not None:
            await self._session.close()


class HttpClient:
    """The shared client as one connection sees it: its address, its headers, its errors."""

    def __init__(
        self,
        shared: SharedHttp,
        *,
        base_url: str,
        headers: Mapping[str, str] | None = None,
        egress: Egress | None = None,
    ) -> None:
        self._shared = shared
        self._egress = egress
        self._base = base_url.rstrip("/")
        self._headers = {**_DEFAULT_HEADERS, **{name.lower(): value for name, value in (headers or {}).items()}}
        self.origin = _origin(self._base)
        """Scheme, host and port of `base_url`; credentials go nowhere else."""

    @property
    def session(self) -> aiohttp.ClientSession:
        """The shared aiohttp session, for a vendor's own SDK; the allow-list holds there too."""
        return self._shared.session

    @contextmanager
    def beside_calls(self) -> Iterator[None]:
        """For what lasts and is no call, such as a socket that listens: the connection's allow-list holds there too."""
        if self._egress is None:
            raise Refused("this connection was set up without an allow-list, and so reaches nothing")
        token = current_trail.set(Trail(self._egress, changes=False))
        try:
            yield
        finally:
            current_trail.reset(token)

    @staticmethod
    def checked_base_url(url: str) -> str:
        """A base URL, when it is one.

        Raises:
            ValueError: what is wrong with it, and what to do.
        """
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("is no URL; write one such as https://api.example.com/v1")
        if parts.username or parts.password:
            raise ValueError("holds credentials; put them under `secrets` of the connection")
        if parts.query or parts.fragment:
            raise ValueError("has a query or fragment; it must end with the path")
        return url

    async def get(self, path: str, **options: Any) -> Reply:
        """GET; see `request`."""
        return await self.request("GET", path, **options)

    async def post(self, path: str, **options: Any) -> Reply:
        """POST; see `request`."""
        return await self.request("POST", path, **options)

    async def put(self, path: str, **options: Any) -> Reply:
        """PUT; see `request`."""
        return await self.request("PUT", path, **options)

    async def patch(self, path: str, **options: Any) -> Reply:
        """PATCH; see `request`."""
        return await self.request("PATCH", path, **options)

    async def delete(self, path: str, **options: Any) -> Reply:
        """DELETE; see `request`."""
        return await self.request("DELETE", path, **options)

    async def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        json: Any = None,
        form: Mapping[str, Any] | None = None,
        content: bytes | str | None = None,
        headers: Mapping[str, str] | None = None,
        accept: Collection[int] = (),
        changes: bool | None = None,
        keyed: bool = True,
        hidden: Collection[str] = (),
    ) -> Reply:
        """Send one request and give its answer, when it is below 300 or in `accept`.

        `path` is added to `base_url`; a whole URL is taken as it is, without our credentials.
        In a changing action every request but GET and HEAD counts as changing, unless
        `changes=False` says that this one does not (a login, a search by POST). Changing
        requests carry the call's Idempotency-Key unless `keyed=False`. `hidden` are values
        sent along, such as a token to revoke, that no error may repeat after the system.

        Raises:
            Unavailable: not sent, 429, 503, or any passing failure of a read.
            Refused: the system, or the allow-list, said no.
            OutcomeUnknown: sent, and whether it happened cannot be told.
        """
        trail = current_trail.get()
        if trail is not None:
            trail.check_real()
        alters = trail is not None and trail.changes and (method not in _READS if changes is None else changes)
        label = f"{method} {_label(path or '/')}"
        try:
            url = self._url(path, params)
            request = httpx.Request(
                method,
                url,
                headers=self._sent_headers(url, headers),
                json=json,
                data=form,
                content=content,
                extensions=_EXTENSIONS,
            )
        except (httpx.InvalidURL, ValueError, TypeError) as error:
            raise Refused(f"{label} cannot be written as a request: {error}") from error
        if alters and keyed and trail is not None:
            request.headers.setdefault("idempotency-key", trail.next_key())
        if trail is not None and trail.hops is not None:
            request.headers[HOPS_HEADER] = str(trail.hops)  # over any the inputs name: a loop must not reset its count
        return await _Exchange(self._shared, trail, label, alters, hidden).run(request, accept)

    def _url(self, path: str, params: Mapping[str, Any] | None) -> httpx.URL:
        url = _joined(self._base, path)
        return url.copy_merge_params(_plain(params)) if params else url

    def _sent_headers(self, url: httpx.URL, extra: Mapping[str, str] | None) -> dict[str, str]:
        ours = self._headers if _origin(str(url)) == self.origin else _DEFAULT_HEADERS
        if not extra:
            return ours
        for name, value in extra.items():
            if set(name + value) & set("\r\n\0"):
                raise ValueError(f"header '{name}' holds a line break")
        return {**ours, **{name.lower(): value for name, value in extra.items()}}


class _Exchange:
    """One request and its answer, sorted."""

    def __init__(
        self, shared: SharedHttp, trail: Trail | None, label: str, changes: bool, hidden: Collection[str]
    ) -> None:
        self.shared = shared
        self.trail = trail
        self.label = label
        self.changes = changes
        self.hidden = hidden
        self.sending = Sending(changes, reached=not shared.notes_connections)
        self.changed_before = trail is not None and trail.changed

    async def run(self, request: httpx.Request, accept: Collection[int]) -> Reply:
        token = current_sending.set(self.sending)
        try:
            reply = await self._answer(request)
        except (httpx.HTTPError, httpx.InvalidURL, aiohttp.ClientError, OSError, ValueError) as error:
            raise self._held(self._sorted(error)) from error
        finally:
            current_sending.reset(token)
        if reply.status_code < 300 or reply.status_code in accept or reply.status_code in _ANSWERED_ELSEWHERE:
            self._note(changed=self.changes and reply.status_code < 400)
            return self._within_limit(reply)
        failure = sorted_status(
            reply, changes=self.changes, now=self.shared.clock.now(), longest_wait=self.shared.longest_wait
        )
        self._note(changed=self.changes and isinstance(failure, OutcomeUnknown))
        raise self._held(failure)

    async def _answer(self, request: httpx.Request) -> Reply:
        if self.trail is not None and self.sending.reached and self.changes:
            self.trail.changed = True
        response = await self.shared.send(request)
        try:
            content, truncated = await _limited(response, self.shared.body_limit)
        finally:
            await response.aclose()
        return Reply(
            response.status_code,
            response.headers,
            content,
            label=self.label,
            changes=self.changes or self.changed_before,
            truncated=truncated,
            masker=self.shared.masker,
            hidden=self.hidden,
        )

    def _within_limit(self, reply: Reply) -> Reply:
        if reply.truncated and not self.changes:
            limit = self.shared.body_limit
            raise self._held(AnswerTooLarge(f"{self.label} answered with more than {limit} bytes; ask for less"))
        return reply

    def _sorted(self, error: Exception) -> ConnectorError:
        cause = error.__cause__ or error
        reason = f"{self.label}: {_reason(cause)}"
        if isinstance(cause, (aiohttp.InvalidURL, aiohttp.NonHttpUrlClientError, httpx.UnsupportedProtocol)):
            return Refused(f"{reason}; correct the address")
        if not self.sending.reached and isinstance(cause, ValueError):
            return Refused(reason)
        if not self.sending.reached or _never_connected(cause):
            return Unavailable(f"{reason}; nothing was sent")
        if self.changes:
            self._note(changed=True)
            return OutcomeUnknown(f"{reason}; it was sent, and may have happened")
        timed_out = isinstance(cause, TimeoutError | httpx.TimeoutException)
        return CallTimedOut(reason) if timed_out else Unavailable(reason)

    def _held(self, error: ConnectorError) -> ConnectorError:
        """After an earlier request of this call changed something, no later failure means 'nothing happened'."""
        if not self.changed_before or isinstance(error, OutcomeUnknown):
            return error
        return OutcomeUnknown(f"{error}; an earlier request of the same call had gone through")

    def _note(self, *, changed: bool) -> None:
        if self.trail is not None:
            self.trail.changed = self.changed_before or changed


async def _limited(response: httpx.Response, limit: int) -> tuple[bytes, bool]:
    parts: list[bytes] = []
    size = 0
    async for part in _parts(response):
        parts.append(part)
        size += len(part)
        if size > limit:
            return b"".join(parts)[:limit], True
    return (parts[0] if len(parts) == 1 else b"".join(parts)), False


def _parts(response: httpx.Response) -> AsyncIterable[bytes]:
    """The body piece by piece; decoding is asked for only where there is something to decode: it costs the most."""
    if "content-encoding" in response.headers or not isinstance(response.stream, httpx.AsyncByteStream):
        return response.aiter_bytes()
    return response.stream


def bearer_header(token: str) -> dict[str, str]:
    """A bearer token as the header that carries it."""
    return {"authorization": f"Bearer {token}"}


def basic_header(username: str, password: str) -> dict[str, str]:
    """A name and a password as the header that carries them (RFC 7617)."""
    pair = base64.b64encode(f"{username}:{password}".encode()).decode()
    return {"authorization": f"Basic {pair}"}


def _never_connected(cause: BaseException) -> bool:
    return isinstance(cause, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError | httpx.ConnectError)


def _reason(cause: BaseException) -> str:
    if isinstance(cause, aiohttp.ClientConnectorDNSError):
        return f"the name '{cause.host}' cannot be looked up"
    if isinstance(cause, aiohttp.ClientConnectorCertificateError):
        return f"the certificate of {cause.host} does not hold: {cause.certificate_error}"
    if isinstance(cause, aiohttp.ClientConnectorError):
        return f"no connection to {cause.host}:{cause.port} ({cause.strerror})"
    if isinstance(cause, aiohttp.ServerDisconnectedError):
        return "the connection was closed before an answer came"
    return str(cause) or type(cause).__name__


@lru_cache(maxsize=512)
def _joined(base: str, path: str) -> httpx.URL:
    _check_path(path)
    if path.startswith(("http://", "https://")):
        return httpx.URL(path)
    return httpx.URL(f"{base}/{path.lstrip('/')}" if path else base)


def _check_path(path: str) -> None:
    """Refuse what would leave `base_url`: text from an alert may be part of a path."""
    segments = path.partition("?")[0].lower().replace("%2e", ".").split("/")
    if ".." in segments or "." in segments:
        raise ValueError("the path has a '.' or '..' segment")
    if set(path) & set("\r\n\t\0\\#"):
        raise ValueError("the path holds a backslash, '#' or control character; write it percent-encoded")


def _label(path: str) -> str:
    return path.partition("?")[0][:200]


def _origin(url: str) -> str:
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    return f"{parts.scheme}://{(parts.hostname or '').lower()}:{port}"


def _plain(params: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in params.items() if value is not None}
