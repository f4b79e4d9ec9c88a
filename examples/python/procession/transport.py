"""The seam between what people call (`Client`, `Worker`) and how a server is reached.

A transport is two classes, one per role, and a row in `schemes.py`. It speaks one protocol, keeps
its connections up by itself, and knows nothing of handlers.
"""

from __future__ import annotations

import concurrent.futures
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, Optional, Sequence


class JobFuture(concurrent.futures.Future):
    """What a submitted job will have given. `result()` raises JobFailed, or what kept the job from
    running or its result from coming. `cancel()` does nothing: cancelling is management, and that
    is on the HTTP API."""

    def __init__(self, id: Any) -> None:
        super().__init__()
        self.id = id
        self.set_running_or_notify_cancel()


class Submission:
    """A job on its way to the server: its fields by their names on the wire, and its future."""

    def __init__(self, fields: dict, notify: bool) -> None:
        """`notify`: whether the future waits for the result, or only until the job is accepted."""
        self.id = fields["id"]
        self.fields = fields
        self.notify = notify
        self.future = JobFuture(self.id)


class ClientTransport(ABC):
    """How jobs reach the server and their results come back."""

    @abstractmethod
    def submit(self, submissions: Sequence[Submission]) -> None:
        """Sends these jobs, together if it can, and returns without waiting for an answer. Every
        future is completed once, with the result or one of `errors.py`, on any thread.

        Raises TypeError or ValueError, before anything is sent, for what the protocol cannot say,
        and ConnectionLost once the transport has been closed.
        """

    @abstractmethod
    def close(self) -> None:
        """Leaves, after what was submitted has been answered. What is open then fails."""


@dataclass(eq=False)
class Job:
    """A job in a handler's hands. To test a handler, call it with one that you made."""

    id: Any
    type: str
    body: Any
    attempt: Optional[int] = None
    """The delivery's number, from 1. None over gloom, which does not tell."""
    lease_ms: Optional[int] = None
    """How long the server waits for the answer, or for a `touch`. None where it does not tell."""
    cancelled: bool = False
    """Turns True when nobody wants the answer any more: a long handler may look, and return."""

    def touch(self, progress: Optional[float] = None) -> None:
        """Tells the server that the job is being worked on (and how far it got, 0 to 1). Workers
        do it by themselves while a handler runs; by hand only for the sake of `progress`."""


class Source(ABC):
    """Where one thread of a worker gets its jobs from and answers them."""

    @abstractmethod
    def take(self) -> Optional[Job]:
        """Waits for a job; None when there will be no other one. The job before was answered."""

    @abstractmethod
    def complete(self, job: Job, body: Any) -> None:
        """Answers the job. Raises TypeError or ValueError for a body that is not JSON; then the
        job is still to be answered."""

    @abstractmethod
    def fail(self, job: Job, error: Any, retry: bool, delay_ms: Optional[int]) -> None:
        """Answers that the attempt failed. `retry` False: no other one may help; `delay_ms`: wait
        this long before the next (None: the job's own back-off)."""


class WorkerTransport(ABC):
    """How jobs reach a worker."""

    @abstractmethod
    def start(self, types: Sequence[str], concurrency: int) -> list[Source]:
        """Asks for jobs of these types, at once and after every reconnect. Gives one source per
        thread that is to work; there may be more threads than `concurrency` for more types."""

    @abstractmethod
    def quiet(self) -> None:
        """Takes no more jobs: every `take` gives None. Those in hand can still be answered."""

    @abstractmethod
    def close(self) -> None:
        """Leaves, after the answers are with the server. Jobs still in hand are given back."""
