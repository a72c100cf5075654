"""How much a server takes on: requests at once, the size of each, and how long one may take to arrive."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from contextlib import suppress
from contextvars import ContextVar
from typing import Any

from starlette.responses import JSONResponse

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


_PAUSE = 0.5  # seconds: a client that asks again at once would take the time that the others are waiting for


_receiving: ContextVar[Receive | None] = ContextVar("_receiving", default=None)  # of the request being answered
_PIECE = 2**18


class _Refused(Exception):
    """An HTTP status and the words for it."""

    def __init__(self, status: int, words: str) -> None:
        super().__init__(status, words)
        self.status, self.words = status, words


class _NotTaken(Exception):
    """The client does not take the answer."""


class Limits:
    """Lets in so many POSTs at once, each read whole, in bounded memory and time, before anything is made of it.

    429 is the answer to more of them, after half a second; 413 to larger ones, 408 to slower ones, and 403 to those
    that a page of another site had a browser send.

    Parameters
    ----------
    app : ASGI application
    most_bytes : int
        Of a request's body.
    most_at_once : int
        Requests that are being answered or wait, until all of their answer is sent.
    seconds : float
        In which a body must arrive, and each quarter of a megabyte of the answer be taken.

    Attributes
    ----------
    taken : int
        Requests in it now.
    """

    def __init__(self, app: App, most_bytes: int, most_at_once: int, seconds: float) -> None:
        self.app = app
        self.most_bytes, self.most_at_once, self.seconds = most_bytes, most_at_once, seconds
        self.taken = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Of ASGI."""
        if scope["type"] != "http" or scope["method"] != "POST":
            return await self.app(scope, receive, send)
        if self.taken >= self.most_at_once:
            words = f"{self.taken} requests wait already; ask again later"
            await asyncio.sleep(_PAUSE)
            return await _refuse(429, words, {"Retry-After": "1"})(scope, receive, send)
        self.taken += 1
        try:
            body = await asyncio.wait_for(self._body(scope, receive), self.seconds)
        except TimeoutError:
            return await _refuse(408, f"the request did not arrive within {self.seconds:g} s")(scope, receive, send)
        except _Refused as refused:
            return await _refuse(refused.status, refused.words)(scope, receive, send)
        else:
            _receiving.set(receive)
            with suppress(_NotTaken):
                await self.app(scope, _given(body, receive), self._in_pieces(send))
        finally:
            self.taken -= 1

    def _in_pieces(self, send: Send) -> Send:
        """Sends a body piece by piece, each when the client has taken most of those before, in time."""
        given_up = False

        async def sent(message: MutableMapping[str, Any]) -> None:
            nonlocal given_up
            for part in _pieces(message):
                if given_up:
                    raise _NotTaken
                try:
                    await asyncio.wait_for(send(part), self.seconds)
                except TimeoutError:
                    given_up = True
                    raise _NotTaken from None

        return sent

    async def _body(self, scope: Scope, receive: Receive) -> bytes:
        headers = dict(scope["headers"])
        if _of_another_site(headers):
            raise _Refused(403, "this was sent by a page of another site")
        too_large = _Refused(413, f"larger than the limit of {self.most_bytes / 1e6:g} MB")
        declared = headers.get(b"content-length", b"0")
        if declared.isdigit() and int(declared) > self.most_bytes:
            raise too_large
        parts: list[bytes] = []
        size = 0
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise _Refused(400, "the request ended before all of it had arrived")
            parts.append(message.get("body", b""))
            size += len(parts[-1])
            if size > self.most_bytes:
                raise too_large
            if not message.get("more_body"):
                return b"".join(parts)


def _pieces(message: MutableMapping[str, Any]) -> Iterator[MutableMapping[str, Any]]:
    """A message of ASGI as it is, or with a long body several."""
    body = message.get("body", b"")
    if len(body) <= _PIECE:
        yield message
        return
    for start in range(0, len(body), _PIECE):
        more = message.get("more_body", False) or start + _PIECE < len(body)
        yield {**message, "body": body[start : start + _PIECE], "more_body": more}


async def abandoned() -> bool:
    """Whether the client of the request that is being answered, which was read whole, has gone."""
    receive = _receiving.get()
    if receive is None:
        return False
    message = asyncio.ensure_future(receive())
    await asyncio.wait({message}, timeout=0)
    if message.done():
        return bool(message.result()["type"] == "http.disconnect")
    message.cancel()
    return False


def _of_another_site(headers: dict[bytes, bytes]) -> bool:
    """Whether a browser says that a page of another site sent this; programs say nothing of the kind."""
    if b"sec-fetch-site" in headers:  # which browsers leave out towards addresses they do not trust
        return headers[b"sec-fetch-site"] not in (b"same-origin", b"none")
    origin = headers.get(b"origin")
    return origin is not None and origin.partition(b"://")[2] != headers.get(b"host")


def _refuse(status: int, words: str, headers: dict[str, str] | None = None) -> JSONResponse:
    return JSONResponse({"detail": words}, status, {"Connection": "close", **(headers or {})})


def _given(body: bytes, receive: Receive) -> Receive:
    """A body that was read already, as the application will ask for it."""
    left = [{"type": "http.request", "body": body, "more_body": False}]

    async def again() -> MutableMapping[str, Any]:
        return left.pop() if left else await receive()

    return again
