"""send - what `weir send` says it sent is what arrived, to the last frame.

Each test has a veth pair between two namespaces of its own. The receiver is an
XDP program, loaded here with bpf(2), that counts every numbered frame under
its number and drops it; so it is known which frames came, and how often.
"""
import ctypes
import json
import mmap
import os
import re
import signal
import socket
import struct
import subprocess
import threading
import time

from support import (DAMAGED, DONE, Failure, Folder, Run, SOURCE, Skip, USAGE, check, check_equal, environment, in_the_end,
                     patience, sanitized, stop, test, test_alone, waited_for_processor, weir, weir_path)

LIBC = ctypes.CDLL(None, use_errno=True)
CLONE_NEWNET = 0x40000000
SYS_BPF = {"x86_64": 321, "aarch64": 280}.get(os.uname().machine)
MAP_CREATE, PROG_LOAD, LINK_CREATE = 0, 5, 28
MAP_ARRAY, MAP_MMAPABLE, PROG_XDP, ATTACH_XDP, XDP_NATIVE = 2, 1 << 10, 6, 37, 1 << 2
MAGIC, MAGIC_AT, NUMBER_AT, NUMBERED_END = b"weir", 42, 46, 54


# ---------------------------------------------------------------- the receiver


def bpf(command, attributes):
    room = ctypes.create_string_buffer(attributes, 128)
    result = LIBC.syscall(SYS_BPF, command, room, 128)
    if result < 0:
        raise OSError(ctypes.get_errno(), "bpf(2): " + os.strerror(ctypes.get_errno()))
    return result


def instruction(code, to=0, source=0, offset=0, value=0):
    return struct.pack("<BBhi", code, to | source << 4, offset, value)


def counting_program(map_fd, calls):
    """If it is a numbered frame, add 1 to its number's entry; drop it. `calls` clock reads make it slow."""
    tail = [instruction(0x85, value=5)] * calls + [instruction(0xb7, to=0, value=1), instruction(0x95)]
    body = [  # r1 is the context, r2 the frame, r3 its end
        instruction(0x61, to=3, source=1, offset=4),
        instruction(0x61, to=2, source=1, offset=0),
        instruction(0xbf, to=4, source=2),
        instruction(0x07, to=4, value=NUMBERED_END),
        "out", instruction(0x2d, to=4, source=3),
        instruction(0x61, to=5, source=2, offset=MAGIC_AT),
        "out", instruction(0x55, to=5, value=int.from_bytes(MAGIC, "little")),
        instruction(0x79, to=5, source=2, offset=NUMBER_AT),
        instruction(0xdc, to=5, value=64),  # from network order
        instruction(0x63, to=10, source=5, offset=-4),
        instruction(0xbf, to=2, source=10),
        instruction(0x07, to=2, value=-4),
        instruction(0x18, to=1, source=1, value=map_fd), instruction(0),
        instruction(0x85, value=1),  # the entry of this number
        "out", instruction(0x15, to=0, value=0),
        instruction(0xb7, to=1, value=1),
        instruction(0xdb, to=0, source=1),  # one more
    ]
    code = [step for step in body if step != "out"]
    at = 0
    for before, step in zip([""] + body, body):
        if step == "out":
            continue
        if before == "out":  # a jump behind the body
            code[at] = step[:2] + struct.pack("<h", len(code) - at - 1) + step[4:]
        at += 1
    return b"".join(code + tail)


