"""Requests over HTTP: JSON in and out, one connection per thread, kept open between requests."""

from __future__ import annotations

import http.client
import json
import socket
import threading
from typing import Any, NamedTuple, Optional
from urllib.parse import SplitResult

from .errors import ConnectionLost, ProtocolError, ServerError, refusal
from .framing import CONNECT_SECONDS

PORT = 3000
ANSWER_SECONDS = 60.0
"""An answer takes at most a disk's time, or the wait that was asked for, which is shorter."""


class Answer(NamedTuple):
    """The status of an answer, and what its JSON says (None where it has no body)."""

    status: int
    body: Any

    def refusal(self) -> Optional[ServerError]:
        """The error that it stands for, or None when it is a positive one."""
        if self.status < 400:
            return None
        problem = self.body if isinstance(self.body, dict) else {}
        code = problem.get("code", f"http_{self.status}")
        return refusal({"error": code, "reason": problem.get("detail")})


class HttpLink:
    """How a server is asked, from any thread."""

    def __init__(self, url: SplitResult, token: Optional[str]) -> None:
        self._host = url.hostname or "127.0.0.1"
        secure = url.scheme == "https"
        self._kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
        self._port = url.port or (None if secure else PORT)
        self._base = url.path.rstrip("/") + "/api/v1"
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._here = threading.local()

    def ask(self, method: str, path: str, payload: Optional[bytes] = None) -> Answer:
        """Asks, and waits for the answer. Raises ConnectionLost, after which the server may have
        heard the request or not, and ProtocolError."""
        headers = dict(self._headers)
        if payload is not None:
            headers["Content-Type"] = "application/json"
        connection = self._connection()
        try:
            connection.request(method, self._base + path, payload, headers)
            response = connection.getresponse()
            text = response.read()
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            address = f"{self._host}:{connection.port}"
            raise ConnectionLost(f"{address}: {error or type(error).__name__}") from error
        if not text:
            return Answer(response.status, None)
        try:
            return Answer(response.status, json.loads(text))
        except ValueError as error:
            raise ProtocolError(f"an answer that is not JSON: {text[:80]!r}") from error

    def forget(self) -> None:
        """Closes this thread's connection."""
        self._connection().close()

    def open(self) -> socket.socket:
        """The socket of this thread's connection, connected. Raises ConnectionLost."""
        connection = self._connection()
        try:
            if connection.sock is None:
                connection.connect()
        except OSError as error:
            raise ConnectionLost(f"{self._host}:{connection.port}: {error}") from error
        return connection.sock

    def _connection(self) -> http.client.HTTPConnection:
        connection = getattr(self._here, "connection", None)
        if connection is None:
            connection = self._kind(self._host, self._port, timeout=ANSWER_SECONDS)
            self._here.connection = connection
        return connection

    def connect(self) -> None:
        """Sees whether a server answers. Raises ConnectionLost, ServerError."""
        connection = self._connection()
        connection.timeout = CONNECT_SECONDS
        answer = self.ask("GET", "/workers?limit=1")
        self.forget()
        connection.timeout = ANSWER_SECONDS
        error = answer.refusal()
        if error:
            raise error
