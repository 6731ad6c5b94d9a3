"""lifecycle - processes that die, and stops that are asked for.

Answers: is every record there after control was killed again and again; does
anything stay behind when weir is killed; does an interrupt close the books;
does a second one end at once. Input comes through a pipe that the test feeds,
so the run lasts exactly as long as the test needs it to.
"""
import collections
import json
import os
import signal
import subprocess
import tempfile
import threading
import time

import packets
import support
from support import check, check_equal, test_alone

KILLS = 30


class Live:
    """A `weir read` that a test feeds and disturbs, and what it left behind."""

    def __init__(self, *options, inputs=("-",), output=None, stdout=subprocess.DEVNULL):
        self.folder = tempfile.TemporaryDirectory(prefix="weir-life-")
        support.open_to_all(self.folder.name)
        self.output = output or os.path.join(self.folder.name, "out.jsonl")
        self.ledger = os.path.join(self.folder.name, "ledger.json")
        self.errors = open(os.path.join(self.folder.name, "stderr"), "w+b")
        self.process = subprocess.Popen(
            [support.weir_path(), "read", *inputs, *map(str, options), "--output", self.output, "--ledger", self.ledger],
            stdin=subprocess.PIPE, stdout=stdout, stderr=self.errors, env=support.environment(), bufsize=0,
            start_new_session=True)
        self.pid = self.process.pid

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        left = [pid for pid in support.children_of(self.pid)]
        support.stop(self.process)
        for pid in support.wait_gone(left, 3):
            os.kill(pid, signal.SIGKILL)
        self.errors.close()
        self.folder.cleanup()

    def feed(self, data):
        try:
            self.process.stdin.write(data)
        except OSError:
            pass  # it stopped reading: the test asks why

    def end_of_input(self):
        try:
            self.process.stdin.close()
        except OSError:
            pass

    def wait(self, seconds):
        try:
            return self.process.wait(support.in_the_end(seconds))
        except subprocess.TimeoutExpired:
            raise support.Failure("weir still runs after %g s; stderr ends: %s" %
                                  (support.in_the_end(seconds), self.stderr()[-400:])) from None

    def stderr(self):
        self.errors.seek(0)
        return self.errors.read().decode("utf-8", "replace")

    def lines(self):
        with open(self.output, "rb") as f:
            return [json.loads(line) for line in f.read().splitlines()]

    def whole_lines(self):
        """Those that are complete by now."""
        with open(self.output, "rb") as f:
            return [json.loads(line) for line in f.read().split(b"\n")[:-1]]

    def books(self):
        with open(self.ledger, "rb") as f:
            return support.Ledger(json.load(f))

    def daemons(self):
        return [support.child_named(self.pid, "weir-dataplane"), support.child_named(self.pid, "weir-control")]


def rounds(number, connections=20):
    """Frames of requests on always the same connections, endless in parts: (opening, function of a round)."""
    made = [packets.Connection(c) for c in range(connections)]
    opening = [f for c in made for f in c.open()]
    body = b"b" * 200

    def one(r):
        frames = []
        for i, c in enumerate(made):
            frames += c.request(packets.get("/%d/%d" % (i, r)))
            frames += c.response(packets.ok(body))
        return frames

    return opening, one


class Clock:
    """Turns frames into the bytes of a capture, time going on from call to call."""

    def __init__(self):
        self.us = packets.START_US

    def records(self, frames):
        parts = []
        for frame in frames:
            self.us += 10
            parts.append(packets.file_record(frame, self.us))
        return b"".join(parts)


def check_no_hole(lines, run_names=1):
    """Every (run, worker, seq) from 0 to the largest is there; what is there twice is the same both times."""
    seen = collections.defaultdict(dict)
    twice = 0
    for record in lines:
        if record["type"] != "pair":
            continue
        place = seen[record["run"], record["worker"]]
        if record["seq"] in place:
            twice += 1
            check_equal(record, place[record["seq"]], "the second copy of seq %d" % record["seq"])
        place[record["seq"]] = record
    check_equal(len({run for run, _ in seen}), run_names, "names of runs")
    for (run, worker), place in seen.items():
        missing = sorted(set(range(max(place) + 1)) - set(place))
        check(not missing, "run %s worker %d misses %d of %d records, first %r" %
              (run, worker, len(missing), max(place) + 1, missing[:5]))
    return sum(len(place) for place in seen.values()), twice


