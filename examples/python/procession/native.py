"""tcp://HOST[:3001], the native protocol: one connection, many jobs in flight."""

from __future__ import annotations

import logging
import queue
import threading
from functools import partial
from typing import Any, Callable, Optional, Sequence
from urllib.parse import SplitResult

from .connection import Connection
from .errors import ConnectionLost, JobFailed, ProcessionError, refusal
from .framing import CONNECT_SECONDS, Wire, encode, frame
from .heartbeat import Heartbeat
from .link import Link, Peer
from .pipelined import FLUSH_SECONDS, Open, PipelinedClient
from .transport import Job, Source, Submission, WorkerTransport

log = logging.getLogger("procession")

PORT = 3001
BATCH_JOBS = 10_000
MAX_FRAME = 16 * 1024 * 1024
"""The server's default; its answer to `hello` tells the real one."""
MAX_CREDIT = 1_000


class NativePeer(Peer):
    """What both roles do alike: the greeting, and telling events from replies."""

    def __init__(self, name: Optional[str], token: Optional[str]) -> None:
        self._name = name
        self._token = token
        self.max_frame = MAX_FRAME

    def greet(self, wire: Wire) -> None:
        hello = {"action": "hello", "name": self._name, "token": self._token}
        wire.send(frame(encode({key: value for key, value in hello.items() if value is not None})))
        try:
            reply = wire.receive(CONNECT_SECONDS)
        except TimeoutError as error:
            raise ConnectionLost(f"{wire.address} does not answer") from error
        error = refusal(reply)
        if error:
            raise error
        self.max_frame = reply.get("max_frame", MAX_FRAME)

    def is_event(self, message: dict) -> bool:
        return "action" in message


class NativeClient(NativePeer, PipelinedClient):
    """Submits in batches and hears of results on the same connection."""

    server_keeps_jobs = True

    def __init__(
        self,
        url: SplitResult,
        name: Optional[str],
        token: Optional[str],
        resubmit: bool,
        patience: Optional[float],
    ) -> None:
        NativePeer.__init__(self, name, token)
        PipelinedClient.__init__(
            self, url.hostname or "127.0.0.1", url.port or PORT, resubmit, patience
        )

    def spell(self, submission: Submission) -> bytes:
        spelled = encode({**submission.fields, "notify": submission.notify})
        if len(spelled) + len(_batch([])) > self.max_frame:
            raise ValueError(f"a job of {len(spelled)} bytes; the limit is {self.max_frame}")
        return spelled

    def send(self, connection: Connection, jobs: Sequence[Open]) -> None:
        for batch in self._batches(jobs):
            spelled = _batch([job.spelled for job in batch])
            connection.request(spelled, partial(self._batch_answered, batch))

    def event(self, connection: Connection, message: dict) -> None:
        id = message["id"]
        if message["action"] == "result":
            self.ended(id, lambda future: future.set_result(message["body"]))
        elif message["action"] == "failed":
            self.ended(id, lambda future: future.set_exception(JobFailed(id, message["error"])))

    def _batches(self, jobs: Sequence[Open]):
        batch: list[Open] = []
        size = len(_batch([]))
        for job in jobs:
            if len(batch) == BATCH_JOBS or size + len(job.spelled) + 1 > self.max_frame:
                yield batch
                batch, size = [], len(_batch([]))
            batch.append(job)
            size += len(job.spelled) + 1
        if batch:
            yield batch

    def _batch_answered(self, batch: Sequence[Open], reply: dict) -> None:
        # A batch that was refused as a whole has no results: then the refusal is for each job.
        replies = [reply] * len(batch) if "error" in reply else reply["results"]
        for job, its_reply in zip(batch, replies):
            self.answered(job, its_reply)


def _batch(jobs: Sequence[bytes]) -> bytes:
    return b'{"action":"submit","jobs":[' + b",".join(jobs) + b"]}"


