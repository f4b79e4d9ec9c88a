"""Working on jobs: plain functions, called on threads."""

from __future__ import annotations

import logging
import queue
import signal
import threading
from time import monotonic
from typing import Any, Callable, Optional

from .schemes import DEFAULT_URL, worker_transport
from .transport import Job, Source

log = logging.getLogger("procession")

MAX_ERROR = 10_000
"""So many characters of an error are sent."""

Handler = Callable[[Job], Any]


class Fail(Exception):
    """Raised by a handler: this job cannot succeed, do not try again. (Over gloom, which cannot say
    so, it is tried again like any other.)"""


class Retry(Exception):
    """Raised by a handler: not now, try again after `delay` seconds (None: the job's own back-off).
    The attempt counts. Over gloom there is no delay."""

    def __init__(self, reason: str = "", delay: Optional[float] = None) -> None:
        super().__init__(reason)
        self.delay = delay


class Worker:
    """Takes jobs and answers them with what a handler returns.

        worker = Worker("tcp://127.0.0.1:3001", concurrency=8)

        @worker.handler("resize")
        def resize(job):
            return {"ok": True, "size": len(job.body["url"])}

        worker.run()

    Up to `concurrency` handlers run at once, each on a thread: over the native protocol on one
    connection, over gloom on that many sockets for each type, over HTTP on one each. It connects,
    and reconnects, by itself and for ever. A handler that raises fails its attempt: `Fail` for good, anything else to
    be tried again. Deliveries are at least once: a job may come a second time.
    """

    def __init__(
        self,
        url: str = DEFAULT_URL,
        *,
        concurrency: int = 1,
        name: Optional[str] = None,
        token: Optional[str] = None,
    ) -> None:
        """`name` and `token` are for the native protocol and HTTP. Raises ValueError for a URL of
        no known kind. Nothing is connected yet."""
        self._transport = worker_transport(url, name, token)
        self._concurrency = concurrency
        self._handlers: dict[str, Handler] = {}
        self._threads: list[threading.Thread] = []

    def handler(self, type: str) -> Callable[[Handler], Handler]:
        """Decorates the function that works on jobs of this type. It gets the Job and returns what
        JSON can say. It stays a plain function, to be called in tests."""

        def register(function: Handler) -> Handler:
            self._handlers[type] = function
            return function

        return register

    def start(self) -> None:
        """Begins to work, on threads, and returns. Once only. Raises ValueError without a handler.
        """
        if not self._handlers:
            raise ValueError("a worker without handlers")
        sources = self._transport.start(list(self._handlers), self._concurrency)
        # Daemons: a handler that never returns shall not keep the process from ending.
        self._threads = [
            threading.Thread(target=self._work, args=[source], name="procession-job", daemon=True)
            for source in sources
        ]
        for thread in self._threads:
            thread.start()

    def stop(self, timeout: Optional[float] = None) -> None:
        """Takes no more jobs, waits for those in hand, answers them and leaves. Those that are not
        done within `timeout` seconds are given back (their handlers run on, unheard)."""
        self._transport.quiet()
        self._join(timeout)
        self._transport.close()

    def run(self) -> None:
        """Works until SIGTERM or SIGINT: then takes no more jobs, finishes those in hand and
        returns. A second signal gives them back and returns at once. For the main thread."""
        # A queue that a signal handler may safely put to while its own thread waits in `get`.
        news: queue.SimpleQueue[str] = queue.SimpleQueue()

        def finish() -> None:
            self._join()
            news.put("done")

        signals = (signal.SIGTERM, signal.SIGINT)
        before = [signal.signal(number, lambda *_: news.put("signal")) for number in signals]
        try:
            self.start()
            news.get()
            log.info("finishing the jobs in hand")
            self._transport.quiet()
            threading.Thread(target=finish, daemon=True).start()
            if news.get() == "signal":
                log.warning("giving back the jobs in hand")
            self._transport.close()
        finally:
            for number, handler in zip(signals, before):
                signal.signal(number, handler)

    def __enter__(self) -> Worker:
        self.start()
        return self

    def __exit__(self, *_) -> None:
        self.stop()

    def _join(self, timeout: Optional[float] = None) -> None:
        deadline = None if timeout is None else monotonic() + timeout
        for thread in self._threads:
            thread.join(None if deadline is None else max(0.0, deadline - monotonic()))

    def _work(self, source: Source) -> None:
        while True:
            job = source.take()
            if job is None:
                return
            self._answer(source, job)

    def _answer(self, source: Source, job: Job) -> None:
        try:
            source.complete(job, self._handlers[job.type](job))
        except Fail as failure:
            source.fail(job, _text(failure), retry=False, delay_ms=None)
        except Retry as failure:
            delay_ms = None if failure.delay is None else round(failure.delay * 1000)
            source.fail(job, _text(failure), retry=True, delay_ms=delay_ms)
        # Even SystemExit: it would end this thread only, and the job would wait for its answer.
        except BaseException as error:
            log.exception("job %s (%s) failed", job.id, job.type)
            source.fail(job, f"{type(error).__name__}: {_text(error)}", retry=True, delay_ms=None)


def _text(error: BaseException) -> str:
    # A message may hold the whole body, or a file name with surrogates, which are not to be sent.
    return str(error)[:MAX_ERROR].encode(errors="replace").decode()