@test_alone
def no_record_is_missing_after_control_was_killed_thirty_times():
    with Live() as live:
        clock, (opening, one) = Clock(), rounds(0)
        live.feed(packets.file_header() + clock.records(opening))
        enough, fed = threading.Event(), [0]

        def feeder():
            while not enough.is_set():
                live.feed(clock.records(f for r in range(fed[0], fed[0] + 10) for f in one(r)))
                fed[0] += 10
                time.sleep(0.01)

        thread = threading.Thread(target=feeder)
        thread.start()
        try:
            killed, last = 0, None
            while killed < KILLS:
                control = support.child_named(live.pid, "weir-control", 10)
                if control == last:
                    time.sleep(0.01)
                    continue
                time.sleep(0.01 + 0.013 * (killed % 7))  # at another moment of its life each time
                os.kill(control, signal.SIGKILL)
                killed, last = killed + 1, control
        finally:
            enough.set()
            thread.join()
        live.end_of_input()
        check_equal(live.wait(60), support.DONE, "exit status")
        live.books().check_closed()
        found, twice = check_no_hole(live.lines())
        check_equal(found, 20 * fed[0], "records for %d requests" % (20 * fed[0]))
        return "%d records, %d of them twice" % (found, twice)


@test_alone
def control_killed_at_full_speed_with_four_workers_costs_no_record():
    pairs = 600000
    with Live("--workers", 4, "--headers", "none", inputs=("--rx", "synth:pairs=%d,connections=200" % pairs)) as live:
        killed, last = 0, None
        while killed < 3 and live.process.poll() is None:
            controls = [pid for pid, name in support.children_of(live.pid).items() if name == "weir-control"]
            if not controls or controls[0] == last:
                time.sleep(0.005)
                continue
            time.sleep(0.05)
            try:
                os.kill(controls[0], signal.SIGKILL)
            except ProcessLookupError:
                break  # it had done its work before
            killed, last = killed + 1, controls[0]
        check_equal(live.wait(60), support.DONE, "exit status")
        check(killed > 0, "the run was over before control could be killed")
        live.books().check_closed()
        found, twice = check_no_hole(live.lines())
        check_equal(found, pairs, "records")
        return "killed %d times: %d records, %d of them twice" % (killed, found, twice)


@test_alone
def a_killed_dataplane_ends_the_run_with_an_error():
    with Live() as live:
        clock, (opening, one) = Clock(), rounds(0)
        live.feed(packets.file_header() + clock.records(opening + one(0)))
        dataplane, control = live.daemons()
        os.kill(dataplane, signal.SIGKILL)
        status = live.wait(10)
        check(status > 0, "exit status %d" % status)
        check_equal(support.wait_gone([control], 3), [], "daemons that stayed")
        return "status %d" % status


def listening(daemons):
    """The sockets that the daemons listen on, as soon as there are any."""
    end = time.monotonic() + support.in_the_end(3)
    while True:
        sockets = [path for pid in daemons for path in support.sockets_of(pid)]
        if sockets or time.monotonic() > end:
            return sockets
        time.sleep(0.02)


@test_alone
def nothing_is_left_when_weir_is_killed():
    with Live() as live:
        clock, (opening, one) = Clock(), rounds(0)
        live.feed(packets.file_header() + clock.records(opening + one(0)))
        daemons = live.daemons()
        sockets = listening(daemons)
        check(sockets, "the dataplane listens on no socket")
        live.process.kill()
        live.wait(5)
        check_equal(support.wait_gone(daemons, 3), [], "daemons that stayed")
        end = time.monotonic() + support.in_the_end(2)
        while time.monotonic() < end and any(os.path.exists(os.path.dirname(p)) for p in sockets):
            time.sleep(0.02)
        left = [p for p in sockets + [os.path.dirname(p) for p in sockets] if os.path.exists(p)]
        check_equal(left, [], "left of the runtime folder")


