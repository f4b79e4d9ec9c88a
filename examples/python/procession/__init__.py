"""A client of the procession job server, of the standard library alone (Python 3.9 or later).

    from procession import Client, Worker

    worker = Worker(concurrency=4)                     # tcp://127.0.0.1:3001

    @worker.handler("greet")
    def greet(job):
        return f"hello {job.body}"

    with worker, Client() as client:                   # or worker.run() in a process of its own
        print(client.submit("greet", "world").result(timeout=10))
        print(client.map("greet", ["Ada", "Grace"]))

The URL picks the protocol: `tcp://HOST[:3001]` is the native one, `gloom://HOST[:9998/9999]` is
gloom's, `http://HOST[:3000]` the HTTP API. `Master` and `Slave` are gloom's own blocking pair.

    errors                           what can go wrong
    client, worker                   what people call
    schemes → transport              the seam: the URL picks a transport
    native, gloom_transport,         the transports
    http_transport → http_link
    gloom                            Master and Slave
    pipelined → link → connection    jobs that wait for their end, on a connection that comes back
    framing, backoff, heartbeat      the small parts
"""

from .client import Client
from .errors import (
    ConnectionLost,
    DiskFull,
    Draining,
    DuplicateId,
    JobFailed,
    ProcessionError,
    ProtocolError,
    QueueFull,
    ServerError,
    Unauthorized,
)
from .gloom import Master, Slave
from .transport import Job, JobFuture
from .worker import Fail, Retry, Worker

__all__ = [
    "Client",
    "ConnectionLost",
    "DiskFull",
    "Draining",
    "DuplicateId",
    "Fail",
    "Job",
    "JobFailed",
    "JobFuture",
    "Master",
    "ProcessionError",
    "ProtocolError",
    "QueueFull",
    "Retry",
    "ServerError",
    "Slave",
    "Unauthorized",
    "Worker",
]
