"""One pipelined connection, from its first byte to its last.

Requests may be sent without waiting, from any thread; the server answers them in their order. What
it sends unasked is told apart and handed over. Two threads share the socket: the one that calls
`serve` reads, another one writes. So a peer that does not read us never keeps us from reading it
(both waiting to write is how two programs stop for ever), and requests that come while a write is
under way leave together in the next one.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import Callable, Optional

from .errors import ConnectionLost, ProcessionError, ProtocolError
from .framing import Wire, frame

Handle = Callable[[dict], None]


class Connection:
    """Requests, their replies, and events, over a Wire that is connected."""

    def __init__(self, wire: Wire, is_event: Callable[[dict], bool]) -> None:
        """`is_event` tells what the server sends unasked from the reply to a request."""
        self._wire = wire
        self._is_event = is_event
        self._lock = threading.Lock()
        self._something_to_write = threading.Condition(self._lock)
        self._all_answered = threading.Condition(self._lock)
        self._outbox: list[bytes] = []
        self._awaited: deque[Optional[Handle]] = deque()
        self._open = True
        threading.Thread(target=self._write, name="procession-writer", daemon=True).start()

    def request(self, payload: bytes, on_reply: Optional[Handle] = None) -> bool:
        """Sends a request, without waiting; `on_reply` gets the reply, on the reading thread, if
        there ever is one. False when the connection has ended: nothing was sent then."""
        with self._lock:
            if self._open:
                self._outbox.append(frame(payload))
                self._awaited.append(on_reply)
                self._something_to_write.notify()
            return self._open

    def serve(self, on_event: Handle) -> ProcessionError:
        """Reads until the connection ends, and gives the reason. Every message is handed over on
        this thread: a reply to who asked, an event to `on_event`."""
        try:
            while True:
                message = self._wire.receive()
                if self._is_event(message):
                    on_event(message)
                else:
                    self._answer(message)
        except (ConnectionLost, ProtocolError) as error:
            return error
        except (KeyError, TypeError) as error:
            return ProtocolError(f"a message with something missing, or of a wrong kind: {error}")
        finally:
            with self._lock:
                self._open = False
                self._something_to_write.notify()
                self._all_answered.notify_all()
            self._wire.close()

    def flush(self, timeout: float) -> bool:
        """Waits until all requests are answered; False when they were not in `timeout` seconds."""
        with self._lock:
            self._all_answered.wait_for(lambda: not (self._awaited and self._open), timeout)
            return not self._awaited

    def shutdown(self) -> None:
        """Ends the connection: `serve` returns."""
        self._wire.shutdown()

    def _answer(self, reply: dict) -> None:
        if not self._awaited:
            raise ProtocolError(f"a reply to nothing: {reply!r}")
        on_reply = self._awaited[0]
        if on_reply:
            on_reply(reply)
        # Only now: who flushes may expect that the replies have had their effect.
        with self._lock:
            self._awaited.popleft()
            if not self._awaited:
                self._all_answered.notify_all()

    def _write(self) -> None:
        while True:
            with self._lock:
                self._something_to_write.wait_for(lambda: self._outbox or not self._open)
                if not self._open:
                    return
                frames, self._outbox = self._outbox, []
            try:
                self._wire.send(b"".join(frames))
            except ConnectionLost:
                self._wire.shutdown()  # The reading thread ends, and tells everybody.
                return
