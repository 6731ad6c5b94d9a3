"""dpdk - every virtual device of DPDK end to end.

Answers: are the pairs those of the server's own log, through each driver; does
the kernel's word beneath the driver close the books, also when packets are
lost; is what nobody counts said to be not checkable; is nothing left behind,
however it ends; does a looped capture have new connections in each round; is
what cannot work refused with a sentence and a status.
"""
import functools
import json
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import time

import support
import wire_support as wire
from support import DONE, Folder, SOURCE, Skip, USAGE, check, check_equal, test, test_alone, weir
from wire_support import NOBODY, Capture, Lab, Nginx, Refusal, Snapshot, ask, check_same, until

ON_TAP = {
    "net_af_packet": "dpdk:net_af_packet0,iface=tap0",
    "net_af_xdp": "dpdk:net_af_xdp0,iface=tap0",
    "net_pcap": "dpdk:net_pcap0,rx_iface=tap0",
}
SMALL = {  # with rings that are soon full
    "net_af_packet": "dpdk:net_af_packet0,iface=tap0,framecnt=256",
    "net_af_xdp": "dpdk:net_af_xdp0,iface=tap0",
    "net_pcap": "dpdk:net_pcap0,rx_iface=tap0",
}


def over_each_driver(mark):
    def make(function):
        for name in ON_TAP:
            made = functools.partial(function, name)
            made.__module__, made.__name__ = function.__module__, "%s: %s" % (name, function.__name__)
            # What net_pcap gets from libpcap lasts for some milliseconds: a neighbour's load costs packets.
            (test_alone if name == "net_pcap" else mark)(made)
        return function
    return make


MODULE = "weir-rx-dpdk.so"


def need_dpdk():
    """A module that is there and does not work is no reason to skip."""
    if re.search(r"^dpdk .*its module %s is not in" % MODULE, wire.listing(), re.M):
        raise Skip("this build has no back end dpdk")


def captured(lab, *arguments, **others):
    need_dpdk()
    return Capture(lab, *arguments, **others)


def rx(spec, *more):
    return ("--rx", ",".join([spec, *more]))


# ---------------------------------------------------------------- a capture file


def tcp(client, number, from_client, seq, ack, flags, payload=b""):
    """A frame of one of the connections 10.9.8.7:client <-> 10.9.8.6:80."""
    ends = (bytes((10, 9, 8, 7)), client), (bytes((10, 9, 8, 6)), 80)
    source, target = ends if from_client else ends[::-1]
    l4 = struct.pack("!HHIIBBHHH", source[1], target[1], seq, ack, 5 << 4, flags, 65535, 0, 0)
    ip = struct.pack("!BBHHHBBH", 0x45, 0, 40 + len(payload), number & 0xffff, 0, 64, 6, 0)
    return bytes(12) + b"\x08\x00" + ip + source[0] + target[0] + l4 + payload


