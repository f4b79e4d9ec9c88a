"""http://HOST[:3000], the HTTP API: for where only HTTP gets through. A client asks for the results
of its jobs, so they can be had after any interruption; a worker asks for each job."""

from __future__ import annotations

import logging
import queue
import socket
import threading
from collections import deque
from time import monotonic
from typing import Any, Optional, Sequence
from urllib.parse import SplitResult, quote, urlencode

from .backoff import Backoff
from .errors import ConnectionLost, DuplicateId, JobFailed, ProcessionError, refusal
from .framing import encode
from .heartbeat import Heartbeat
from .http_link import HttpLink
from .transport import ClientTransport, Job, Source, Submission, WorkerTransport

log = logging.getLogger("procession")

BATCH_JOBS = 1_000
BATCH_BYTES = 8 * 1024 * 1024
WATCHERS = 4
WAIT_SECONDS = 25
"""How long the server holds a question back until there is an answer."""
GLANCE_SECONDS = 0.2
"""The same where more jobs are open than there are watchers: each gets its turn soon."""
KEEP_MS = 600_000
"""The result of a transient job would be gone at once: it is kept for whoever waits."""
MAX_CONCURRENCY = 1_000


class HttpClient(ClientTransport):
    """Submits in batches; a few threads ask for the results."""

    def __init__(
        self,
        url: SplitResult,
        name: Optional[str],
        token: Optional[str],
        resubmit: bool,
        patience: Optional[float],
    ) -> None:
        """Raises ConnectionLost when nobody listens, ServerError when the server refuses."""
        self._link = HttpLink(url, token)
        self._link.connect()
        self._resubmit = resubmit
        self._patience = patience
        self._closed = threading.Event()
        self._changed = threading.Condition()
        self._outbox: deque[tuple[bytes, Submission]] = deque()
        self._sending = False
        self._open: dict[Any, Submission] = {}
        self._awaited: queue.SimpleQueue[Optional[Submission]] = queue.SimpleQueue()
        roles = [self._send_all] + [self._watch] * WATCHERS
        self._threads = [
            threading.Thread(target=role, name="procession-http", daemon=True) for role in roles
        ]
        for thread in self._threads:
            thread.start()

    def submit(self, submissions: Sequence[Submission]) -> None:
        spelled = [(_spelled(submission), submission) for submission in submissions]
        twice = []
        with self._changed:
            if self._closed.is_set():
                raise ConnectionLost("the client was closed")
            for payload, submission in spelled:
                if self._open.setdefault(submission.id, submission) is submission:
                    self._outbox.append((payload, submission))
                else:
                    twice.append(submission)
            self._changed.notify_all()
        for submission in twice:
            submission.future.set_exception(DuplicateId("id_exists", submission.id))

    def close(self) -> None:
        with self._changed:
            self._changed.wait_for(lambda: not (self._outbox or self._sending), self._patience)
            self._closed.set()
            self._changed.notify_all()
            submissions = list(self._open.values())
        for _ in range(WATCHERS):
            self._awaited.put(None)
        for submission in submissions:
            closed = ConnectionLost(f"job {submission.id}: the client was closed", True)
            self._fail(submission, closed)

    def _send_all(self) -> None:
        while True:
            with self._changed:
                self._sending = False
                self._changed.notify_all()
                self._changed.wait_for(lambda: self._outbox or self._closed.is_set())
                if self._closed.is_set():
                    return
                self._sending = True
                batch = _take(self._outbox)
            self._send(batch)

    def _send(self, batch: Sequence[tuple[bytes, Submission]]) -> None:
        payload = b'{"jobs":[' + b",".join(spelled for spelled, _ in batch) + b"]}"
        backoff = Backoff(self._closed)
        began = monotonic()
        again = False
        while True:
            try:
                answer = self._link.ask("POST", "/jobs/batch", payload)
                break
            except ProcessionError as error:
                is_over = self._patience is not None and monotonic() - began > self._patience
                if is_over or not self._resubmit or self._closed.is_set():
                    for _, submission in batch:
                        lost = ConnectionLost(f"job {submission.id}: {error}")
                        self._fail(submission, lost)
                    return
                log.warning("%s", error)
                again = True
                backoff.pause()
        error = answer.refusal()
        items = [None] * len(batch) if error else answer.body["items"]
        for (_, submission), item in zip(batch, items):
            self._submitted(submission, error or _error_of(item), again)

    def _submitted(self, submission: Submission, error: Optional[Exception], again: bool) -> None:
        # Sent again, and there already: ours, from before the answer was lost.
        if error and not (again and isinstance(error, DuplicateId)):
            self._fail(submission, error)
        elif submission.notify:
            self._awaited.put(submission)
        elif self._forget(submission):
            submission.future.set_result(None)

    def _watch(self) -> None:
        backoff = Backoff(self._closed)
        lost_at: Optional[float] = None
        while True:
            submission = self._awaited.get()
            if submission is None or self._closed.is_set():
                return
            wait = GLANCE_SECONDS if self._awaited.qsize() else WAIT_SECONDS
            try:
                answer = self._link.ask("GET", f"/jobs/{_part(submission.id)}?wait={wait}")
            except ProcessionError as error:
                lost_at = lost_at or monotonic()
                if self._patience is not None and monotonic() - lost_at > self._patience:
                    self._fail(submission, ConnectionLost(f"job {submission.id}: {error}", True))
                    continue
                log.warning("%s", error)
                self._awaited.put(submission)
                backoff.pause()
                continue
            lost_at = None
            backoff.reset()
            self._seen(submission, answer.refusal(), answer.body)

    def _seen(self, submission: Submission, error: Optional[Exception], job: dict) -> None:
        if error:
            self._fail(submission, error)
        elif job["state"] == "completed":
            if self._forget(submission):
                submission.future.set_result(job["result"])
        elif job["state"] == "failed":
            self._fail(submission, JobFailed(submission.id, job["error"]))
        elif job["state"] in ("cancelled", "expired"):
            self._fail(submission, JobFailed(submission.id, job["state"]))
        else:
            self._awaited.put(submission)

    def _fail(self, submission: Submission, error: Exception) -> None:
        if self._forget(submission):
            submission.future.set_exception(error)

    def _forget(self, submission: Submission) -> bool:
        with self._changed:
            return self._open.pop(submission.id, None) is not None


