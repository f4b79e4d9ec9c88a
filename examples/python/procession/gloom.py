"""gloom for its old friends: the blocking `Master` and `Slave`, with the calls that they know.

    master = Master("127.0.0.1", 9998)           slave = Slave("127.0.0.1", 9999)
    master.submit("id-1", "echo", {"n": 1})      slave.join("echo")
    print(master.receive().body)                 for job in slave:
                                                     slave.respond(job.body)

Unlike the original they cope with frames that arrive in pieces, and what comes between a request
and its reply is kept for its turn. Neither may be shared between threads.
"""

from __future__ import annotations

import uuid
from collections import deque
from time import monotonic
from typing import Any, Iterable, Iterator, Optional

from .errors import JobFailed, ProtocolError, refusal
from .framing import Wire, encode, frame

MASTERS_PORT = 9998
SLAVES_PORT = 9999


class Message(dict):
    """A job or a result: the object as it came, with its members as attributes too."""

    id = property(lambda self: self.get("id"), doc="The job's id, as its master sent it.")
    type = property(lambda self: self.get("type"), doc="The job's type; None in a result.")
    body = property(lambda self: self.get("body"), doc="What the job, or its result, carries.")


def is_end(message: dict) -> bool:
    """Whether a message on the master port is the end of a job, and not the reply to a submit."""
    return message.get("error") == "job_failed" or ("body" in message and "ok" not in message)


def is_job(message: dict) -> bool:
    """Whether a message on the slave port is a job, and not the reply to a request."""
    return message.get("action") == "job"


class _Side:
    """A connection on which requests get replies, while jobs or results come unasked."""

    _is_unasked = staticmethod(lambda message: False)

    def __init__(self, host: str, port: int) -> None:
        self._wire = Wire(host, port)
        self._early: deque[dict] = deque()

    def disconnect(self) -> None:
        """Leaves. A slave's job goes to another one; a master's queued jobs are cleared."""
        self._wire.close()

    def shutdown(self) -> None:
        """Ends the connection from another thread: a call that waits raises ConnectionLost."""
        self._wire.shutdown()

    def __enter__(self):
        return self

    def __exit__(self, *_) -> None:
        self.disconnect()

    def _request(self, request: dict) -> None:
        self._wire.send(frame(encode(request)))
        reply = self._wire.receive()
        while self._is_unasked(reply):
            self._early.append(reply)
            reply = self._wire.receive()
        error = refusal(reply)
        if error:
            raise error
        if reply.get("ok") is not True:
            raise ProtocolError(f"expected a reply, got {reply!r}")

    def _next(self, timeout: Optional[float]) -> dict:
        message = self._early.popleft() if self._early else self._wire.receive(timeout)
        if not self._is_unasked(message):
            raise refusal(message) or ProtocolError(f"a reply to nothing: {message!r}")
        return message


class Master(_Side):
    """Submits jobs and receives their results. Raises ConnectionLost when nobody listens."""

    _is_unasked = staticmethod(is_end)

    def __init__(self, host: str = "127.0.0.1", port: int = MASTERS_PORT) -> None:
        super().__init__(host, port)

    def submit(
        self,
        id: Any = None,
        type: Optional[str] = None,
        body: Any = None,
        priority: Optional[int] = None,
    ) -> Any:
        """Submits a job and gives its id (a new one without `id`) once the server has accepted it.

        Raises DuplicateId while a job with this id is live, and other ServerErrors.
        """
        if id is None:
            id = uuid.uuid4().hex
        request = {"action": "submit", "id": id, "type": type, "body": body}
        if priority is not None:
            request["priority"] = priority
        self._request(request)
        return id

    def receive(self, timeout: Optional[float] = None) -> Message:
        """The next result, of whichever job. Raises JobFailed when it is a failure (its `id` says
        whose), ConnectionLost, and TimeoutError after `timeout` seconds."""
        return _result(self._next(timeout))

    recv = receive

    def result(self, id: Any, timeout: Optional[float] = None) -> Any:
        """The result of this job; those of others wait for their turn. Raises as `receive` does."""
        for message in self._early:
            if _id_of(message) == id:
                self._early.remove(message)
                return _result(message).body
        deadline = None if timeout is None else monotonic() + timeout
        while True:
            left = None if deadline is None else deadline - monotonic()
            if left is not None and left <= 0:
                raise TimeoutError(f"no result of {id}")
            message = self._wire.receive(left)
            if _id_of(message) == id:
                return _result(message).body
            self._early.append(message)

    def do_many(self, jobs: Iterable[dict], timeout: Optional[float] = None) -> Iterator[Message]:
        """Submits all the jobs (each the arguments of `submit`), then gives their results as they
        come. Raises as `submit` and `receive` do."""
        missing = {self.submit(**job) for job in jobs}
        while missing:
            result = self.receive(timeout)
            missing.discard(result.id)
            yield result


class Slave(_Side):
    """Takes jobs of one type, one at a time. Raises ConnectionLost when nobody listens."""

    _is_unasked = staticmethod(is_job)

    def __init__(self, host: str = "127.0.0.1", port: int = SLAVES_PORT) -> None:
        super().__init__(host, port)

    def join(self, type: str) -> None:
        """Asks for jobs of this type from now on. Raises ServerError."""
        self._request({"action": "join", "type": type})

    def job(self, timeout: Optional[float] = None) -> Message:
        """The next job: wait for it, then `respond`. Raises ConnectionLost, and TimeoutError."""
        return Message(self._next(timeout))

    recv = job

    def respond(self, body: Any = None) -> None:
        """Answers the job in hand. Raises ServerError when there is none."""
        self._request({"action": "respond", "body": body})

    def __iter__(self) -> Iterator[Message]:
        while True:
            yield self.job()


def _id_of(end: dict) -> Any:
    return end.get("reason" if "error" in end else "id")


def _result(end: dict) -> Message:
    if "error" in end:
        raise JobFailed(_id_of(end))
    return Message(end)
