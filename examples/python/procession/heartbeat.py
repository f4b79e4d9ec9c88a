"""Heartbeats from a thread of their own, so that a handler may take as long as it likes."""

from __future__ import annotations

import threading
from time import monotonic
from typing import Optional

from .transport import Job

BEATS_PER_LEASE = 3


class Heartbeat:
    """Touches every job that it watches, a few times per lease."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._due: dict[Job, float] = {}
        self._wakes_at: Optional[float] = None
        self._stopped = False

    def start(self) -> None:
        """Begins to beat."""
        threading.Thread(target=self._run, name="procession-heartbeat", daemon=True).start()

    def stop(self) -> None:
        """Beats no more."""
        with self._changed:
            self._stopped = True
            self._changed.notify()

    def watch(self, job: Job) -> None:
        """Keeps the job's lease from ending, until it is forgotten."""
        with self._changed:
            due = self._due[job] = monotonic() + _interval(job)
            # Most jobs are over long before their first beat: do not wake anybody for them.
            if self._wakes_at is None or due < self._wakes_at:
                self._changed.notify()

    def forget(self, job: Job) -> None:
        """The job is answered, or lost."""
        with self._changed:
            self._due.pop(job, None)

    def _run(self) -> None:
        while True:
            with self._changed:
                self._wakes_at = min(self._due.values(), default=None)
                left = None if self._wakes_at is None else self._wakes_at - monotonic()
                if left is None or left > 0:
                    self._changed.wait(left)
                if self._stopped:
                    return
                now = monotonic()
                jobs = [job for job, due in self._due.items() if due <= now]
                for job in jobs:
                    self._due[job] = now + _interval(job)
            for job in jobs:
                job.touch()


def _interval(job: Job) -> float:
    return job.lease_ms / 1000 / BEATS_PER_LEASE
