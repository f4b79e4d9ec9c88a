"""A connection that comes back: when it is lost, another one is made, with a back-off."""

from __future__ import annotations

import logging
import threading
from abc import ABC, abstractmethod
from time import monotonic
from typing import Optional

from .backoff import Backoff
from .connection import Connection
from .errors import ConnectionLost, ProcessionError
from .framing import Wire

log = logging.getLogger("procession")

STEADY_SECONDS = 1.0


class Peer(ABC):
    """Who uses a link. All calls come one after the other, on the link's thread."""

    def greet(self, wire: Wire) -> None:
        """A new connection: what is to be said, and heard, before anything else. It is refused by
        raising a ProcessionError."""

    @abstractmethod
    def is_event(self, message: dict) -> bool:
        """Whether the server sends this unasked, so that it is not the reply to a request."""

    @abstractmethod
    def up(self, connection: Connection) -> None:
        """This connection may be used from now on."""

    @abstractmethod
    def event(self, connection: Connection, message: dict) -> None:
        """The server sent something unasked."""

    @abstractmethod
    def down(self, error: ProcessionError) -> None:
        """The connection has ended; no request on it will be answered any more."""

    def gave_up(self, error: ProcessionError) -> None:
        """No other connection will be made."""


class Link:
    """Keeps one connection to a server up, from `start` to `close`."""

    def __init__(self, host: str, port: int, peer: Peer, patience: Optional[float] = None) -> None:
        """`patience`: for how many seconds in a row it tries to reconnect (None: for ever)."""
        self._host = host
        self._port = port
        self._peer = peer
        self._patience = patience
        self._closed = threading.Event()
        self._connection: Optional[Connection] = None
        self._thread = threading.Thread(target=self._run, name="procession-link", daemon=True)

    def connect(self) -> None:
        """Makes the first connection now. Raises ConnectionLost, ServerError."""
        self._connection = self._open()

    def start(self) -> None:
        """Serves the connection (made here if `connect` was not called) on a thread of its own."""
        self._thread.start()

    def close(self, flush_seconds: float = 0) -> None:
        """Ends the connection, once all requests are answered or `flush_seconds` are over."""
        self._closed.set()
        connection = self._connection
        if connection:
            # A callback may close its own client, on the very thread that would read the answers.
            if self._thread is not threading.current_thread():
                connection.flush(flush_seconds)
            connection.shutdown()
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join()

    def _run(self) -> None:
        backoff = Backoff(self._closed)
        lost_at = monotonic()
        while not self._closed.is_set():
            try:
                connection = self._connection or self._open()
            except ProcessionError as error:
                log.warning("%s", error)
                if self._patience is not None and monotonic() - lost_at > self._patience:
                    self._peer.gave_up(error)
                    return
            else:
                since = monotonic()
                self._serve(connection)
                lost_at = monotonic()
                # A server that accepts only to hang up again is no better than none.
                if lost_at - since > STEADY_SECONDS:
                    backoff.reset()
            backoff.pause()

    def _serve(self, connection: Connection) -> None:
        self._connection = connection
        if self._closed.is_set():
            connection.shutdown()  # `close` came too early to see this connection.
        self._peer.up(connection)
        error = connection.serve(lambda message: self._peer.event(connection, message))
        self._connection = None
        if not self._closed.is_set():
            log.warning("%s", error)
        self._peer.down(error)

    def _open(self) -> Connection:
        wire = Wire(self._host, self._port)
        try:
            self._peer.greet(wire)
        except ProcessionError:
            wire.close()
            raise
        return Connection(wire, self._peer.is_event)
