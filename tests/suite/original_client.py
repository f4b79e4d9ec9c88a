"""A client that behaves on the wire as gloom's own: what it relies on is what the server must keep.

It reads a header with one recv(4) and a payload with one recv(n), takes the next frame as the reply to what it just
asked, takes anything with "error" as an error, sends `"type": null` when no type is given and compares whole objects.

    python3 original_client.py MASTERS_PORT SLAVES_PORT
"""

import json
import socket
import struct
import sys
import uuid

PATIENCE = 20


class Refused(Exception):
    pass


class Peer:
    def __init__(self, port):
        self.sock = socket.socket()
        self.sock.settimeout(PATIENCE)
        self.sock.connect(("127.0.0.1", port))

    def leave(self):
        self.sock.close()

    def put(self, payload):
        self.sock.sendall(struct.pack("!i", len(payload)) + payload)

    def say(self, message):
        self.put(json.dumps(message).encode())

    def hear(self, timeout=PATIENCE):
        self.sock.settimeout(timeout)
        header = self.sock.recv(4)
        assert len(header) == 4, "the header came in pieces: %r" % header
        (length,) = struct.unpack("!i", header)
        payload = self.sock.recv(length)
        assert len(payload) == length, "%d of %d bytes of the payload came at once" % (len(payload), length)
        message = json.loads(payload.decode())
        if "error" in message:
            raise Refused(message["error"], message["reason"])
        return message

    def hear_ok(self):
        message = self.hear()
        assert message.get("ok") is True, "expected ok, got %r" % message
        return message


class Master(Peer):
    def submit(self, id=None, type=None, body=None):
        if id is None:
            id = uuid.uuid4().hex.upper()
        self.say({"action": "submit", "id": id, "type": type, "body": body})
        self.hear_ok()
        return id

    def result(self, timeout=PATIENCE):
        message = self.hear(timeout)
        assert "id" in message and "body" in message, "expected a result, got %r" % message
        return message


class Slave(Peer):
    def join(self, type):
        self.say({"action": "join", "type": type})
        self.hear_ok()

    def job(self, timeout=PATIENCE):
        message = self.hear(timeout)
        for member in ("action", "id", "type", "body"):
            assert member in message, "expected %s in %r" % (member, message)
        return message

    def respond(self, body=None):
        self.say({"action": "respond", "body": body})
        self.hear_ok()


def refused(act, *arguments):
    try:
        act(*arguments)
    except Refused as refusal:
        return refusal.args
    raise AssertionError("expected an error")


def equal(got, expected):
    assert got == expected, "expected %r, got %r" % (expected, got)


def silent(peer):
    try:
        message = peer.hear(timeout=0.2)
    except socket.timeout:
        return
    raise AssertionError("expected nothing, got %r" % message)


MASTERS, SLAVES = int(sys.argv[1]), int(sys.argv[2])


def a_single_job():
    master, slave = Master(MASTERS), Slave(SLAVES)
    master.submit(id="hi", type="foo", body="Here")
    slave.join("foo")
    equal(slave.job(), {"action": "job", "id": "hi", "type": "foo", "body": "Here"})
    slave.respond(body="ohai!")
    equal(master.result(), {"id": "hi", "body": "ohai!"})


def a_job_without_a_type_is_of_the_default_type():
    master, slave = Master(MASTERS), Slave(SLAVES)
    slave.join("default")
    id = master.submit(body={"something": "here"})
    equal(slave.job(), {"action": "job", "id": id, "type": "default", "body": {"something": "here"}})
    slave.respond()
    equal(master.result(), {"id": id, "body": None})


def a_job_without_a_body_has_a_null_body():
    master, slave = Master(MASTERS), Slave(SLAVES)
    master.submit(id="empty", type="nothing")
    slave.join("nothing")
    equal(slave.job(), {"action": "job", "id": "empty", "type": "nothing", "body": None})
    slave.respond([])
    equal(master.result(), {"id": "empty", "body": []})


def the_exact_replies():
    master, slave = Master(MASTERS), Slave(SLAVES)
    master.say({"action": "submit", "id": "exact", "type": "e", "body": 1})
    equal(master.hear(), {"ok": True, "id": "exact"})
    slave.say({"action": "join", "type": "e"})
    equal(slave.hear(), {"ok": True})
    slave.job()
    slave.say({"action": "respond", "body": 2})
    equal(slave.hear(), {"ok": True})
    equal(master.result(), {"id": "exact", "body": 2})


