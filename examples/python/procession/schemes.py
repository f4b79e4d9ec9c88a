"""Which URL means which transport. One more transport is one more row."""

from __future__ import annotations

from typing import Callable, NamedTuple, Optional
from urllib.parse import urlsplit

from . import gloom_transport, http_transport, native
from .transport import ClientTransport, WorkerTransport

DEFAULT_URL = "tcp://127.0.0.1:3001"


class Scheme(NamedTuple):
    """The two roles of a protocol. Both are made from the split URL."""

    client: Callable[..., ClientTransport]
    worker: Callable[..., WorkerTransport]


SCHEMES = {
    "tcp": Scheme(native.NativeClient, native.NativeWorker),
    "gloom": Scheme(gloom_transport.GloomClient, gloom_transport.GloomWorker),
    "http": Scheme(http_transport.HttpClient, http_transport.HttpWorker),
    "https": Scheme(http_transport.HttpClient, http_transport.HttpWorker),
}


def client_transport(
    url: str,
    name: Optional[str],
    token: Optional[str],
    resubmit: bool,
    patience: Optional[float],
) -> ClientTransport:
    """Connects a client. Raises ValueError for a URL of no known kind, ConnectionLost,
    ServerError."""
    return _scheme(url).client(urlsplit(url), name, token, resubmit, patience)


def worker_transport(url: str, name: Optional[str], token: Optional[str]) -> WorkerTransport:
    """Makes a worker's transport; it connects when it is started. Raises ValueError for a URL of no
    known kind."""
    return _scheme(url).worker(urlsplit(url), name, token)


def _scheme(url: str) -> Scheme:
    scheme = SCHEMES.get(urlsplit(url).scheme)
    if not scheme:
        known = ", ".join(f"{name}://HOST" for name in SCHEMES)
        raise ValueError(f"cannot tell the protocol of {url!r}; it is one of {known}")
    return scheme