class HttpJob(Job):
    """A job that its receipt belongs to: whoever has that may answer, on any connection."""

    receipt: str
    link: HttpLink

    def touch(self, progress: Optional[float] = None) -> None:
        request: dict = {} if progress is None else {"progress": progress}
        try:
            answer = self.tell("touch", request)
        except ProcessionError as error:
            log.warning("touch of job %s: %s", self.id, error)
            return
        self.cancelled = bool(answer.refusal()) or answer.body["cancelled"]

    def tell(self, word: str, request: dict):
        """Says something about this job, and gives the answer. Raises ConnectionLost, and
        TypeError or ValueError for what is not JSON."""
        payload = encode({"receipt": self.receipt, **request})
        return self.link.ask("POST", f"/jobs/{_part(self.id)}/{word}", payload)


class HttpWorker(WorkerTransport):
    """One long poll at a time per thread."""

    def __init__(self, url: SplitResult, name: Optional[str], token: Optional[str]) -> None:
        self._link = HttpLink(url, token)
        self._name = name or socket.gethostname()
        self._sources: list[HttpSource] = []
        self._heartbeat = Heartbeat()

    def start(self, types: Sequence[str], concurrency: int) -> list[Source]:
        if not 1 <= concurrency <= MAX_CONCURRENCY:
            raise ValueError(f"concurrency is 1 to {MAX_CONCURRENCY}")
        parameters = [("type", type) for type in types]
        parameters += [("wait", str(WAIT_SECONDS)), ("worker", self._name)]
        path = "/assignments?" + urlencode(parameters)
        self._heartbeat.start()
        self._sources = [
            HttpSource(self._link, path, self._heartbeat) for _ in range(concurrency)
        ]
        return list(self._sources)

    def quiet(self) -> None:
        for source in self._sources:
            source.quiet()

    def close(self) -> None:
        for source in self._sources:
            source.abandon()
        self._heartbeat.stop()


