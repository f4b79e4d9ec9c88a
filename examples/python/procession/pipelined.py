"""What the client transports on a pipelined connection share: which jobs are open, and what becomes
of them when the connection is lost. How jobs are spelled is left to the subclass."""

from __future__ import annotations

import threading
from abc import abstractmethod
from typing import Any, Callable, Optional, Sequence

from .connection import Connection
from .errors import ConnectionLost, DuplicateId, ProcessionError, refusal
from .link import Link, Peer
from .transport import ClientTransport, Submission

FLUSH_SECONDS = 5.0


class Open:
    """A job without an end: how it is spelled, and how far it got."""

    def __init__(self, submission: Submission, spelled: bytes) -> None:
        self.id = submission.id
        self.future = submission.future
        self.notify = submission.notify
        self.spelled = spelled
        self.sent = 0
        """How often it was sent: more than once, and the server may know it from before."""
        self.accepted = False


class PipelinedClient(ClientTransport, Peer):
    """A ClientTransport over one Link."""

    server_keeps_jobs: bool
    """Whether accepted jobs outlive the connection that submitted them."""

    def __init__(self, host: str, port: int, resubmit: bool, patience: Optional[float]) -> None:
        """Connects. `resubmit`: send again, after a reconnect, what the server may not have.
        Raises ConnectionLost, ServerError."""
        self._resubmit = resubmit
        self._lock = threading.Lock()
        self._open: dict[Any, Open] = {}
        self._connection: Optional[Connection] = None
        self._over: Optional[ConnectionLost] = None
        self._link = Link(host, port, self, patience)
        self._link.connect()
        self._link.start()

    @abstractmethod
    def spell(self, submission: Submission) -> bytes:
        """The job in this protocol. Raises TypeError or ValueError when it cannot be said."""

    @abstractmethod
    def send(self, connection: Connection, jobs: Sequence[Open]) -> None:
        """Sends these jobs, and sees to it that `answered` gets each one's reply. Does not wait."""

    def submit(self, submissions: Sequence[Submission]) -> None:
        jobs = [Open(submission, self.spell(submission)) for submission in submissions]
        twice = []
        with self._lock:
            if self._over:
                raise self._over
            fresh = []
            for job in jobs:
                known = self._open.setdefault(job.id, job)
                (fresh if known is job else twice).append(job)
            if self._connection:
                self._send(self._connection, fresh)
        for job in twice:
            job.future.set_exception(DuplicateId("id_exists", job.id))

    def close(self) -> None:
        self._link.close(FLUSH_SECONDS)
        self.gave_up(ConnectionLost("the client was closed"))

    def answered(self, job: Open, reply: dict) -> None:
        """The server's reply to the submission of this job."""
        error = refusal(reply)
        if isinstance(error, DuplicateId) and job.sent > 1:
            # Ours, from before the connection was lost: accepted, but it reports to nobody.
            error = None if not job.notify else _out_of_reach(job)
        if error:
            self._end(job, lambda future: future.set_exception(error))
        elif not job.notify:
            self._end(job, lambda future: future.set_result(None))
        else:
            job.accepted = True

    def ended(self, id: Any, finish: Callable[[Any], None]) -> None:
        """The server told the end of a job; `finish` completes its future."""
        with self._lock:
            job = self._open.get(id)
        if job:
            self._end(job, finish)

    def up(self, connection: Connection) -> None:
        with self._lock:
            self._connection = connection
            self._send(connection, list(self._open.values()))

    def down(self, error: ProcessionError) -> None:
        with self._lock:
            self._connection = None
            jobs = list(self._open.values())
        for job in jobs:
            if job.accepted and self.server_keeps_jobs:
                self._fail(job, _out_of_reach(job))
            elif not self._resubmit:
                self._fail(job, ConnectionLost(f"job {job.id}: {error}"))
            else:
                job.accepted = False

    def gave_up(self, error: ProcessionError) -> None:
        with self._lock:
            self._over = ConnectionLost(str(error))
            jobs = list(self._open.values())
        for job in jobs:
            self._fail(job, ConnectionLost(f"job {job.id}: {error}", job.accepted))

    def _send(self, connection: Connection, jobs: Sequence[Open]) -> None:
        for job in jobs:
            job.sent += 1
        self.send(connection, jobs)

    def _fail(self, job: Open, error: ProcessionError) -> None:
        self._end(job, lambda future: future.set_exception(error))

    def _end(self, job: Open, finish: Callable[[Any], None]) -> None:
        with self._lock:
            is_open = self._open.get(job.id) is job
            if is_open:
                del self._open[job.id]
        # Not under the lock: the callbacks of a future may submit the next job.
        if is_open:
            finish(job.future)


def _out_of_reach(job: Open) -> ConnectionLost:
    return ConnectionLost(
        f"job {job.id} was accepted, but the connection that its result would have come on was"
        " lost: ask the HTTP API for it",
        accepted=True,
    )