def write_capture(path, connections, body_bytes=300):
    """One exchange per connection, from SYN to FIN; Returns: packets."""
    frames = []
    for i in range(connections):
        client = 10000 + i
        request = b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n" % i
        response = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % body_bytes + b"b" * body_bytes
        c, s = 1000 + len(request), 5000 + len(response)
        for from_client, seq, ack, flags, payload in (
                (True, 999, 0, 0x02, b""), (False, 4999, 1000, 0x12, b""), (True, 1000, 5000, 0x10, b""),
                (True, 1000, 5000, 0x18, request), (False, 5000, c, 0x18, response), (True, c, s, 0x11, b""),
                (False, s, c + 1, 0x11, b""), (True, c + 1, s + 1, 0x10, b"")):
            frames.append(tcp(client, len(frames), from_client, seq, ack, flags, payload))
    with open(path, "wb") as f:
        f.write(struct.pack("<IHHIIII", 0xa1b2c3d4, 2, 4, 0, 0, 65535, 1))
        for i, frame in enumerate(frames):
            f.write(struct.pack("<IIII", 1700000000 + i // 1000, i % 1000 * 1000, len(frame), len(frame)) + frame)
    return len(frames)


class Packets:
    """A folder with a capture of so many exchanges."""

    def __init__(self, connections):
        self.connections, self.folder = connections, Folder()

    def __enter__(self):
        self.path = os.path.join(self.folder.__enter__().path, "made.pcap")
        self.packets = write_capture(self.path, self.connections)
        return self

    def __exit__(self, *why):
        self.folder.__exit__(*why)


def run_to_its_end(*arguments, seconds=20):
    with captured(None, *arguments, wait=False) as live:
        return live.wait(seconds).check_status(DONE)


# ---------------------------------------------------------------- real traffic


@over_each_driver(test)
def pairs_are_the_lines_of_the_servers_own_log(driver):
    with Lab() as lab, Nginx(lab) as nginx:
        snapshot = Snapshot(lab)
        with captured(lab, *rx(ON_TAP[driver])) as live:
            mode = live.mode()
            snapshot.note(live.pid, live.dataplane())
            asked = ask(lab) + ask(lab, connections=3, rounds=12, address="fd83::2")
            nginx.stop()
            run = live.end()
        source = run.source()
        check(source.offered == source.received and not source.lost, "losses at a few packets a second: %r" % source)
        check_same(run.pairs, nginx.answered(), driver)
        check_equal(len(run.pairs), asked, "pairs, of requests that the client counted")
        snapshot.check_the_same(driver)
        return "%d pairs; %s" % (asked, mode)


@over_each_driver(test_alone)
def numbered_frames_are_received_or_lost_by_name(driver):
    with Lab() as lab, captured(lab, *rx(SMALL[driver])) as live:
        dataplane = live.dataplane()
        with lab.begin_sending("--count", 24000, "--size", 1000, "--rate", "40k") as sender:
            time.sleep(0.2)
            os.kill(dataplane, signal.SIGSTOP)
            time.sleep(0.4)
            os.kill(dataplane, signal.SIGCONT)
            report = sender.report()
        time.sleep(0.1)
        run = live.end()
        source = run.source()
        lost = sum(source.lost.values())
        wire_drops = lab.wire_drops()
        check_equal(source.offered, source.received + lost, "offered")
        check_equal(source.offered + wire_drops, report["frames"], "offered and lost on the wire, of frames sent")
        check(lost > 100, "next to nothing was lost, so nothing is shown: %r" % source)
        return "received %d, lost %s" % (source.received, dict(source.lost))


@test
def two_workers_share_a_packet_socket_by_flow():
    with Lab() as lab, Nginx(lab) as nginx, captured(lab, *rx(ON_TAP["net_af_packet"]), "--workers", 2) as live:
        ask(lab, connections=24, rounds=15)
        nginx.stop()
        run = live.end()
        check_same(run.pairs, nginx.answered(), "two workers")
        check_equal({r["worker"] for r in run.pairs}, {0, 1}, "workers that had something to do")


@test
def several_ports_are_one_capture():
    with Lab() as lab, Nginx(lab) as nginx:
        with captured(lab, *rx(ON_TAP["net_af_packet"]), *rx("dpdk:net_tap0,iface=own0")) as live:
            asked = ask(lab)
            nginx.stop()
            run = live.end()
        check_same(run.pairs, nginx.answered(), "two ports")
        check_equal(len(run.sources()), 2, "sources")
        check_equal(len(run.pairs), asked, "pairs")


@test
def a_tap_receives_what_the_kernel_sends_into_it():
    with Lab() as lab, captured(lab, *rx("dpdk:net_tap0,iface=own0")) as live:
        report = lab.send("--count", 2000, "--size", 300, "--rate", "10k", "--tx", "af_packet", host="tap",
                          interface="own0")
        run = live.end()
        source = run.source()
        check(source.received >= report["frames"], "received %r of %d" % (source, report["frames"]))
        check_equal(source.offered, source.received + sum(source.lost.values()), "offered")
        until(lambda: "own0" not in lab.link("tap", "show"), 3, "the tap is gone")


@test_alone
def what_finds_a_tap_full_is_lost_by_name():
    with Lab() as lab, captured(lab, *rx("dpdk:net_tap0,iface=own0")) as live:
        dataplane = live.dataplane()
        os.kill(dataplane, signal.SIGSTOP)
        report = lab.send("--count", 3000, "--size", 300, "--rate", "20k", "--tx", "af_packet", host="tap",
                          interface="own0")
        os.kill(dataplane, signal.SIGCONT)
        source = live.end().source()
        lost = source.lost["kernel_buffer"]
        check(lost > 1000, "a queue of 500 packets held 3000: %r" % source)
        check_equal(source.offered, source.received + lost, "offered")
        check(source.offered >= report["frames"], "offered %r of %d" % (source, report["frames"]))


TESTPMD = ("dpdk-testpmd", "--no-huge", "-m", "256", "--no-shconf", "--no-pci", "--no-telemetry", "--lcores",
           "0@(%s),1@(%s)")


@test
def a_memif_peer_in_another_process_is_heard():
    wire.need("dpdk-testpmd")
    name = "weir-test-" + wire.new_name()
    cores = ",".join(map(str, sorted(os.sched_getaffinity(0))))
    with Packets(100) as made, captured(None, *rx("dpdk:net_memif0,role=server,socket=%s" % name)) as live:
        words = [w.replace("%s", cores) for w in TESTPMD]
        peer = subprocess.Popen(
            [*words, "--vdev", "net_pcap0,rx_pcap=" + made.path, "--vdev",
             "net_memif0,role=client,socket=%s,rsize=11" % name, "--", "-i", "--total-num-mbufs=8192",
             "--forward-mode=io", "--no-flush-rx"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        try:
            until(lambda: "the link is up" in live.stderr(), 15, "the peer is connected")
            peer.stdin.write(b"start\n")
            peer.stdin.flush()
            until(lambda: live.received() >= made.packets, 10, "all packets came")
            said, _ = peer.communicate(b"quit\n", timeout=support.patience(15))
        finally:
            support.stop(peer)
        run = live.stop().check_status(DONE)
        check_equal(run.source().received, made.packets, "received; testpmd said: %r" % said[-300:])
        check_equal(len(run.paired()), 100, "pairs")
        check_equal(run.source().offered, None, "offered")
        check("not checkable" in run.stderr, "stderr: %s" % run.stderr[-600:])


# ---------------------------------------------------------------- from memory


def records_of(run):
    return sorted((r["client"]["port"], r["request"]["target"], r["response"]["code"]) for r in run.pairs
                  if r["outcome"] == "paired")


@test
def a_file_through_the_driver_gives_what_weir_reads_from_it():
    with Packets(500) as made:
        read = support.read(made.path)
        for spec in ("dpdk:net_pcap0,rx_pcap=" + made.path, "dpdk:net_ring0,rounds=1,feed=" + made.path):
            run = run_to_its_end(*rx(spec))
            check_equal(records_of(run), records_of(read), spec)
            check_equal(run.source().offered, made.packets, "offered")
            check_equal(run.source().received, made.packets, "received")


@test
def each_round_of_a_feed_has_connections_of_its_own():
    with Packets(200) as made:
        for workers in (1, 2, 3):
            run = run_to_its_end(*rx("dpdk:net_ring0,rounds=5,feed=" + made.path), "--workers", workers)
            check_equal(len(run.paired()), 1000, "pairs with %d workers" % workers)
            check_equal(sum(s.offered for s in run.sources()), 5 * made.packets, "offered")
            check_equal(len({(r["client"]["ip"], r["client"]["port"]) for r in run.pairs}), 1000, "clients")


@test
def a_loop_ends_at_the_count_or_after_the_time():
    with Packets(50) as made:
        for spec in ("dpdk:net_pcap0,infinite_rx=1,rx_pcap=" + made.path, "dpdk:net_ring0,feed=" + made.path):
            run = run_to_its_end(*rx(spec), "--count", 80 * made.packets)
            check(len(run.paired()) >= 4000, "%s: %d pairs" % (spec, len(run.paired())))
            check_equal(len({(r["client"]["ip"], r["client"]["port"]) for r in run.paired()}), len(run.paired()),
                        "connections")
            run = run_to_its_end(*rx(spec), "--duration", "300ms", "--until", "decode")
            check(run.source().received > made.packets, "%s: received in 300 ms: %r" % (spec, run.source()))


@test
def what_a_driver_makes_up_is_not_checkable():
    run = run_to_its_end(*rx("dpdk:net_null0"), "--count", 5000)
    check_equal(run.source().offered, None, "offered")
    check("not checkable" in run.stderr, "stderr: %s" % run.stderr[-400:])


@test
def several_ports_with_several_workers_close_their_books():
    with Packets(100) as made:
        ring = ["dpdk:net_ring%d,feed=%s" % (i, made.path) for i in (0, 1)]
        run = run_to_its_end(*rx(ring[0]), *rx(ring[1]), "--workers", 2, "--count", 40 * made.packets)
        check_equal(len(run.sources()), 2, "sources")
        for source in run.sources():
            check(source.received > 0 and source.offered == source.received, "source: %r" % source)
        check(run.closing_line, "the ledger is open: %s" % run.stderr[-400:])
        run = run_to_its_end(*rx(ring[0]), *rx("dpdk:net_null0"), *rx("dpdk:net_pcap0,infinite_rx=1" + 2 *
                             (",rx_pcap=" + made.path)), "--workers", 2, "--count", 40 * made.packets)
        check_equal([s.offered is None for s in run.sources()], [False, True, True], "sources of which nobody knows")
        check(all(s.received > 0 for s in run.sources()), "sources: %r" % run.sources())
        check("not checkable" in run.stderr, "stderr: %s" % run.stderr[-400:])


# ---------------------------------------------------------------- the machine


def only_weirs_lines(text):
    """Everything on standard error is a line of weir's own."""
    strange = [x for x in text.splitlines() if x.strip() and not re.match(r"weir\b|source |packets |payload |messages |records ", x)]
    check_equal(strange, [], "lines that are not weir's")


@test
def whoever_is_killed_leaves_nothing(driver="net_af_xdp"):
    with Lab() as lab:
        snapshot = Snapshot(lab)
        for who in ("dataplane", "weir"):
            with captured(lab, *rx(ON_TAP[driver])) as live:
                snapshot.note(live.pid, live.dataplane(), live.control())
                os.kill(live.dataplane() if who == "dataplane" else live.pid, signal.SIGKILL)
                live.process.wait(support.patience(10))
                snapshot.check_the_same("%s, %s killed" % (driver, who))
                check_equal([x for x in wire.runtime_folders(live.name)
                             if os.listdir(os.path.join(wire.RUNTIME, x))], [], "what is in the runtime folder")


@test
def nobody_has_a_privilege_and_the_terminal_is_weirs():
    with Lab() as lab, captured(lab, *rx(ON_TAP["net_af_xdp"])) as live:
        for thread in wire.status_of_threads(live.dataplane()):
            check_equal(int(thread["CapEff"], 16) | int(thread["CapPrm"], 16), 0, "capabilities of %s" % thread["Name"])
            check("0" not in thread["Uid"].split(), "%s runs as root" % thread["Name"])
            if not support.sanitized():
                check_equal(thread["Seccomp"], "2", "seccomp of %s" % thread["Name"])
        run = live.end()
        only_weirs_lines(run.stderr)


def telemetry(folder, *questions):
    """What DPDK's telemetry answers; its socket is of packets."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as s:
        s.settimeout(support.patience(5))
        s.connect(os.path.join(folder, "dpdk", "weir", "dpdk_telemetry.v2"))
        greeting = json.loads(s.recv(1024))
        answers = []
        for question in questions:
            s.send(question.encode())
            answers.append(json.loads(s.recv(greeting["max_output_len"])))
        return greeting, answers


@test
def telemetry_answers_behind_the_sandbox_and_leaves_nothing():
    with Lab() as lab, captured(lab, *rx(ON_TAP["net_af_packet"])) as live:
        folder = os.path.join(wire.RUNTIME, live.name)
        report = lab.send("--count", 500, "--size", 200, "--rate", "10k")
        until(lambda: live.received() >= report["frames"], 5, "frames came")
        for _ in range(3):  # each asks in a thread of its own
            greeting, (ports, stats) = telemetry(folder, "/ethdev/list", "/ethdev/stats,0")
        check_equal(greeting["pid"], live.dataplane(), "who answers")
        check_equal(ports["/ethdev/list"], [0], "ports")
        check(stats["/ethdev/stats"]["ipackets"] >= report["frames"], "stats: %r" % stats)
        live.end()
        check_equal(wire.runtime_folders(live.name), [], "runtime folders")
    with captured(None, *rx("dpdk:net_null0,telemetry=off")) as live:
        check(not os.path.exists(os.path.join(wire.RUNTIME, live.name, "dpdk", "weir", "dpdk_telemetry.v2")),
              "a socket although telemetry is off")
        live.stop()


HUGE = "/proc/sys/vm/nr_hugepages"


class HugePages:
    """So many of 2 MiB, and afterwards as many as before."""

    def __init__(self, pages):
        self.pages = pages

    def __enter__(self):
        wire.need_root()
        with open(HUGE) as f:
            self.before = f.read()
        try:
            with open(HUGE, "w") as f:
                f.write(str(int(self.before) + self.pages))
        except OSError as why:
            raise Skip("huge pages cannot be made: %s" % why) from None
        if wire.huge_pages()["HugePages_Free"] < self.pages:
            self.__exit__()
            raise Skip("there is no memory for %d huge pages" % self.pages)
        return self

    def __exit__(self, *unused):
        with open(HUGE, "w") as f:
            f.write(self.before)


@test_alone
def huge_pages_are_used_where_there_are_any_and_given_back():
    with Lab() as lab, Nginx(lab) as nginx, HugePages(64):
        before = wire.huge_pages()
        for driver in ON_TAP:
            with captured(lab, *rx(ON_TAP[driver], "hugepages=on")) as live:
                check("huge pages" in live.mode(), "mode: %s" % live.mode())
                check(wire.huge_pages()["HugePages_Free"] < before["HugePages_Free"], "no huge page is in use")
                asked = ask(lab, rounds=10)
                run = live.end()
                lost = sum(run.lost().values())  # libpcap's buffer has room for few packets on a busy machine
                check(len(run.pairs) == asked or lost > 0, "%s: %d of %d pairs" % (driver, len(run.pairs), asked))
                check_equal(run.source().offered, run.source().received + lost, driver + ": offered")
                check(run.source().received > 0, driver + ": nothing received")
            until(lambda: wire.huge_pages() == before, 3, "huge pages are free again")
        with captured(lab, *rx(ON_TAP["net_af_packet"], "hugepages=off")) as live:
            check("normal pages" in live.mode(), "mode: %s" % live.mode())
            check_equal(wire.huge_pages(), before, "huge pages in use")
            live.end()
        nginx.stop()


@test
def without_huge_pages_one_line_says_so():
    if wire.huge_pages()["HugePages_Free"] > 0:
        raise Skip("there are huge pages")
    run = run_to_its_end(*rx("dpdk:net_null0"), "--count", 100)
    said = [x for x in run.stderr.splitlines() if "huge" in x and "--no-huge" in x]
    check_equal(len(said), 1, "lines about huge pages in %r" % run.stderr)


# ---------------------------------------------------------------- refusals


@test
def what_cannot_work_is_refused_with_a_sentence_and_leaves_nothing():
    need_dpdk()
    wire.need_root()
    cases = (
        (USAGE, ("dpdk:",), ("a device is needed", "net_af_packet0,iface=eth0")),
        (USAGE, ("dpdk:net_af_packet0",), ("an interface is needed",)),
        (USAGE, ("dpdk:net_foo0",), ("no such device", "net_null0")),
        (USAGE, ("dpdk:net_null0,siez=9",), ("siez", "size copy no-rx")),
        (USAGE, ("dpdk:net_null0,mbufs=3",), ("mbufs", "from 1024")),
        (USAGE, ("dpdk:net_af_xdp0,iface=tap0", "--workers", "2"), ("1 receive queue", "--workers")),
        (USAGE, ("dpdk:net_pcap0,rx_iface=tap0", "--workers", "2"), ("1 receive queue", "--workers 1")),
        (USAGE, ("dpdk:net_null0", "--rx", "dpdk:net_null0,size=80"), ("twice",)),
        (SOURCE, ("dpdk:0000:de:ad.0",), ("no such PCI device", "dpdk-devbind.py")),
        (SOURCE, ("dpdk:net_af_packet0,iface=tap7",), ("no such interface", "tap0")),
        (SOURCE, ("dpdk:net_pcap0,rx_pcap=/nonexistent.pcap",), ("/nonexistent.pcap", "no such file")),
        (SOURCE, ("dpdk:net_tap0,iface=tap0",), ("net_tap0", "refuses")),
    )
    with Lab() as lab:
        snapshot = Snapshot(lab)
        for status, arguments, words in cases:
            Refusal(lab, status, "--rx", *arguments).names(*words)
        if wire.huge_pages()["HugePages_Free"] == 0:
            Refusal(lab, SOURCE, "--rx", "dpdk:net_null0,hugepages=on").names("huge pages", "vm.nr_hugepages")
        lab.link("tap", "set", "tap0", "down")
        for driver in ON_TAP:
            Refusal(lab, SOURCE, "--rx", ON_TAP[driver]).names("tap0", "down", "ip link set tap0 up")
        lab.link("tap", "set", "tap0", "up")
        lab.wait_for_carriers()
        snapshot.check_the_same("refusals")


@test
def a_wrong_second_port_leaves_nothing_of_the_first():
    need_dpdk()
    with Lab() as lab:
        snapshot = Snapshot(lab)
        for first in (ON_TAP["net_af_xdp"], ON_TAP["net_af_packet"], "dpdk:net_tap0,iface=own0"):
            Refusal(lab, USAGE, "--rx", first, "--rx", "dpdk:net_foo1").names("net_foo1", "no such device")
            snapshot.check_the_same("%s and a device that is not there" % first)
        Refusal(lab, SOURCE, "--rx", ON_TAP["net_af_xdp"], "--rx", "dpdk:net_af_packet1,iface=tap7").names("tap7")
        Refusal(lab, SOURCE, "--rx", "dpdk:net_tap0,iface=own0", "--rx", "af_packet:tap7").names("tap7")
        snapshot.check_the_same("an interface that is not there")


@test
def an_interface_that_another_program_has_is_refused_and_it_goes_on():
    need_dpdk()
    with Lab() as lab, wire.capture(lab, "af_xdp_native") as live:
        Refusal(lab, SOURCE, "--rx", ON_TAP["net_af_xdp"]).names("another weir")
        report = lab.send("--count", 300, "--size", 100, "--rate", "10k")
        check_equal(live.end().source().received, report["frames"], "frames that the first one received")


@test
def packets_too_large_for_the_driver_are_told():
    need_dpdk()
    with Lab("--mtu", "9000") as lab:
        snapshot = Snapshot(lab)
        refused = Refusal(lab, SOURCE, "--rx", ON_TAP["net_af_xdp"]).names("MTU 9000", "ip link set tap0 mtu 1500", "--rx af_xdp:tap0")
        check("libxdp" not in refused.stderr, "libxdp wrote to the terminal: %r" % refused.stderr)
        snapshot.check_the_same("net_af_xdp with jumbo packets")


@test
def without_privilege_or_queues_it_says_what_it_needs():
    need_dpdk()
    wire.need("setpriv")
    with Lab("--queues", "2") as lab:
        Refusal(lab, USAGE, "--rx", ON_TAP["net_af_xdp"], "--workers", "2").names("queue", "--workers 1")
        for driver in ON_TAP:
            Refusal(lab, SOURCE, "--rx", ON_TAP[driver], prefix=NOBODY).names("CAP_NET_RAW", "root")


def programs():
    paths = [os.path.join(support.build_folder(), *x.split("/")) for x in
             ("control/weir/weir", "control/daemon/weir-control", "dataplane/weir-dataplane", "dataplane/rx/" + MODULE)]
    for path in paths:
        if not os.path.exists(path):
            raise Skip("%s is not there" % path)
    return paths


@test
def the_module_is_loaded_from_beside_the_dataplane_and_only_when_it_is_safe():
    need_dpdk()
    *files, module = programs()
    with Folder() as folder:
        for path in files:
            shutil.copy(path, folder.path)
        own = os.path.join(folder.path, "weir")
        environment = {k: v for k, v in os.environ.items() if k != "WEIR_LIBEXECDIR"}

        def run(*arguments):
            return subprocess.run([own, "capture", *arguments], capture_output=True, text=True, env=environment,
                                  timeout=support.patience(20))

        def refused(*words):
            done = run("--rx", "dpdk:net_null0", "--count", "100")
            check_equal(done.returncode, SOURCE, "status; it said: %s" % done.stderr)
            check_equal(len(done.stderr.splitlines()), 1, "lines of %r" % done.stderr)
            for word in (MODULE, *words):
                check(word in done.stderr, "%r is not in %r" % (word, done.stderr))
            check(re.search(r"^dpdk +not usable: .*%s" % re.escape(words[0]), run("--list-rx").stdout, re.M),
                  "--list-rx does not say so")

        refused("is not in " + folder.path, "libdpdk 22.11")
        placed = shutil.copy(module, folder.path)
        os.chmod(placed, 0o666)
        refused("could have been written by others", "chown root")
        os.chmod(placed, 0o644)
        check_equal(run("--rx", "dpdk:net_null0", "--count", "100", "--until", "decode").returncode, DONE, "status")
        check(re.search(r"^dpdk +live", run("--list-rx").stdout, re.M), "--list-rx does not tell of dpdk")


@test
def who_does_not_name_it_does_not_load_it():
    need_dpdk()
    with Lab() as lab:
        for spec, loads in (("af_packet:tap0", False), (ON_TAP["net_af_packet"], True)):
            with captured(lab, "--rx", spec) as live:
                with open("/proc/%d/maps" % live.dataplane()) as f:
                    mapped = f.read()
                check_equal("librte_" in mapped, loads, "DPDK is mapped by --rx " + spec)
                check_equal(MODULE in mapped, loads, "the module is mapped by --rx " + spec)
                live.end()


@test
def the_list_tells_of_devices_and_options():
    need_dpdk()
    said = weir("capture", "--list-rx").check_status(DONE).output.decode()
    part = said[said.index("\ndpdk "):]
    for word in ("usable: DPDK", "net_af_xdp0,iface=IF", "weir's", "hugepages=auto|on|off", "feed=", "mbufs="):
        check(word in part, "%r is not in %r" % (word, part))
    check("dpdk" not in weir("capture", "-i", "lo7").stderr, "-i chooses dpdk")
