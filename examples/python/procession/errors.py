"""What can go wrong, one type per case, so that a caller can tell them apart."""

from __future__ import annotations

from typing import Any, Optional


class ProcessionError(Exception):
    """The root of every error of this package."""


class ConnectionLost(ProcessionError):
    """The server cannot be reached, or went away.

    `accepted` tells what is known of a job whose future fails with this: True when the server had
    accepted it (a durable one runs, and its result can be read on the HTTP API), else False.
    """

    def __init__(self, message: str, accepted: bool = False) -> None:
        super().__init__(message)
        self.accepted = accepted


class ProtocolError(ProcessionError):
    """The other side said something that its protocol does not know."""


class JobFailed(ProcessionError):
    """A job ended without a result: its attempts are used up, or it was cancelled or expired.

    `id` is the job's, `error` what its worker said last (None over gloom, which does not tell).
    """

    def __init__(self, id: Any, error: Any = None) -> None:
        super().__init__(f"job {id} failed" + ("" if error is None else f": {error}"))
        self.id = id
        self.error = error


class ServerError(ProcessionError):
    """The server refused a request: `error` is its stable code, `reason` the detail."""

    def __init__(self, error: str, reason: Any = None) -> None:
        super().__init__(error if reason is None else f"{error}: {reason}")
        self.error = error
        self.reason = reason


class DuplicateId(ServerError):
    """A job with this id is there already. It was left untouched."""


class QueueFull(ServerError):
    """The server is at its limit of jobs or bytes. Try again later."""


class Draining(ServerError):
    """The server is about to stop and takes no new jobs."""


class DiskFull(ServerError):
    """The server has no room to keep a durable job."""


class Unauthorized(ServerError):
    """The server wants a token, or another one."""


_BY_CODE = {
    "id_exists": DuplicateId,
    "queue_full": QueueFull,
    "draining": Draining,
    "disk_full": DiskFull,
    "unauthorized": Unauthorized,
}


def refusal(reply: dict) -> Optional[ServerError]:
    """The error that a reply stands for, or None when it is a positive one."""
    if "error" not in reply:
        return None
    code, reason = reply["error"], reply.get("reason")
    # gloom says `unavailable` and gives the code that the other protocols use as the reason.
    kind = reason if code == "unavailable" else code
    return _BY_CODE.get(kind, ServerError)(code, reason)
