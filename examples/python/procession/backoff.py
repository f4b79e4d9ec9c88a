"""How long to wait before the next try: full jitter, so that a thousand clients of a server that
comes back do not all knock in the same moment."""

from __future__ import annotations

import random
import threading

FIRST_SECONDS = 0.1
LIMIT_SECONDS = 10.0


class Backoff:
    """Waits a random time whose limit doubles with every failure in a row."""

    def __init__(self, stopped: threading.Event) -> None:
        """`stopped` ends every pause at once."""
        self._stopped = stopped
        self._limit = FIRST_SECONDS

    def pause(self) -> None:
        """Waits after a failure."""
        self._stopped.wait(random.uniform(0, self._limit))
        self._limit = min(self._limit * 2, LIMIT_SECONDS)

    def reset(self) -> None:
        """Forgets the failures: it worked again."""
        self._limit = FIRST_SECONDS