class HttpSource(Source):
    """Asks, works, answers, on one connection. It asks again, with a back-off, for ever."""

    def __init__(self, link: HttpLink, path: str, heartbeat: Heartbeat) -> None:
        self._link = link
        self._path = path
        self._heartbeat = heartbeat
        self._quiet = threading.Event()
        self._abandoned = threading.Event()
        self._lock = threading.Lock()
        self._polling: Optional[socket.socket] = None
        self._job: Optional[HttpJob] = None

    def take(self) -> Optional[Job]:
        backoff = Backoff(self._quiet)
        while not self._quiet.is_set():
            try:
                job = self._poll()
            except ProcessionError as error:
                if not self._quiet.is_set():
                    log.warning("%s", error)
                backoff.pause()
                continue
            backoff.reset()
            if job:
                self._job = job
                self._heartbeat.watch(job)
                if not self._quiet.is_set():
                    return job
                self._settle(job, "release", {})
        self._link.forget()
        return None

    def complete(self, job: Job, body: Any) -> None:
        encode(body)
        self._settle(job, "complete", {"body": body})

    def fail(self, job: Job, error: Any, retry: bool, delay_ms: Optional[int]) -> None:
        request = {"error": error, "retry": retry}
        if delay_ms is not None:
            request["delay_ms"] = delay_ms
        self._settle(job, "fail", request)

    def quiet(self) -> None:
        """Takes no more jobs: the poll that waits ends now."""
        self._quiet.set()
        with self._lock:
            if self._polling:
                # The server sees that nobody asks any more; what it has said already is still read.
                _shut(self._polling)

    def abandon(self) -> None:
        """Gives back the job in hand."""
        self._abandoned.set()
        job = self._job
        if job:
            self._settle(job, "release", {})

    def _poll(self) -> Optional[HttpJob]:
        polling = self._link.open()
        with self._lock:
            self._polling = polling
        if self._quiet.is_set():
            return None
        try:
            answer = self._link.ask("GET", self._path)
        finally:
            with self._lock:
                self._polling = None
        error = answer.refusal()
        if error:
            raise error
        if answer.status != 200:
            return None
        given = answer.body["jobs"][0]
        job = HttpJob(
            given["id"], given["type"], given["body"], given["attempt"], given["lease_ms"]
        )
        job.receipt, job.link = given["receipt"], self._link
        return job

    def _settle(self, job: Job, word: str, request: dict) -> None:
        """The last word on a job. It may be repeated, so it is, until it arrives or comes too late:
        a receipt is good for one end only."""
        backoff = Backoff(self._abandoned)
        give_up_at = monotonic() + (job.lease_ms or 0) / 1000
        while True:
            try:
                error = job.tell(word, request).refusal()
                break
            except ProcessionError as lost:
                error = lost
            if self._abandoned.is_set() or monotonic() > give_up_at:
                break
            backoff.pause()
        if error:
            log.warning("%s of job %s: %s", word, job.id, error)
        self._heartbeat.forget(job)
        if self._job is job:
            self._job = None


def _spelled(submission: Submission) -> bytes:
    fields = dict(submission.fields)
    # A path names it by its text.
    fields["id"] = str(submission.id)
    if submission.notify and fields.get("durable") is False:
        fields.setdefault("keep_ms", KEEP_MS)
    return encode(fields)


def _take(outbox: deque) -> list:
    batch, size = [], 0
    while outbox and len(batch) < BATCH_JOBS:
        size += len(outbox[0][0])
        if batch and size > BATCH_BYTES:
            break
        batch.append(outbox.popleft())
    return batch


def _error_of(item: dict) -> Optional[Exception]:
    error = item.get("error")
    return refusal({"error": error["code"], "reason": error["detail"]}) if error else None


def _part(id: Any) -> str:
    # A dot alone would be taken for a place in the path.
    return quote(str(id), safe="").replace(".", "%2E")


def _shut(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_WR)
    except OSError:
        pass  # It is closed already.
