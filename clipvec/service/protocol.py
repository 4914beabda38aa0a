"""Connections to the service, bounded before there is a request: uvicorn bounds none of this."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, ClassVar

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

if TYPE_CHECKING:
    import asyncio

HEADER_SECONDS = 10.0
"""Time that the headers of a request may take, from the connection or its first byte on."""
KEEP_SECONDS = 75
"""An idle connection stays open for longer than clients and load balancers keep theirs, mostly 60
s: a request that is on its way when this end closes is lost. uvicorn's own are 5 s."""
SEND_SECONDS = 10.0
"""Time in which a client takes what was sent to it, beyond that at `LEAST_RATE`."""
LEAST_RATE = 10_000
"""Bytes a second that a client has to send and to take."""
HOLD_SECONDS = 2.0
"""Before a refused connection hears so: whoever comes again at once would else keep others waiting.
"""


def _refusal(status: str, error: str, headers: str = "") -> bytes:
    """Return an answer in JSON, like every refusal; uvicorn's own is plain text."""
    body = f'{{"error": "{error}"}}'
    return (
        f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        f"{headers}Connection: close\r\n\r\n{body}"
    ).encode()


_BUSY = _refusal(
    "503 Service Unavailable", "too many connections from one address", "Retry-After: 5\r\n"
)
_INVALID = _refusal(
    "400 Bad Request", "this is no HTTP request, or its address and headers have more than 16 KiB"
)


_MOST_HEADERS = 2**14
"""Bytes of an address and headers. h11 has the same bound for those that come in pieces, and none
for those that are there at once, whose letters it looks at one by one."""


class BoundedProtocol(H11Protocol):
    """HTTP/1.1 by h11; httptools, uvicorn's other parser, takes any number of headers."""

    most: ClassVar[int] = 128
    """Connections of one address that are open at once, in this process."""
    _open: ClassVar[Counter[str]] = Counter()
    _address: str | None = None
    _deadline: asyncio.TimerHandle | None = None
    _sending: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take a connection, unless its address has too many."""
        super().connection_made(transport)
        self.timeout_keep_alive = KEEP_SECONDS
        transport.set_write_buffer_limits(high=0)  # it says of every byte whether it was taken
        self._address = self.client[0] if self.client else ""
        self._open[self._address] += 1
        if (more := self._open[self._address] - self.most) > 0:
            if more > self.most:  # as many are held already
                transport.abort()
            else:
                self._hold(_BUSY)
            return
        self._deadline = self.loop.call_later(HEADER_SECONDS, self._give_up)

    def data_received(self, data: bytes) -> None:
        """Take bytes; whoever sends headers slowly has until the deadline."""
        super().data_received(data)
        waiting = self.conn.their_state is h11.IDLE
        if self._deadline is not None and not waiting:
            self._deadline.cancel()
            self._deadline = None
        elif self._deadline is None and waiting and self.conn.trailing_data[0]:
            self._deadline = self.loop.call_later(HEADER_SECONDS, self._give_up)

    def handle_events(self) -> None:
        """Go on with the request, unless its headers are too long to be looked at."""
        if self.conn.their_state is h11.IDLE:
            begun = self.conn.trailing_data[0]
            ends = (b"\n\r\n", b"\n\n")
            if len(begun) > _MOST_HEADERS and not any(end in begun[:_MOST_HEADERS] for end in ends):
                self.send_400_response("")
                return
        super().handle_events()

    def pause_writing(self) -> None:
        """Wait until the client has taken what was sent; who stops reading has until a deadline."""
        super().pause_writing()
        seconds = SEND_SECONDS + self.transport.get_write_buffer_size() / LEAST_RATE
        self._sending = self.loop.call_later(seconds, self.transport.abort)

    def resume_writing(self) -> None:
        """Go on: all was taken."""
        super().resume_writing()
        if self._sending is not None:
            self._sending.cancel()
            self._sending = None

    def connection_lost(self, exc: Exception | None) -> None:
        """Count the connection no longer."""
        for timer in (self._deadline, self._sending):
            if timer is not None:
                timer.cancel()
        if self._address is not None:
            self._open[self._address] -= 1
            if not self._open[self._address]:
                del self._open[self._address]
        super().connection_lost(exc)

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no request of HTTP, or has headers that are too long."""
        self._hold(_INVALID)

    def _hold(self, refusal: bytes) -> None:
        """Refuse a connection after a while, and close it."""

        def end() -> None:
            if not self.transport.is_closing():
                self.transport.write(refusal)
                # at once, what was not read of the request would reset the connection
                self.loop.call_later(HOLD_SECONDS, self.transport.close)

        self.transport.pause_reading()
        self.loop.call_later(HOLD_SECONDS, end)

    def _give_up(self) -> None:
        self._deadline = None
        if self.conn.their_state is h11.IDLE:
            self.transport.close()
