"""gloom://HOST[:9998/9999]: the first port is for masters, the second for workers. One port alone
is taken for the role at hand."""

from __future__ import annotations

import logging
import threading
from typing import Any, Optional, Sequence
from urllib.parse import SplitResult

from .backoff import Backoff
from .connection import Connection
from .errors import JobFailed, ProcessionError, ServerError
from .framing import encode
from .gloom import MASTERS_PORT, SLAVES_PORT, Slave, is_end
from .pipelined import Open, PipelinedClient
from .transport import Job, Source, Submission, WorkerTransport

log = logging.getLogger("procession")

KNOWN_FIELDS = frozenset(
    "id type body priority durable delay_ms lease_ms max_attempts ttl_ms".split()
)


def ports(url: SplitResult) -> tuple[int, int]:
    """The masters' and the workers' port of a gloom URL."""
    workers = url.path.strip("/")
    if url.port is None:
        return MASTERS_PORT, SLAVES_PORT
    return url.port, int(workers) if workers else url.port


class GloomClient(PipelinedClient):
    """A master. The server drops its queued jobs when it leaves, and discards what the running ones
    give: so after a lost connection all open jobs are submitted again, and one that was running may
    run twice. gloom knows neither names nor tokens."""

    server_keeps_jobs = False

    def __init__(
        self,
        url: SplitResult,
        name: Optional[str],
        token: Optional[str],
        resubmit: bool,
        patience: Optional[float],
    ) -> None:
        super().__init__(url.hostname or "127.0.0.1", ports(url)[0], resubmit, patience)

    def spell(self, submission: Submission) -> bytes:
        unknown = submission.fields.keys() - KNOWN_FIELDS
        if unknown:
            raise ValueError(f"gloom does not know {', '.join(sorted(unknown))}")
        return encode({"action": "submit", **submission.fields})

    def send(self, connection: Connection, jobs: Sequence[Open]) -> None:
        for job in jobs:
            connection.request(job.spelled, lambda reply, job=job: self.answered(job, reply))

    def is_event(self, message: dict) -> bool:
        return is_end(message)

    def event(self, connection: Connection, message: dict) -> None:
        if "error" in message:
            id = message["reason"]
            self.ended(id, lambda future: future.set_exception(JobFailed(id)))
        else:
            self.ended(message["id"], lambda future: future.set_result(message["body"]))


class GloomWorker(WorkerTransport):
    """One socket per job at a time and per type: `concurrency` of them for each type."""

    def __init__(self, url: SplitResult, name: Optional[str], token: Optional[str]) -> None:
        self._host = url.hostname or "127.0.0.1"
        self._port = ports(url)[1]
        self._sources: list[GloomSource] = []

    def start(self, types: Sequence[str], concurrency: int) -> list[Source]:
        if concurrency < 1:
            raise ValueError("concurrency is at least 1")
        self._sources = [
            GloomSource(self._host, self._port, type) for type in types for _ in range(concurrency)
        ]
        return list(self._sources)

    def quiet(self) -> None:
        for source in self._sources:
            source.quiet()

    def close(self) -> None:
        for source in self._sources:
            source.abandon()


class GloomSource(Source):
    """A slave that connects again when it must. Its jobs cannot be touched, and their lease is half
    an hour unless their master said otherwise."""

    def __init__(self, host: str, port: int, type: str) -> None:
        self._address = (host, port)
        self._type = type
        self._quiet = threading.Event()
        self._backoff = Backoff(self._quiet)
        self._lock = threading.Lock()
        self._slave: Optional[Slave] = None
        self._busy = False

    def take(self) -> Optional[Job]:
        while not self._quiet.is_set():
            try:
                message = self._joined().job()
            except ProcessionError as error:
                if not self._quiet.is_set():
                    log.warning("%s", error)
                self._leave()
                self._backoff.pause()
                continue
            with self._lock:
                if not self._quiet.is_set():
                    self._busy = True
                    return Job(message.id, message.type, message.body)
        self._leave()
        return None

    def complete(self, job: Job, body: Any) -> None:
        try:
            self._slave.respond(body)
            self._backoff.reset()
        except ServerError as error:
            # Too late, its lease was over. The next job may be on its way: leaving would fail that.
            log.warning("respond of job %s: %s", job.id, error)
        except ProcessionError as error:
            log.warning("respond of job %s: %s", job.id, error)
            self._leave()
        self._busy = False

    def fail(self, job: Job, error: Any, retry: bool, delay_ms: Optional[int]) -> None:
        # gloom has no word for it. A slave that leaves is the only failure that it knows: the job
        # goes to another one at once, until its attempts are used up.
        self._leave()

    def quiet(self) -> None:
        """Leaves now, or after the job in hand."""
        with self._lock:
            self._quiet.set()
            if self._slave and not self._busy:
                self._slave.shutdown()

    def abandon(self) -> None:
        """Leaves now: the job in hand is given back."""
        with self._lock:
            if self._slave:
                self._slave.shutdown()

    def _joined(self) -> Slave:
        if not self._slave:
            slave = Slave(*self._address)
            with self._lock:
                self._slave = slave
                if self._quiet.is_set():
                    slave.shutdown()
            slave.join(self._type)
        return self._slave

    def _leave(self) -> None:
        with self._lock:
            slave, self._slave = self._slave, None
            self._busy = False
        if slave:
            slave.disconnect()
