"""Frames: a 32-bit big-endian length, then that many bytes of JSON. gloom and native share them.

`Decoder` is pure: bytes in, messages out. `Wire` is the only code that touches a socket.
"""

from __future__ import annotations

import json
import socket
import struct
from typing import Any, Optional

from .errors import ConnectionLost, ProtocolError

MAX_FRAME = 256 * 1024 * 1024
"""No server can be set to send more than this: a larger length is not one of ours."""

CONNECT_SECONDS = 10.0
READ_SIZE = 256 * 1024

_LENGTH = struct.Struct(">I")


def encode(message: Any) -> bytes:
    """The compact JSON of a message. Raises TypeError or ValueError for what JSON cannot say."""
    return json.dumps(
        message, ensure_ascii=False, allow_nan=False, separators=(",", ":")
    ).encode()


def frame(payload: bytes) -> bytes:
    """The payload with its length in front."""
    return _LENGTH.pack(len(payload)) + payload


class Decoder:
    """Collects bytes until they make whole messages, however they were split on the way."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> None:
        """Takes bytes that arrived."""
        self._buffer += data

    def next(self) -> Optional[dict]:
        """The next message, or None when it is not complete yet.

        Raises ProtocolError for a length over MAX_FRAME and for anything but a JSON object.
        """
        if len(self._buffer) < _LENGTH.size:
            return None
        (length,) = _LENGTH.unpack_from(self._buffer)
        if length > MAX_FRAME:
            raise ProtocolError(f"a frame of {length} bytes")
        end = _LENGTH.size + length
        if len(self._buffer) < end:
            return None
        payload = self._buffer[_LENGTH.size : end]
        del self._buffer[:end]
        return _parse(payload)


def _parse(payload: bytearray) -> dict:
    try:
        message = json.loads(payload.decode())
    except (ValueError, RecursionError) as error:
        raise ProtocolError(f"not JSON: {error}") from error
    if not isinstance(message, dict):
        raise ProtocolError(f"not an object: {message!r}")
    return message


class Wire:
    """A connected socket that speaks frames. One thread may send while another one receives."""

    def __init__(self, host: str, port: int) -> None:
        """Connects. Raises ConnectionLost when nobody listens there."""
        self.address = f"{host}:{port}"
        try:
            self._socket = socket.create_connection((host, port), CONNECT_SECONDS)
        except OSError as error:
            reason = error.strerror or error
            raise ConnectionLost(f"cannot connect to {self.address}: {reason}") from error
        self._socket.settimeout(None)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # A server behind a pulled cable says nothing for ever: let the kernel ask for us.
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option, value in (("TCP_KEEPIDLE", 30), ("TCP_KEEPINTVL", 10), ("TCP_KEEPCNT", 3)):
            if hasattr(socket, option):
                self._socket.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)
        self._decoder = Decoder()

    def send(self, frames: bytes) -> None:
        """Writes whole frames. Raises ConnectionLost."""
        try:
            self._socket.sendall(frames)
        except OSError as error:
            raise ConnectionLost(f"lost {self.address}: {error}") from error

    def receive(self, timeout: Optional[float] = None) -> dict:
        """The next message. Raises ConnectionLost, ProtocolError, and TimeoutError when it did not
        come within `timeout` seconds; what came of it by then is kept for the next call."""
        if timeout is not None:
            self._socket.settimeout(timeout)
        try:
            message = self._decoder.next()
            while message is None:
                data = self._socket.recv(READ_SIZE)
                if not data:
                    raise ConnectionLost(f"{self.address} closed the connection")
                self._decoder.feed(data)
                message = self._decoder.next()
            return message
        except socket.timeout:
            raise TimeoutError(f"no message from {self.address}") from None
        except OSError as error:
            raise ConnectionLost(f"lost {self.address}: {error}") from error
        finally:
            if timeout is not None:
                self._socket.settimeout(None)

    def shutdown(self) -> None:
        """Ends the connection; a thread that waits in `receive` wakes up. From any thread."""
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # It had ended already.

    def close(self) -> None:
        """Ends the connection and gives the socket back. For the thread that receives."""
        self.shutdown()
        self._socket.close()