def many_jobs_from_a_list_are_all_answered():
    import threading

    def work():
        slave = Slave(SLAVES)
        slave.join("many")
        ready.release()
        while True:
            job = slave.job()
            slave.respond({"square": job["body"] ** 2})
            if job["body"] == 0:
                return

    ready = threading.Semaphore(0)
    workers = [threading.Thread(target=work, daemon=True) for _ in range(3)]
    for worker in workers:
        worker.start()
    for _ in workers:
        ready.acquire()
    master, other = Master(MASTERS), Master(MASTERS)
    # As the original does: a job at a time, since a result may come where its client expects a reply.
    for n in range(1, 200):
        id = master.submit(type="many", body=n)
        equal(master.result(), {"id": id, "body": {"square": n * n}})
    # And a list of jobs submitted while nobody works, whose results are then awaited.
    ids = {other.submit(type="later", body=n): n for n in range(50)}
    slave = Slave(SLAVES)
    slave.join("later")
    for _ in range(50):
        slave.respond(-slave.job()["body"])
    while ids:
        result = other.result()
        equal(result["body"], -ids.pop(result["id"]))
    for _ in workers:
        master.submit(type="many", body=0)
        master.result()


def joining_again_switches_the_type():
    master, slave = Master(MASTERS), Slave(SLAVES)
    slave.join("one")
    slave.join("two")
    master.submit(id="s1", type="one", body=1)
    master.submit(id="s2", type="two", body=2)
    equal(slave.job()["id"], "s2")
    slave.respond(0)
    silent(slave)
    slave.join("one")
    equal(slave.job()["id"], "s1")
    slave.respond(0)


def larger_priorities_go_first():
    master, slave = Master(MASTERS), Slave(SLAVES)
    for n in (3, -1, 7, 0):
        master.say({"action": "submit", "id": "p%d" % n, "type": "p", "priority": n, "body": n})
        master.hear_ok()
    slave.join("p")
    for n in (7, 3, 0, -1):
        equal(slave.job()["body"], n)
        slave.respond(n)


def a_slave_that_disconnects_loses_no_job():
    master, slave = Master(MASTERS), Slave(SLAVES)
    slave.join("lost")
    master.submit(id="kept", type="lost", body=1)
    slave.job()
    slave.leave()
    second = Slave(SLAVES)
    second.join("lost")
    equal(second.job(), {"action": "job", "id": "kept", "type": "lost", "body": 1})
    second.respond(2)
    equal(master.result(), {"id": "kept", "body": 2})


def errors_on_the_master_port():
    master = Master(MASTERS)
    equal(refused(lambda: (master.say({"foo": "bar"}), master.hear())), ("missing_field", "type"))
    equal(refused(lambda: (master.say({"action": "join", "type": "foo"}), master.hear())), ("invalid_action", "not_a_slave"))
    equal(refused(lambda: (master.say({"action": "respond", "body": 1}), master.hear())), ("invalid_action", "not_a_slave"))
    equal(refused(lambda: (master.say({"action": "submit", "id": "x"}), master.hear())), ("missing_field", "body"))
    master.submit(id="twice", type="nobody", body=1)
    equal(refused(master.submit, "twice", "nobody", 1), ("id_exists", "twice"))
    assert master.submit(type="nobody", body={"something": "here"}) is not None


def errors_on_the_slave_port():
    slave = Slave(SLAVES)
    equal(refused(slave.respond, {"some": "stuff"}), ("invalid_state", "not_processing"))
    equal(refused(lambda: (slave.say({"action": "submit", "id": "mesage"}), slave.hear())), ("invalid_action", "not_a_master"))
    equal(refused(lambda: (slave.say({"action": "join"}), slave.hear())), ("missing_field", "job_type"))
    equal(refused(lambda: (slave.say({"foo": "bar"}), slave.hear())), ("missing_field", "type"))
    slave.join("foo")


def errors_of_framing():
    for port in (MASTERS, SLAVES):
        peer = Peer(port)
        peer.sock.send(struct.pack("!i", 2**30))
        equal(refused(peer.hear), ("size_error", "length too large"))
        equal(peer.sock.recv(1), b"")
        peer = Peer(port)
        peer.put(b"foo")
        equal(refused(peer.hear)[0], "invalid_json")
        equal(peer.sock.recv(1), b"")


for check in (
    a_single_job,
    a_job_without_a_type_is_of_the_default_type,
    a_job_without_a_body_has_a_null_body,
    the_exact_replies,
    many_jobs_from_a_list_are_all_answered,
    joining_again_switches_the_type,
    larger_priorities_go_first,
    a_slave_that_disconnects_loses_no_job,
    errors_on_the_master_port,
    errors_on_the_slave_port,
    errors_of_framing,
):
    try:
        check()
    except Exception as error:
        print("FAILED %s: %s: %s" % (check.__name__, type(error).__name__, error), flush=True)
        raise
    print("ok %s" % check.__name__, flush=True)
print("all checks passed")
