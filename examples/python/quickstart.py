#!/usr/bin/env python3
"""A real job on real input: count and hash every file of a folder, on four workers.

    cargo run --release                        # the server, in one terminal
    python3 examples/python/quickstart.py      # this, in another one

Each file is one job; the bigger it is, the higher its priority. The results are checked against a
plain loop over the same files. Exit code 0: all equal. 1: they differ. 2: it could not run.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import sys
import time
from pathlib import Path
from typing import Iterator

from procession import Client, ConnectionLost, Fail, Job, ProcessionError, Slave, Worker

REPOSITORY = Path(__file__).resolve().parents[2]
SKIPPED = {".git", "target", "node_modules", "__pycache__", "procession-data"}
JOB_TYPE = "count-file"
WORKERS = 4
ROWS = 15
BAR_WIDTH = 40


def count(path: Path) -> dict:
    """Lines, words, bytes and SHA-256 of a file. Raises OSError."""
    data = path.read_bytes()
    return {
        "lines": data.count(b"\n"),
        "words": len(data.split()),
        "bytes": len(data),
        "sha256": hashlib.sha256(data).hexdigest(),
    }


def files(folder: Path) -> Iterator[Path]:
    """The regular files below the folder, without links and what is not the user's own work."""
    for parent, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if name not in SKIPPED)
        for name in sorted(names):
            path = Path(parent, name)
            if path.is_file() and not path.is_symlink() and os.access(path, os.R_OK):
                yield path


def state(path: Path) -> tuple[int, int]:
    """Changes when the file does."""
    try:
        stat = path.stat()
    except FileNotFoundError:
        return 0, 0
    return stat.st_size, stat.st_mtime_ns


def new_worker(url: str, folder: Path, done: list[str]) -> Worker:
    """A worker that counts the files whose names below the folder it is sent."""
    worker = Worker(url)

    @worker.handler(JOB_TYPE)
    def count_file(job: Job) -> dict:
        path = folder / job.body
        # A worker is careful with what it is told: nothing outside the folder.
        if folder not in path.resolve().parents:
            raise Fail(f"{job.body} is not in the folder")
        done.append(job.body)
        try:
            return count(path)
        except OSError as error:
            return {"error": str(error)}  # It was removed just now: to try again would not help.

    return worker


class Progress:
    """A bar that grows on a terminal; elsewhere a line per quarter."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._done = 0
        self._is_terminal = sys.stderr.isatty()

    def step(self) -> None:
        """One more is done."""
        self._done += 1
        if self._is_terminal:
            filled = BAR_WIDTH * self._done // self._total
            bar = "█" * filled + "·" * (BAR_WIDTH - filled)
            end = "\n" if self._done == self._total else ""
            print(f"\r{bar} {self._done}/{self._total}", end=end, file=sys.stderr, flush=True)
        elif 4 * self._done // self._total > 4 * (self._done - 1) // self._total:
            print(f"{self._done} of {self._total} files", file=sys.stderr)


def run(
    url: str, folder: Path, sizes: dict[str, int]
) -> tuple[dict[str, dict], list[list[str]]]:
    """Has every file counted by the workers: the results by name, and what each worker did.
    Raises ConnectionLost, JobFailed, ServerError."""
    done: list[list[str]] = [[] for _ in range(WORKERS)]
    workers = [new_worker(url, folder, mine) for mine in done]
    progress = Progress(len(sizes))
    with Client(url) as client:
        # All jobs first, then the workers: so that the order is the priority's.
        futures = {
            client.submit(JOB_TYPE, name, priority=size): name for name, size in sizes.items()
        }
        for worker in workers:
            worker.start()
        try:
            results = {}
            for future in client.as_completed(futures):
                results[futures[future]] = future.result()
                progress.step()
        finally:
            for worker in workers:
                worker.stop(timeout=5)
    return results, done


def table(results: dict[str, dict]) -> None:
    """Prints the biggest files and the sums."""
    row = "{:>8} {:>9} {:>11}  {:12}  {}".format
    print(row("lines", "words", "bytes", "sha-256", "file"))
    counted = [(name, result) for name, result in results.items() if "error" not in result]
    by_size = sorted(counted, key=lambda item: -item[1]["bytes"])
    for name, result in by_size[:ROWS]:
        print(row(result["lines"], result["words"], result["bytes"], result["sha256"][:12], name))
    if len(by_size) > ROWS:
        print(row("…", "…", "…", "…", f"{len(by_size) - ROWS} smaller files"))
    sums = [sum(result[key] for _, result in counted) for key in ("lines", "words", "bytes")]
    print(row(*sums, "", f"{len(counted)} files"))


def main() -> int:
    parser = argparse.ArgumentParser(description="Counts every file of a folder on four workers.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--masters", type=int, default=9998, metavar="PORT")
    parser.add_argument("--workers", type=int, default=9999, metavar="PORT")
    parser.add_argument("--folder", type=Path, default=REPOSITORY)
    parser.add_argument("--url", help="use this address instead, such as tcp://127.0.0.1:3001")
    options = parser.parse_args()
    folder = options.folder.resolve()
    url = options.url or f"gloom://{options.host}:{options.masters}/{options.workers}"

    # A name that is not text cannot be sent as JSON.
    paths = {
        str(path.relative_to(folder)): path for path in files(folder) if str(path).isprintable()
    }
    if not paths:
        print(f"no files in {folder}", file=sys.stderr)
        return 2
    before = {name: state(path) for name, path in paths.items()}
    sizes = {name: size for name, (size, _) in before.items()}
    started = time.perf_counter()
    try:
        if not options.url:
            Slave(options.host, options.workers).disconnect()  # A worker would wait for ever.
        results, done = run(url, folder, sizes)
    except ConnectionLost as error:
        print(f"{error}; start the server with: cargo run --release", file=sys.stderr)
        return 2
    except ProcessionError as error:
        print(f"the server or a worker says: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    seconds = time.perf_counter() - started

    table(results)
    shares = ", ".join(str(len(mine)) for mine in done)
    print(f"\n{len(paths)} jobs in {seconds:.2f} s; the {WORKERS} workers did {shares}")

    unchanged = [name for name, path in paths.items() if state(path) == before[name]]
    wrong = [name for name in unchanged if results[name] != count(paths[name])]
    for name in wrong:
        print(f"differs from the plain loop: {name}")
    if wrong:
        return 1
    changed = len(paths) - len(unchanged)
    note = f" ({changed} changed meanwhile and were not compared)" if changed else ""
    print(f"the plain loop finds the same{note}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