class Receiver:
    """Counts numbered frames below `numbers` on an interface, until closed."""

    def __init__(self, interface_index, numbers, calls=0):
        self.map_fd = bpf(MAP_CREATE, struct.pack("<IIIII", MAP_ARRAY, 4, 8, numbers, MAP_MMAPABLE))
        self.memory = mmap.mmap(self.map_fd, (numbers * 8 + 4095) // 4096 * 4096)
        self.numbers = numbers
        program = counting_program(self.map_fd, calls)
        text = ctypes.create_string_buffer(program, len(program))
        licence = ctypes.create_string_buffer(b"GPL")
        self.program_fd = bpf(PROG_LOAD, struct.pack("<IIQQ", PROG_XDP, len(program) // 8, ctypes.addressof(text),
                                                     ctypes.addressof(licence)))
        self.link_fd = bpf(LINK_CREATE, struct.pack("<IIII", self.program_fd, interface_index, ATTACH_XDP, XDP_NATIVE))

    def counts(self):
        """How often each number came."""
        return struct.unpack("<%dQ" % self.numbers, self.memory[:self.numbers * 8])

    def total(self):
        return sum(self.counts())

    def close(self):
        for fd in (self.link_fd, self.program_fd, self.map_fd):
            os.close(fd)
        self.memory.close()


# ---------------------------------------------------------------- two namespaces and a veth


def ip(*words, must=True):
    done = subprocess.run(["ip", *map(str, words)], capture_output=True, text=True, check=False)
    if must and done.returncode != 0:
        raise Failure("ip %s: %s" % (" ".join(map(str, words)), done.stderr.strip()))
    return done


def inside(name, function):
    """Call a function with the calling thread in the namespace; what it opens stays there."""
    found = []

    def go():
        try:
            with open("/run/netns/" + name) as f:
                if LIBC.setns(f.fileno(), CLONE_NEWNET) < 0:
                    raise OSError(ctypes.get_errno(), "setns")
            found.append(function())
        except Exception as why:  # told in the thread that asked
            found.append(why)

    thread = threading.Thread(target=go)
    thread.start()
    thread.join()
    if isinstance(found[0], Exception):
        raise found[0]
    return found[0]


class Pair:
    """out0 in one namespace, in0 in the other; nothing but the test's frames on them."""

    made = 0

    def __init__(self, queues=1, mtu=1500):
        Pair.made += 1
        self.names = ["weir-send-%d-%d-%s" % (os.getpid(), Pair.made, end) for end in "ab"]
        self.queues, self.mtu = queues, mtu
        self.receivers = []

    def __enter__(self):
        if os.geteuid() != 0:
            raise Skip("namespaces and raw sockets need root")
        weir_path()
        try:
            self.make()
        except Exception:
            self.__exit__()
            raise
        return self

    def make(self):
        sender, receiver = self.names
        for name in self.names:
            if ip("netns", "add", name, must=False).returncode != 0:
                raise Skip("no network namespace can be made here")
            for which in ("all", "default"):
                subprocess.run(["ip", "netns", "exec", name, "sysctl", "-qw",
                                "net.ipv6.conf.%s.disable_ipv6=1" % which], check=False, capture_output=True)
        queues = ["numtxqueues", self.queues, "numrxqueues", self.queues]
        ip("-n", sender, "link", "add", "out0", "mtu", self.mtu, *queues, "type", "veth", "peer", "name", "in0", "mtu",
           self.mtu, *queues, "netns", receiver)
        ip("-n", sender, "link", "set", "out0", "up")
        ip("-n", receiver, "link", "set", "in0", "up")

    def __exit__(self, *unused):
        for receiver in self.receivers:
            receiver.close()
        for name in self.names:
            ip("netns", "del", name, must=False)

    def receiver(self, numbers, calls=0):
        """An XDP receiver on in0."""
        if SYS_BPF is None:
            raise Skip("the number of bpf(2) on this machine is not known")
        made = inside(self.names[1], lambda: Receiver(socket.if_nametoindex("in0"), numbers, calls))
        self.receivers.append(made)
        return made

    def slow_receiver(self, numbers):
        """One whose kernel thread takes far longer over a frame than the sender."""
        made = self.receiver(numbers, calls=100)
        done = subprocess.run(["ip", "netns", "exec", self.names[1], "sh", "-c",
                               "echo 1 > /sys/class/net/in0/threaded"], check=False, capture_output=True)
        if done.returncode != 0:
            raise Skip("in0 cannot be polled by a thread: a full queue cannot be had")
        return made

    def listener(self, kind=socket.SOCK_RAW):
        """A packet socket on in0 with room for everything."""
        def make():
            made = socket.socket(socket.AF_PACKET, kind, socket.htons(3))
            made.setsockopt(socket.SOL_SOCKET, 33, 256 << 20)  # SO_RCVBUFFORCE
            made.bind(("in0", 3))
            made.settimeout(in_the_end(2))
            return made

        return inside(self.names[1], make)

    def counters(self):
        """Packets sent and dropped by the kernel's own count."""
        done = ip("-n", self.names[0], "-s", "-j", "link", "show", "out0")
        sent = json.loads(done.stdout)[0]["stats64"]["tx"]
        return sent["packets"], sent["dropped"]

    def command(self, *options):
        return ["ip", "netns", "exec", self.names[0], weir_path(), "send", "--iface", "out0", *map(str, options)]

    def start(self, *options):
        return subprocess.Popen(self.command(*options), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, env=environment())

    def send(self, *options, status=DONE, timeout=60):
        process = self.start(*options)
        try:
            return finished(process, status, timeout)
        finally:
            stop(process)


def finished(process, status=DONE, timeout=60):
    output, errors = process.communicate(timeout=patience(timeout))
    return Run(process.returncode, errors.decode(), output).check_sane().check_status(status)


def report_of(run):
    return json.loads(run.output)


BACK_ENDS = ("af_xdp", "af_packet")


def check_books(report, receiver, what):
    """Every number was offered; what was sent came once, what was dropped did not come."""
    time.sleep(0.3)  # what lies in the other end's queue
    counts = receiver.counts()
    offered = report["frames"] + report["dropped"]
    check_equal((report["first_number"], report["last_number"]), (0, offered - 1), what + ": numbers")
    check(max(counts) <= 1, "%s: a frame came twice" % what)
    check_equal(sum(counts[:offered]), report["frames"], what + ": frames that came")
    check_equal(sum(counts[offered:]), 0, what + ": frames that were never offered")


# ---------------------------------------------------------------- tests


@test_alone
def every_numbered_frame_arrives_once():
    for tx in BACK_ENDS:
        with Pair() as pair:
            receiver = pair.receiver(100000)
            report = report_of(pair.send("--tx", tx, "--count", 100000, "--rate", "200k", "--json"))
            check_books(report, receiver, tx)
            check_equal((report["frames"], report["bytes"], report["tx"]), (100000, 6400000, tx), tx)
            check_equal(pair.counters()[0], 100000, tx + ": tx_packets")


@test_alone
def a_full_receiver_costs_frames_that_are_all_named():
    told = []
    for tx in BACK_ENDS:
        with Pair() as pair:
            receiver = pair.slow_receiver(200000)
            report = report_of(pair.send("--tx", tx, "--count", 200000, "--json"))
            check_books(report, receiver, tx)
            check(report["dropped"] > 0, "%s: the receiver was never full: the test shows nothing" % tx)
            check_equal(pair.counters(), (report["frames"], report["dropped"]), tx + ": the kernel's counters")
            told.append("%s dropped %d" % (tx, report["dropped"]))
    return ", ".join(told)


@test_alone
def retrying_brings_every_frame_across_once():
    for tx in BACK_ENDS:
        with Pair() as pair:
            receiver = pair.slow_receiver(100000)
            report = report_of(pair.send("--tx", tx, "--count", 100000, "--retry", "on", "--json"))
            check_books(report, receiver, tx)
            check_equal((report["frames"], report["dropped"]), (100000, 0), tx)
            check_equal(pair.counters(), (100000, report["retries"]), tx + ": the kernel's counters")


@test_alone
def a_queueing_discipline_on_the_sender_changes_nothing_in_the_books():
    for tx in BACK_ENDS:
        with Pair() as pair:
            receiver = pair.slow_receiver(100000)
            done = subprocess.run(["ip", "netns", "exec", pair.names[0], "tc", "qdisc", "add", "dev", "out0", "root",
                                   "pfifo"], check=False, capture_output=True, text=True)
            if done.returncode != 0:
                raise Skip("no queueing discipline can be set here: %s" % done.stderr.strip())
            report = report_of(pair.send("--tx", tx, "--count", 50000, "--json", timeout=120))
            check_books(report, receiver, tx)


@test_alone
def frames_that_only_the_other_end_refuses_are_dropped_by_name():
    for tx in BACK_ENDS:
        with Pair() as pair:
            receiver = pair.receiver(1000)
            ip("-n", pair.names[1], "link", "set", "in0", "mtu", 500)
            report = report_of(pair.send("--tx", tx, "--count", 1000, "--size", 1000, "--json"))
            check_equal((report["frames"], report["dropped"], receiver.total()), (0, 1000, 0), tx)


@test_alone
def long_frames_arrive_whole():
    for tx in BACK_ENDS:
        with Pair(mtu=9000) as pair:
            listener = pair.listener()
            report = report_of(pair.send("--tx", tx, "--count", 50, "--size", 9014, "--json"))
            check_equal((report["frames"], report["bytes"], report["dropped"]), (50, 50 * 9014, 0), tx)
            for number in range(50):
                frame = listener.recv(10000)
                check_equal((len(frame), frame[MAGIC_AT:MAGIC_AT + 4]), (9014, MAGIC), tx)
                check_equal(int.from_bytes(frame[NUMBER_AT:NUMBER_AT + 8], "big"), number, tx + ": number")
                check(not any(frame[NUMBERED_END:]), tx + ": the rest is not zeros")
            listener.close()


@test_alone
def numbered_frames_are_what_the_documentation_says():
    with Pair() as pair:
        listener = pair.listener()
        pair.send("--count", 7, "--size", 100, "--flows", 3)
        for number in range(7):
            frame = listener.recv(2000)
            check_equal(frame[:14].hex(), "02000a53000202000a5300010800", "Ethernet")
            check_equal((frame[26:30], frame[30:34]), (bytes([10, 83, 0, 1]), bytes([10, 83, 0, 2])), "addresses")
            check_equal(struct.unpack(">HHHH", frame[34:42]), (9 + number % 3, 9, 100 - 34, 0), "UDP")
            total = sum(struct.unpack(">10H", frame[14:34]))
            check_equal(total % 0xffff, 0, "the IPv4 checksum")
        listener.close()


@test_alone
def a_queue_is_the_queue_of_that_number_at_the_other_end():
    with Pair(queues=2) as pair:
        pair.receiver(2000)
        pair.send("--tx", "af_xdp", "--queue", 1, "--count", 1000)
        time.sleep(0.2)
        done = subprocess.run(["ip", "netns", "exec", pair.names[1], "ethtool", "-S", "in0"], capture_output=True,
                              text=True, check=False)
        if done.returncode != 0:
            raise Skip("ethtool is not there to ask for the counters of a queue")
        packets = dict(re.findall(r"rx_queue_(\d)_xdp_packets: (\d+)", done.stdout))
        check_equal(packets, {"0": "0", "1": "1000"}, "packets by queue")


@test_alone
def the_rate_is_the_one_that_was_asked_for():
    told = []
    for tx in BACK_ENDS:
        with Pair() as pair:
            receiver = pair.receiver(400000)
            for rate, count in ((500, 500), (20000, 20000), (200000, 200000)):
                run = pair.send("--tx", tx, "--rate", rate, "--count", count, "--json")
                report = report_of(run)
                check_equal((report["frames"], report["asked"]), (count, rate), tx)
                check(report["rate"] <= rate * 1.001, "%s: %d, faster than %d" % (tx, report["rate"], rate))
                short = report["rate"] < 0.99 * rate
                check_equal("fell short" in run.stderr, short, "%s: the warning at %d of %d" % (tx, report["rate"], rate))
                told.append("%d of %d" % (report["rate"], rate))
            check(receiver.total() > 0, "nothing came")
    return ", ".join(told)


@test_alone
def a_rate_out_of_reach_is_told():
    with Pair() as pair:
        pair.receiver(1)
        run = pair.send("--rate", "900m", "--duration", "500ms")
        check("fell short of the asked by" in run.stderr, "no warning: %s" % run.stderr)


@test_alone
def af_xdp_sends_a_million_small_frames_a_second():
    if sanitized():
        raise Skip("not with a sanitizer")
    said = []
    while len(said) < 5:  # once is enough: what else the machine has to do is not its time
        with Pair() as pair:
            receiver = pair.receiver(1 << 23)
            report, seconds = send_and_watch(pair, "--tx", "af_xdp", "--duration", "2s", "--json")
            check_books(report, receiver, "af_xdp")
            said.append("%d frames/s, %d in the %.2f s for which it had a processor" %
                        (report["rate"], report["frames"], seconds))
            if max(report["rate"], report["frames"] / seconds) >= 1e6:
                return said[-1]
    raise Failure("never: " + "; ".join(said))


def send_and_watch(pair, *options):
    """(The report, how long the sender lived, less what it could have run and did not.)"""
    begun, process, waited = time.monotonic(), pair.start(*options), 0.0
    try:
        while process.poll() is None:
            waited = max(waited, waited_for_processor(process.pid))
            time.sleep(0.02)
        return report_of(finished(process)), time.monotonic() - begun - waited
    finally:
        stop(process)


@test_alone
def a_signal_ends_it_with_a_report_that_is_right():
    for tx in BACK_ENDS:
        for number in (signal.SIGINT, signal.SIGTERM):
            with Pair() as pair:
                receiver = pair.receiver(1 << 22)
                process = pair.start("--tx", tx, "--rate", "100k", "--json")
                try:
                    time.sleep(0.7)
                    process.send_signal(number)
                    report = report_of(finished(process))
                finally:
                    stop(process)
                check_books(report, receiver, tx)
                check(report["frames"] > 1000, "%s: only %d frames in 0.7 s" % (tx, report["frames"]))


@test_alone
def an_interface_that_goes_away_ends_it_with_a_report_that_is_right():
    for tx in BACK_ENDS:
        for change in (("set", "out0", "down"), ("del", "out0")):
            with Pair() as pair:
                receiver = pair.receiver(1 << 20)
                process = pair.start("--tx", tx, "--rate", "50k", "--json")
                try:
                    time.sleep(0.7)
                    ip("-n", pair.names[0], "link", *change)
                    run = finished(process, SOURCE)
                finally:
                    stop(process)
                report = report_of(run)
                sentence, *others = run.stderr.splitlines()
                check("out0" in sentence, "out0 is not named: %s" % run.stderr)
                # While it goes down it refuses frames for a moment, so the rate may have fallen short.
                check(all("fell short" in line for line in others), "more than one sentence: %s" % run.stderr)
                time.sleep(0.3)
                # Frames that lay in the queue of an interface that was removed are gone.
                lost = report["frames"] - receiver.total()
                check(0 <= lost <= (256 if change[0] == "del" else 0), "%s %s: %d sent, %d came" %
                      (tx, change, report["frames"], receiver.total()))


# ---------------------------------------------------------------- captures


def pcap(frames, link=1):
    """A capture of (bytes, length on the wire)."""
    made = struct.pack("<IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, 65535, link)
    for number, (data, wire) in enumerate(frames):
        made += struct.pack("<IIII", 1700000000, number, len(data), wire) + data
    return made


def some_frames(count):
    return [bytes(12) + b"\x88\xb5" + bytes([n % 251]) * (46 + n * 7 % 1400) for n in range(count)]


@test_alone
def a_capture_is_sent_byte_for_byte():
    frames = some_frames(300)
    for tx in BACK_ENDS:
        with Pair() as pair, Folder() as folder:
            path = folder.file("a.pcap", pcap([(f, len(f) + (10 if n % 3 == 0 else 0)) for n, f in enumerate(frames)]))
            listener = pair.listener()
            report = report_of(pair.send("--tx", tx, path, "--json"))
            check_equal([listener.recv(2000) for _ in frames], frames, tx + ": the frames")
            check_equal((report["frames"], report["cut"], report["bytes"]), (300, 100, sum(map(len, frames))), tx)
            check_equal((report["first_number"], report["last_number"]), (None, None), "numbers")
            listener.close()


@test_alone
def a_loop_begins_again_until_the_count():
    frames = some_frames(10)
    with Pair() as pair, Folder() as folder:
        path = folder.file("a.pcap", pcap([(f, len(f)) for f in frames]))
        listener = pair.listener()
        report = report_of(pair.send(path, "--loop", "--count", 25, "--json"))
        check_equal(report["frames"], 25, "frames")
        check_equal([listener.recv(2000) for _ in range(25)], (frames * 3)[:25], "the frames")
        empty = folder.file("empty.pcap", pcap([]))
        check_equal(report_of(pair.send(empty, "--loop", "--json"))["frames"], 0, "of an empty capture")
        listener.close()


@test_alone
def frames_that_no_interface_takes_are_counted_and_the_others_sent():
    frames = [bytes(60), bytes(13), bytes(1515), bytes(1514), bytes(12) + b"\x81\x00" + bytes(1504)]
    for tx in BACK_ENDS:
        with Pair() as pair, Folder() as folder:
            path = folder.file("a.pcap", pcap([(f, len(f)) for f in frames]))
            report = report_of(pair.send("--tx", tx, path, "--json"))
            check_equal((report["frames"], report["unsendable"], report["dropped"]), (3, 2, 0), tx)


@test_alone
def a_damaged_capture_is_sent_up_to_the_damage():
    frames = some_frames(20)
    with Pair() as pair, Folder() as folder:
        path = folder.file("a.pcap", pcap([(f, len(f)) for f in frames])[:-5])
        run = pair.send(path, "--json", status=DAMAGED)
        check_equal(report_of(run)["frames"], 19, "frames")
        check("a.pcap" in run.stderr, "the file is not named: %s" % run.stderr)


@test_alone
def synth_traffic_is_sent():
    with Pair() as pair:
        report = report_of(pair.send("--rx", "synth:packets=5000", "--json"))
        check_equal((report["frames"], report["dropped"]), (5000, 0), "frames")


# ---------------------------------------------------------------- refusals


def refused(run, *words):
    check_equal(run.output, b"", "output")
    check(len(run.stderr.splitlines()) <= 2, "more than a sentence: %s" % run.stderr)
    for word in words:
        check(word in run.stderr, "%r is not in: %s" % (word, run.stderr))


@test_alone
def what_cannot_be_is_refused_with_its_remedy():
    with Pair() as pair, Folder() as folder:
        raw = folder.file("raw.pcap", pcap([(bytes(40), 40)], link=101))
        text = folder.file("text", b"no capture at all, only words" * 4)
        refused(pair.send("--size", 9000, status=USAGE), "mtu 8986")
        refused(pair.send("--queue", 7, status=SOURCE), "queue 7")
        refused(pair.send("--queue", 0, "--tx", "af_packet", status=USAGE), "--tx af_xdp")
        refused(pair.send("--tx", "pigeon", status=USAGE), "auto, af_xdp, af_packet")
        refused(pair.send("/nowhere/at/all.pcap", status=SOURCE), "/nowhere/at/all.pcap")
        refused(pair.send(text, status=SOURCE), "cannot be read as a capture")
        refused(pair.send("--rx", "synth:packet=3", status=USAGE), "no option packet")
        refused(pair.send("--loop", "-", status=USAGE), "read only once")
        check("link type 101" in pair.send(raw, status=SOURCE).stderr, "the link type is not named")
        refused(pair.send("--iface", "eth99", status=SOURCE), "no such interface", "out0")
        refused(pair.send("--iface", "lo", status=SOURCE), "ip link set lo up")
        ip("-n", pair.names[1], "link", "set", "in0", "down")
        refused(pair.send("--count", 1, status=SOURCE), "no carrier")


def refused_at_once(*options):
    """Without an interface: what the command line alone says is wrong."""
    run = weir("send", *options).check_sane().check_status(USAGE)
    check_equal(run.output, b"", "output")
    return run.stderr


@test
def a_wrong_command_line_is_told_what_is_wrong():
    for options, words in (
            ((), "--iface"),
            (("--iface",), "needs a value"),
            (("--iface", "x", "--rat", "1"), "did you mean --rate"),
            (("--iface", "x", "-q"), "no such option"),
            (("--iface", "x", "--rate", "0"), "500k"),
            (("--iface", "x", "--rate", "-5"), "500k"),
            (("--iface", "x", "--rate", "nan"), "500k"),
            (("--iface", "x", "--rate", "2g"), "500k"),
            (("--iface", "x", "--count", "many"), "500k"),
            (("--iface", "x", "--size", "59"), "from 60 to 65549"),
            (("--iface", "x", "--size", "65550"), "from 60 to 65549"),
            (("--iface", "x", "--flows", "0"), "from 1 to 60000"),
            (("--iface", "x", "--queue", "65536"), "from 0 to 65535"),
            (("--iface", "x", "--duration", "0"), "500ms"),
            (("--iface", "x", "--retry", "maybe"), "on or off"),
            (("--iface", "x", "--rx", "af_xdp:eth0"), "synth:"),
            (("--iface", "x", "--loop"), "no end"),
            (("--iface", "x", "a.pcap", "b.pcap"), "one file"),
            (("--iface", "x", "a.pcap", "--rx", "synth"), "exclude"),
            (("--iface", "x", "a.pcap", "--size", "100"), "numbered")):
        check(words in refused_at_once(*options), "%s: %r is not in the answer" % (" ".join(options), words))


@test
def help_names_every_option():
    text = weir("send", "--help").check_sane().check_status(DONE).output.decode()
    for name in ("iface", "tx", "queue", "rate", "count", "duration", "size", "flows", "rx", "loop", "retry", "json",
                 "quiet"):
        check("--" + name in text, "--%s is not in the help" % name)


@test_alone
def without_privilege_there_is_a_sentence():
    with Pair() as pair:
        for tx in BACK_ENDS + ("auto",):
            command = pair.command("--tx", tx, "--count", 1)
            command[4:4] = ["setpriv", "--bounding-set=-all", "--inh-caps=-all", "--reuid=65534", "--clear-groups"]
            done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment())
            if "setpriv" in done.stderr or "denied" in done.stderr:
                raise Skip("the command cannot be run without privilege here: %s" % done.stderr.strip())
            check_equal(done.returncode, SOURCE, tx)
            check("run as root" in done.stderr, "no remedy: %s" % done.stderr)
