#!/usr/bin/env python3
"""A real pipeline on real input: for each text file of a folder, extract its words, count them, rank them.

    cargo run --release                                # the server, in one terminal
    python3 examples/python/pipeline.py [FOLDER]       # this, in another one

Each file is one action of three steps. `extract` and `count` are processors, to which work is
pushed over HTTP (`processor.py`); `rank` is a gloom slave on a socket: an action can't tell. Each step
is printed as it happens, and the results are checked against a plain loop over the same files.
Exit code 0: all equal. 1: they differ. 2: it could not run.
"""

from __future__ import annotations

import argparse
import re
import sys
import threading
import urllib.parse
from collections import Counter
from pathlib import Path

from processor import MANAGER, Processor, Refuse, get, post
from procession import ConnectionLost, Slave

REPOSITORY = Path(__file__).resolve().parents[2]
TEXT = {".md", ".txt", ".rs", ".py", ".toml", ".js", ".sh"}
SKIPPED = {".git", "target", "node_modules", "__pycache__", "procession-data"}
LARGEST = 256 * 1024
TOP = 5


def words_of(text: str) -> list[str]:
    return re.findall(r"[a-z]{4,}", text.lower())


def ranked(counts: dict) -> list:
    return sorted(counts.items(), key=lambda count: (-count[1], count[0]))[:TOP]


def files(folder: Path, most: int) -> list[Path]:
    """Text files below the folder, in their order."""
    found = (
        path
        for path in sorted(folder.rglob("*"))
        if path.suffix in TEXT
        and path.is_file()
        and not SKIPPED.intersection(path.relative_to(folder).parts)
        and path.stat().st_size <= LARGEST
    )
    return [path for path, _ in zip(found, range(most))]


printing = threading.Lock()


def say(step: str, name: str, what: str) -> None:
    with printing:
        print(f"{step:>9}  {name:<48.48}  {what}", flush=True)


def extract(folder: Path):
    """The first step: a name becomes the words in the file."""

    def handler(name: str) -> dict:
        path = (folder / name).resolve()
        # A processor is careful with what it is told: nothing outside the folder.
        if folder.resolve() not in path.parents:
            raise Refuse(f"{name} is not in the folder")
        words = words_of(path.read_text(errors="replace"))
        say("extract", name, f"{len(words)} words")
        return {"file": name, "words": words}

    return handler


def count(data: dict) -> dict:
    """The second: words become how often there are."""
    counts = Counter(data["words"])
    say("count", data["file"], f"{len(counts)} different ones")
    return {"file": data["file"], "counts": counts}


def rank(data: dict) -> dict:
    """The last: the most frequent ones."""
    top = ranked(data["counts"])
    say("rank", data["file"], ", ".join(word for word, _ in top))
    return {"file": data["file"], "top": top}


def work_as_slave(slave: Slave) -> None:
    try:
        for job in slave:
            slave.respond(rank(job.body))
    except (OSError, ConnectionLost):
        pass  # The pipeline has ended.


def run(arguments: argparse.Namespace) -> int:
    folder: Path = arguments.folder
    names = [str(path.relative_to(folder)) for path in files(folder, arguments.most)]
    if not names:
        print(f"{folder}: no text files", file=sys.stderr)
        return 2
    host, _, port = arguments.gloom.rpartition(":")
    with Slave(host, int(port)) as slave:
        slave.join("rank")
        threading.Thread(target=work_as_slave, args=(slave,), daemon=True).start()
        results = reduce(arguments.manager, folder, names)
    return check(folder, names, results)


def reduce(manager: str, folder: Path, names: list[str]) -> list[dict]:
    """An action for each file; gives them when they have ended."""
    processors = [
        Processor("extract", extract(folder), manager=manager, concurrency=2),
        # It answers later, by /complete: the manager doesn't mind.
        Processor("count", count, manager=manager, concurrency=4, later=True),
    ]
    for processor in processors:
        processor.start()
    try:
        steps = ["extract", "count", "rank"]
        actions = [post(f"{manager}/action", {"processors": steps, "data": name})["id"] for name in names]
        return [end_of(manager, action) for action in actions]
    finally:
        for processor in processors:
            processor.stop()


def end_of(manager: str, action: str) -> dict:
    while True:
        shown = get(f"{manager}/action/{urllib.parse.quote(action, safe='')}?wait=25")
        if shown["state"] != "running":
            return shown


def check(folder: Path, names: list[str], results: list[dict]) -> int:
    """Against a plain loop over the same files."""
    wrong, total = 0, Counter()
    for name, action in zip(names, results):
        counts = Counter(words_of((folder / name).read_text(errors="replace")))
        total += counts
        expected = {"file": name, "top": [list(pair) for pair in ranked(counts)]}
        if action["state"] != "completed" or action["data"] != expected:
            print(f"{name}: {action['state']}: {action['error'] or action['data']}", file=sys.stderr)
            wrong += 1
    print(f"\n{len(names)} files, {len(names) * 3} steps, {wrong} wrong; the most frequent words:")
    for word, times in ranked(total):
        print(f"{times:8}  {word}")
    return 1 if wrong else 0


def main() -> int:
    parser = argparse.ArgumentParser(description="extract, count, rank: a pipeline over the text files of a folder.")
    parser.add_argument("folder", nargs="?", type=Path, default=REPOSITORY)
    parser.add_argument("--manager", default=MANAGER, help=f"usually {MANAGER}")
    parser.add_argument("--gloom", default="127.0.0.1:9999", help="gloom's port for workers")
    parser.add_argument("--most", type=int, default=40, help="files")
    try:
        return run(parser.parse_args())
    except (OSError, ConnectionLost) as error:
        print(f"it can't run: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
