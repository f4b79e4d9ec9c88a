"""Submitting jobs: each gives a future."""

from __future__ import annotations

import concurrent.futures
import uuid
from typing import Any, Iterable, Iterator, Optional, Sequence

from .schemes import DEFAULT_URL, client_transport
from .transport import JobFuture, Submission

POLICY = frozenset(
    "delay_ms run_at lease_ms max_attempts backoff_ms ttl_ms keep_ms durable on_master_gone".split()
)
"""What else a job may say about itself; the meaning of each is in the server's documentation."""


class Client:
    """A master. All methods may be called from any thread; none but `map` and `close` wait.

        with Client("tcp://127.0.0.1:3001") as client:
            future = client.submit("resize", {"url": "…"}, priority=5)
            print(future.id, future.result(timeout=10))

    It reconnects by itself, for up to `patience` seconds at a time. With `resubmit` it then submits
    again, under the same ids, what the server may not have: over the native protocol and HTTP the
    jobs that were not acknowledged (the id keeps them from running twice), over gloom, where the
    server drops the jobs of a master that left, all that are open (one that was running may run
    twice). Where a job was accepted, but its result cannot come any more, the future fails with a
    ConnectionLost whose `accepted` is True; over HTTP a result is asked for, so it still comes.
    """

    def __init__(
        self,
        url: str = DEFAULT_URL,
        *,
        name: Optional[str] = None,
        token: Optional[str] = None,
        resubmit: bool = True,
        patience: Optional[float] = 60.0,
    ) -> None:
        """Connects. `name` and `token` are for the native protocol and HTTP. Raises ValueError for a
        URL of no known kind, ConnectionLost when nobody listens, ServerError when the server
        refuses."""
        self._transport = client_transport(url, name, token, resubmit, patience)

    def submit(
        self,
        type: str,
        body: Any = None,
        id: Any = None,
        priority: int = 0,
        *,
        notify: bool = True,
        **policy: Any,
    ) -> JobFuture:
        """Submits one job and gives its future at once.

        `id` is a string or an integer, made here if absent. Larger priorities go first. Without
        `notify` the future is done, with None, when the server has accepted the job. `policy`: see
        POLICY.

        Raises TypeError or ValueError for what is not JSON or not known, and ConnectionLost once
        the client has given up or was closed. The future raises JobFailed, a ServerError such as
        DuplicateId, or ConnectionLost.
        """
        submission = _submission(type, body, id, priority, notify, policy)
        self._transport.submit([submission])
        return submission.future

    def submit_many(
        self,
        type: str,
        bodies: Iterable[Any],
        ids: Optional[Sequence[Any]] = None,
        priority: int = 0,
        *,
        notify: bool = True,
        **policy: Any,
    ) -> list[JobFuture]:
        """Submits one job per body, in as few messages as the protocol allows, and gives their
        futures in the order of the bodies. `ids`, if there, is as long. Raises as `submit` does."""
        bodies = list(bodies)
        if ids is None:
            ids = [None] * len(bodies)
        elif len(ids) != len(bodies):
            raise ValueError(f"{len(ids)} ids for {len(bodies)} bodies")
        submissions = [
            _submission(type, body, id, priority, notify, policy) for body, id in zip(bodies, ids)
        ]
        self._transport.submit(submissions)
        return [submission.future for submission in submissions]

    def map(
        self,
        type: str,
        bodies: Iterable[Any],
        timeout: Optional[float] = None,
        priority: int = 0,
        **policy: Any,
    ) -> list[Any]:
        """Submits one job per body and waits for all results, in the order of the bodies.

        Raises what the first job without a result raises, and concurrent.futures.TimeoutError when
        they were not all there within `timeout` seconds. Otherwise as `submit_many`."""
        futures = self.submit_many(type, bodies, priority=priority, **policy)
        _, missing = concurrent.futures.wait(
            futures, timeout, return_when=concurrent.futures.FIRST_EXCEPTION
        )
        for future in futures:
            if future not in missing and future.exception():
                raise future.exception()
        if missing:
            raise concurrent.futures.TimeoutError(f"{len(missing)} results are missing")
        return [future.result() for future in futures]

    @staticmethod
    def as_completed(
        futures: Iterable[JobFuture], timeout: Optional[float] = None
    ) -> Iterator[JobFuture]:
        """The futures as they get done: concurrent.futures.as_completed, at hand."""
        return concurrent.futures.as_completed(futures, timeout)

    def close(self) -> None:
        """Leaves. What was submitted has reached the server then; futures that are not done fail
        with ConnectionLost, and over gloom the server drops their jobs."""
        self._transport.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_) -> None:
        self.close()


def _submission(
    type: str, body: Any, id: Any, priority: int, notify: bool, policy: dict
) -> Submission:
    unknown = policy.keys() - POLICY
    if unknown:
        raise TypeError(f"a job has no {', '.join(sorted(unknown))}")
    fields = {"id": uuid.uuid4().hex if id is None else id, "type": type, "body": body}
    if priority:
        fields["priority"] = priority
    fields.update((key, value) for key, value in policy.items() if value is not None)
    return Submission(fields, notify)
