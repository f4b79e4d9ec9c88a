#!/usr/bin/env python3
"""A processor: a small HTTP server that does one kind of work, for work that is pushed to it.

    cargo run --release                                        # the server, in one terminal
    python3 examples/python/processor.py upper                 # this, in another one
    curl -H 'Content-Type: application/json' localhost:3000/action \\
         -d '{"processors": ["upper"], "data": "hello"}'       # {"id":"019…"}
    curl 'localhost:3000/action/019…?wait=10'

It registers with the manager, which asks for `/meta` at once and then every few seconds, and sends
items to `/process`. An answer with data ends the item; 202 says that the data comes later, by
`POST /complete`. Standard library only; `Processor` is made to be used by other programs.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import sys
import threading
import time
import urllib.error
import urllib.request
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Callable

MANAGER = "http://127.0.0.1:3000"


class Refuse(Exception):
    """Raised by a handler: the item is wrong, and to try it again would not help."""


class Processor:
    """One kind of work, done by `handler(data)`, whose result is the item's data.

    With `later`, an item is accepted at once and its data is sent when it is ready, so that it may
    take longer than an HTTP answer (30 seconds).
    """

    def __init__(
        self,
        name: str,
        handler: Callable[[Any], Any],
        *,
        manager: str = MANAGER,
        id: str | None = None,
        port: int = 0,
        concurrency: int = 1,
        later: bool = False,
    ) -> None:
        self.name = name
        self.handler = handler
        self.manager = manager
        self.id = id or f"{name}-{uuid.uuid4().hex[:8]}"
        self.concurrency = concurrency
        self.later = later
        self._busy_before = (0.0, time.monotonic())
        self._server = ThreadingHTTPServer(("127.0.0.1", port), _requests(self))
        self._server.daemon_threads = True

    @property
    def url(self) -> str:
        """Where the manager finds it."""
        host, port = self._server.server_address[:2]
        return f"http://{host}:{port}"

    def start(self) -> None:
        """Listens, and registers. Raises OSError where the manager can't be had or refuses."""
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        card = {"id": self.id, "name": self.name, "url": self.url, "concurrency": self.concurrency}
        post(f"{self.manager}/register", card)

    def stop(self) -> None:
        """Leaves: what it holds goes to others."""
        request = urllib.request.Request(f"{self.manager}/register/{self.id}", method="DELETE")
        try:
            urllib.request.urlopen(request, timeout=10).close()
        except OSError:
            pass  # The manager has gone before.
        self._server.shutdown()

    def meta(self) -> dict:
        """What it says of itself: cpu is the share of one core since it was last asked."""
        busy, now = time.process_time(), time.monotonic()
        (busy_before, before), self._busy_before = self._busy_before, (busy, now)
        cpu = (busy - busy_before) / max(now - before, 0.001)
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        return {"id": self.id, "name": self.name, "cpu": round(cpu, 3), "memory": memory}

    def process(self, item: dict) -> tuple[int, dict]:
        """The status and the answer to an item."""
        if not self.later:
            return self._work(item)
        threading.Thread(target=self._complete, args=(item,), daemon=True).start()
        return 202, {}

    def _work(self, item: dict) -> tuple[int, dict]:
        try:
            return 200, {"data": self.handler(item["data"])}
        except Refuse as error:
            return 422, {"error": str(error)}
        except Exception as error:  # Whatever it was: the manager tries again.
            return 500, {"error": f"{type(error).__name__}: {error}"}

    def _complete(self, item: dict) -> None:
        _, answer = self._work(item)
        word = {"id": item["id"], "processor": self.id, "attempt": item["attempt"], **answer}
        # A word that the manager didn't hear is said again: twice is as good as once.
        for wait in (0.1, 0.5, 2, 10, 30):
            try:
                post(f"{self.manager}/complete", word)
                return
            except urllib.error.HTTPError as error:
                print(f"{item['id']}: {error}", file=sys.stderr)
                if error.code < 500:
                    return  # It was taken back meanwhile, or cancelled.
                time.sleep(wait)
            except OSError:
                time.sleep(wait)


def _requests(processor: Processor) -> type[BaseHTTPRequestHandler]:
    class Requests(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"  # The manager uses a connection again.

        def do_GET(self) -> None:
            if self.path == "/meta":
                self.answer(200, processor.meta())
            else:
                self.answer(404, {})

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            if self.path != "/process":
                return self.answer(404, {})
            try:
                item = json.loads(body)
            except ValueError as error:
                return self.answer(400, {"error": str(error)})
            self.answer(*processor.process(item))

        def answer(self, status: int, body: dict) -> None:
            text = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: Any) -> None:
            pass

    return Requests


def post(url: str, body: dict) -> dict:
    """Posts JSON. Raises OSError, which urllib's HTTPError is."""
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)


def get(url: str) -> dict:
    """Asks for JSON. Raises OSError."""
    with urllib.request.urlopen(url, timeout=70) as answer:
        return json.load(answer)


WORK: dict[str, Callable[[Any], Any]] = {
    "echo": lambda data: data,
    "upper": lambda data: str(data).upper(),
    "reverse": lambda data: data[::-1],
    "count": lambda data: {"letters": len(str(data)), "words": len(str(data).split())},
}


def main() -> int:
    parser = argparse.ArgumentParser(description="A processor.")
    parser.add_argument("work", choices=sorted(WORK), help="what it does, and its name")
    parser.add_argument("--manager", default=MANAGER, help=f"usually {MANAGER}")
    parser.add_argument("--id", help="made up where it is not given")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--concurrency", type=int, default=1, help="items at a time")
    parser.add_argument("--later", action="store_true", help="accept items, and send their data by /complete")
    arguments = parser.parse_args()
    processor = Processor(
        arguments.work,
        WORK[arguments.work],
        manager=arguments.manager,
        id=arguments.id,
        port=arguments.port,
        concurrency=arguments.concurrency,
        later=arguments.later,
    )
    try:
        processor.start()
    except OSError as error:
        detail = error.read().decode() if isinstance(error, urllib.error.HTTPError) else ""
        print(f"{arguments.manager}: {error} {detail}", file=sys.stderr)
        return 1
    print(f"{processor.id} at {processor.url}, pid {os.getpid()}", flush=True)
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        processor.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