@test_alone
def nothing_is_left_after_a_run_that_ended_well():
    with Live() as live:
        clock, (opening, one) = Clock(), rounds(0)
        live.feed(packets.file_header() + clock.records(opening + one(0)))
        daemons = live.daemons()
        sockets = listening(daemons)
        live.end_of_input()
        check_equal(live.wait(10), support.DONE, "exit status")
        check_equal(support.wait_gone(daemons, 1), [], "daemons that stayed")
        left = [os.path.dirname(p) for p in sockets if os.path.exists(os.path.dirname(p))]
        check_equal(left, [], "left of the runtime folder")


def interrupted(with_signal, whole_group):
    with Live() as live:
        clock, (opening, one) = Clock(), rounds(0)
        live.feed(packets.file_header() + clock.records(opening))
        for r in range(300):
            live.feed(clock.records(one(r)))
        live.daemons()
        time.sleep(support.patience(0.3))  # what was fed is inside by then; input stays open
        if whole_group:
            os.killpg(live.pid, with_signal)  # as a terminal does
        else:
            live.process.send_signal(with_signal)
        check_equal(live.wait(10), support.DONE, "exit status")
        books = live.books()
        books.check_closed()
        lines = live.lines()
        check_equal(lines[0]["type"], "start", "first line")
        check_equal(lines[-1]["type"], "end", "last line")
        found = check_no_hole(lines)[0]
        check(found > 1000, "%d records" % found)
        check_equal(found, books.count("made"), "records written of those made")
        check("ledger closed" in live.stderr(), "closing line: %r" % live.stderr()[-200:])


@test_alone
def records_come_while_the_pipe_stays_open():
    with Live() as live:
        clock, (opening, one) = Clock(), rounds(0)
        live.feed(packets.file_header() + clock.records(opening + one(0)))
        end = time.monotonic() + support.in_the_end(3)
        while time.monotonic() < end:
            if os.path.exists(live.output) and sum(x["type"] == "pair" for x in live.whole_lines()) == 20:
                return
            time.sleep(0.05)
        raise support.Failure("%d lines of output in the end, wanted 20 pairs: input waits for a full window" %
                              len(live.whole_lines()))


@test_alone
def an_interrupt_closes_the_books():
    interrupted(signal.SIGINT, False)


@test_alone
def an_interrupt_from_a_terminal_closes_the_books():
    interrupted(signal.SIGINT, True)


@test_alone
def a_termination_closes_the_books():
    interrupted(signal.SIGTERM, False)


@test_alone
def an_open_request_at_the_end_is_unanswered_because_the_capture_ended():
    with Live() as live:
        clock, connection = Clock(), packets.Connection(0)
        live.feed(packets.file_header() + clock.records(connection.open() + connection.request(packets.get("/open"))))
        live.daemons()
        time.sleep(support.patience(0.3))
        live.process.send_signal(signal.SIGINT)
        check_equal(live.wait(10), support.DONE, "exit status")
        pairs = [line for line in live.lines() if line["type"] == "pair"]
        check_equal([(p["outcome"], p["why"]) for p in pairs], [("unanswered", "capture_ended")], "records")


@test_alone
def a_second_interrupt_ends_at_once():
    reading, writing = os.pipe()  # nobody ever reads: control cannot write its last batch
    try:
        with Live(output="-", stdout=writing) as live:
            clock, (opening, one) = Clock(), rounds(0)
            live.feed(packets.file_header() + clock.records(opening))
            for r in range(100):
                live.feed(clock.records(one(r)))
            daemons = live.daemons()
            time.sleep(support.patience(0.5))
            live.process.send_signal(signal.SIGINT)
            time.sleep(support.patience(0.3))
            check(live.process.poll() is None, "the first interrupt ended it with records unwritten")
            live.process.send_signal(signal.SIGINT)
            begun = time.monotonic()
            live.wait(3)
            check_equal(support.wait_gone(daemons, 2), [], "daemons that stayed")
            return "%.2f s" % (time.monotonic() - begun)
    finally:
        os.close(reading)
        os.close(writing)