class NativeJob(Job):
    """A job that knows the connection it came on. When that is lost, the server takes the job back,
    and what is said about it on another connection would not be about this attempt."""

    connection: Connection
    max_frame: int

    def tell(
        self,
        request: dict,
        on_refusal: Optional[Callable[[ProcessionError], None]] = None,
    ) -> None:
        """Says something about this job; it is logged when it comes too late, or is refused. Raises
        TypeError or ValueError for what is not JSON or too long."""
        payload = encode({**request, "id": self.id})
        if len(payload) > self.max_frame:
            raise ValueError(f"{len(payload)} bytes; the limit is {self.max_frame}")

        def replied(reply: dict) -> None:
            error = refusal(reply)
            if error:
                log.warning("%s of job %s: %s", request["action"], self.id, error)
                if on_refusal:
                    on_refusal(error)

        if not self.connection.request(payload, replied):
            log.warning("%s of job %s comes too late: connection lost", request["action"], self.id)

    def touch(self, progress: Optional[float] = None) -> None:
        request: dict = {"action": "touch"}
        if progress is not None:
            request["progress"] = progress
        self.tell(request, on_refusal=self._was_taken_back)

    def _was_taken_back(self, _: ProcessionError) -> None:
        self.cancelled = True


class NativeWorker(NativePeer, WorkerTransport, Source):
    """Takes up to `concurrency` jobs at once over one connection. It is the one source of all its
    threads."""

    def __init__(self, url: SplitResult, name: Optional[str], token: Optional[str]) -> None:
        super().__init__(name, token)
        self._link = Link(url.hostname or "127.0.0.1", url.port or PORT, self)
        self._lock = threading.Lock()
        self._connection: Optional[Connection] = None
        self._join = b""
        self._threads = 0
        self._quiet = False
        self._ready: queue.SimpleQueue[Optional[NativeJob]] = queue.SimpleQueue()
        self._in_hand: dict[Any, NativeJob] = {}
        self._heartbeat = Heartbeat()

    def start(self, types: Sequence[str], concurrency: int) -> list[Source]:
        if not 1 <= concurrency <= MAX_CREDIT:
            raise ValueError(f"concurrency is 1 to {MAX_CREDIT}")
        self._join = encode({"action": "join", "types": list(types), "credit": concurrency})
        self._threads = concurrency
        self._heartbeat.start()
        self._link.start()
        return [self] * concurrency

    def take(self) -> Optional[Job]:
        while True:
            job = self._ready.get()
            if job is None or not self._quiet:
                return job
            self._settle(job, {"action": "release"})

    def complete(self, job: Job, body: Any) -> None:
        self._settle(job, {"action": "respond", "body": body})

    def fail(self, job: Job, error: Any, retry: bool, delay_ms: Optional[int]) -> None:
        request = {"action": "fail", "error": error, "retry": retry}
        if delay_ms is not None:
            request["delay_ms"] = delay_ms
        self._settle(job, request)

    def quiet(self) -> None:
        with self._lock:
            self._quiet = True
            if self._connection:
                self._connection.request(encode({"action": "join", "types": []}))
        for _ in range(self._threads):
            self._ready.put(None)

    def close(self) -> None:
        with self._lock:
            jobs = list(self._in_hand.values())
        for job in jobs:
            self._settle(job, {"action": "release"})
        self._link.close(FLUSH_SECONDS)
        self._heartbeat.stop()

    def up(self, connection: Connection) -> None:
        with self._lock:
            self._connection = connection
            if not self._quiet:
                connection.request(self._join, self._joined)

    def event(self, connection: Connection, message: dict) -> None:
        if message["action"] == "job":
            job = NativeJob(
                message["id"],
                message["type"],
                message["body"],
                message["attempt"],
                message["lease_ms"],
            )
            job.connection, job.max_frame = connection, self.max_frame
            with self._lock:
                self._in_hand[job.id] = job
            self._heartbeat.watch(job)
            self._ready.put(job)
        elif message["action"] == "cancelled":
            with self._lock:
                job = self._in_hand.get(message["id"])
            if job:
                job.cancelled = True

    def down(self, error: ProcessionError) -> None:
        with self._lock:
            self._connection = None
            jobs, self._in_hand = self._in_hand, {}
        for job in jobs.values():
            self._heartbeat.forget(job)
            job.cancelled = True

    def _joined(self, reply: dict) -> None:
        error = refusal(reply)
        if error:
            log.error("the server refuses this worker: %s", error)

    def _settle(self, job: NativeJob, request: dict) -> None:
        job.tell(request)
        self._heartbeat.forget(job)
        with self._lock:
            # After a reconnect the same job may be here again, as another attempt.
            if self._in_hand.get(job.id) is job:
                del self._in_hand[job.id]
