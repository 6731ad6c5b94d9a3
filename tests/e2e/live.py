"""live - capture on the wire: every back end on real traffic, and everything that happens to a capture in its life.

Answers: are the pairs those of the server's own log; is every packet that was
sent received or lost by name; does nobody notice that control is stopped or
killed; does a capture that ends, however it ends, leave the machine as it was;
has nobody a privilege while packets are parsed; what does it cost to wait.
"""
import calendar
import collections
import contextlib
import functools
import http.client
import http.server
import json
import os
import re
import signal
import threading
import time

import support
import wire_support as wire
from support import Skip, check, check_equal, test, test_alone
from wire_support import (BACK_ENDS, Capture, Lab, Nginx, Snapshot, ask, capture, check_same, over_each_back_end, until,
                          with_options)

# ---------------------------------------------------------------- what the server has logged is what comes out


@over_each_back_end(test)
def pairs_are_the_lines_of_the_servers_own_log(back_end):
    with Lab() as lab, Nginx(lab) as nginx, capture(lab, back_end) as live:
        mode = live.mode()
        asked = ask(lab) + ask(lab, connections=3, rounds=12, address="fd83::2")
        nginx.stop()
        run = live.end()
        check_same(run.pairs, nginx.answered(), back_end)
        check_equal(len(run.pairs), asked, "pairs, of requests that the client counted")
        source = run.source()
        check(source.offered == source.received and not source.lost, "losses at a few packets a second: %r" % source)
        return "%d pairs; %s" % (asked, mode)


@over_each_back_end(test_alone)
def pairs_are_the_lines_of_the_servers_own_log_at_full_speed(back_end):
    wire.need("wrk")
    connections = 4
    with Lab() as lab, Nginx(lab) as nginx, capture(lab, back_end, "--headers", "none") as live:
        lab.run("client", "wrk", "-t1", "-c%d" % connections, "-d1s", "http://10.83.0.2/w")
        nginx.stop()
        run = live.end()
        log, found = nginx.answered(), wire.said_by(run.paired())
        lost = sum(run.lost().values()) + lab.wire_drops()
        check(not found - log, "pairs that the server did not answer: %r" % list((found - log).items())[:3])
        missing = sum((log - found).values())
        # wrk ends with a request under way on each connection: its reset may come before the answer.
        check(missing <= lost + connections, "%d lines of the log are no pairs, and only %d packets were lost" %
              (missing, lost))
        return "%d of %d pairs, %d packets lost by name" % (sum(found.values()), sum(log.values()), lost)


def split_mirror(lab):
    """As a TAP is: tap0 sees what comes to the server, a second port tap1 what leaves it."""
    wire.ip("-n", lab.namespace("server"), "link", "add", "mirror1", "type", "veth", "peer", "name", "tap1", "netns",
            lab.namespace("tap"))
    for host, name in (("server", "mirror1"), ("tap", "tap1")):
        lab.run(host, "sysctl", "-qw", "net.ipv6.conf.%s.disable_ipv6=1" % name)
        lab.run(host, "ethtool", "-K", name, "gro", "off", "gso", "off", "tso", "off", status=None)
        lab.link(host, "set", name, "up", "arp", "off")
    lab.run("server", "tc", "filter", "del", "dev", "wire0", "egress")
    lab.run("server", "tc", "filter", "add", "dev", "wire0", "egress", "protocol", "all", "prio", "1", "u32", "match",
            "u32", "0", "0", "action", "mirred", "egress", "mirror", "dev", "mirror1")
    lab.wait_for_carriers()


@over_each_back_end(test)
def two_mirror_ports_are_one_capture(back_end):
    with Lab() as lab, Nginx(lab) as nginx:
        split_mirror(lab)
        with capture(lab, back_end, "--rx", BACK_ENDS[back_end] % "tap1") as live:
            asked = ask(lab)
            nginx.stop()
            run = live.end()
        check_same(run.pairs, nginx.answered(), back_end)
        check_equal([s.offered for s in run.sources()], [s.received for s in run.sources()], "offered by source")
        check_equal(len(run.sources()), 2, "sources")
        for name in ("tap0", "tap1"):
            check("weir: %s: " % name in run.stderr, "nothing says how %s is captured: %r" % (name, run.stderr))
        check(all(s.received >= asked for s in run.sources()), "a port saw too little: %r" % run.sources())


@over_each_back_end(test_alone)
def two_mirror_ports_keep_their_order_when_the_worker_was_late(back_end):
    """What waits in two rings is taken in the order in which it came, or a response would overtake its request."""
    with Lab() as lab, Nginx(lab) as nginx:
        split_mirror(lab)
        with capture(lab, back_end, "--rx", BACK_ENDS[back_end] % "tap1") as live:
            dataplane, asked = live.dataplane(), []
            client = threading.Thread(target=lambda: asked.append(ask(lab, connections=20, rounds=60)))
            client.start()
            while client.is_alive():
                os.kill(dataplane, signal.SIGSTOP)
                time.sleep(0.15)
                os.kill(dataplane, signal.SIGCONT)
                time.sleep(0.05)
            client.join()
            nginx.stop()
            run = live.end()
        check_equal([s.offered for s in run.sources()], [s.received for s in run.sources()], "offered by source")
        check_same(run.pairs, nginx.answered(), back_end)


@test
def two_workers_get_both_directions_of_each_connection():
    with Lab() as lab, Nginx(lab) as nginx, capture(lab, "af_packet", "--workers", 2) as live:
        asked = ask(lab, connections=24, rounds=15) + ask(lab, connections=8, rounds=10, address="fd83::2")
        nginx.stop()
        run = live.end()
        check_same(run.pairs, nginx.answered(), "af_packet, two workers")
        shares = collections.Counter(r["worker"] for r in run.pairs)
        check_equal(set(shares), {0, 1}, "workers that had something to do, of %d pairs" % asked)
        return ", ".join("worker %d: %d pairs" % share for share in sorted(shares.items()))


@test
def one_worker_serves_all_queues():
    """The two directions of a connection may come in on different queues."""
    for back_end in ("af_xdp_native", "af_xdp_generic"):
        with Lab("--queues", "2") as lab, Nginx(lab) as nginx, capture(lab, back_end) as live:
            check("2 queues" in live.mode(), "mode: %s" % live.mode())
            ask(lab, connections=16, rounds=12)
            nginx.stop()
            check_same(live.end().pairs, nginx.answered(), back_end)


def on_queues_and_workers(mark):
    """Turn a function of a mode and two numbers into one test for each way of sharing the queues out."""
    def make(function):
        for mode in ("native", "generic"):
            for queues, workers in ((1, 2), (1, 4), (2, 1), (2, 2), (2, 4)):
                test = functools.partial(function, mode, queues, workers)
                test.__module__ = function.__module__
                test.__name__ = "%s, %d queues, %d workers: %s" % (mode, queues, workers, function.__name__)
                mark(test)
        return function
    return make


@on_queues_and_workers(test)
def workers_share_queues_and_each_connection_has_one(mode, queues, workers):
    """On a veth with two queues the two directions of a connection come in on different ones."""
    with Lab("--queues", str(queues)) as lab, Nginx(lab) as nginx:
        with capture(lab, "af_xdp_" + mode, "--workers", workers) as live:
            check(workers == 1 or "shared by %d workers" % workers in live.mode(), "mode: %s" % live.mode())
            asked = ask(lab, connections=48, rounds=12) + ask(lab, connections=16, rounds=6, address="fd83::2")
            nginx.stop()
            run = live.end()
        check_same(run.pairs, nginx.answered(), "%s, %d queues, %d workers" % (mode, queues, workers))
        check_equal(len(run.pairs), asked, "pairs")
        owners = collections.defaultdict(set)
        for r in run.pairs:
            owners[r["conn"]].add(r["worker"])
        check(all(len(w) == 1 for w in owners.values()), "a connection with records of several workers")
        shares = collections.Counter(min(w) for w in owners.values())
        check_equal(set(shares), set(range(workers)), "workers that had something to do")
        check_equal(sum(s.offered for s in run.sources()), sum(s.received for s in run.sources()), "frames received")
        return ", ".join("worker %d: %d connections" % share for share in sorted(shares.items()))


@test_alone
def numbered_frames_of_a_shared_queue_are_received_or_lost_by_name():
    with Lab() as lab, Capture(lab, *with_options("af_xdp_native", "ring=256"), "--workers", 2) as live:
        dataplane = live.dataplane()
        with lab.begin_sending(*synth(20000), "--rate", "40k") as sender:
            time.sleep(0.3)
            os.kill(dataplane, signal.SIGSTOP)
            time.sleep(0.3)
            os.kill(dataplane, signal.SIGCONT)
            report = sender.report()
        time.sleep(0.1)
        run = live.end()
        received, lost = sum(s.received for s in run.sources()), sum(run.lost().values())
        check_equal(received + lost, report["frames"], "received and lost, of frames sent (%r)" % run.sources())
        check(lost > 100, "next to nothing was lost, so nothing is shown: %r" % run.sources())
        check_equal(run.ledger.count("packets:received"), received, "packets that the workers had")
        return "received %d, lost %s" % (received, run.lost())


def handed(run, counter):
    return run.ledger.count("packets:" + counter)


def check_handed_over(run):
    check(handed(run, "handed_out") > 0, "no packet was handed over, so nothing is shown")
    check_equal(handed(run, "handed_in"), handed(run, "handed_out"), "packets handed in, of those handed out")
    check_equal(handed(run, "handoff_full"), 0, "packets for which there was no room")
    check("handed_out" in run.stderr, "the table does not show it: %r" % run.stderr)
    return "%d of %d packets were handed over" % (handed(run, "handed_out"), handed(run, "received"))


@test_alone
def two_queues_and_two_workers_meet_by_handing_over():
    """A veth chooses the queue by a hash that is another for each direction."""
    said = []
    for back_end in ("af_xdp_native", "af_xdp_generic"):
        with Lab("--queues", "2") as lab, Nginx(lab) as nginx, \
                Capture(lab, *with_options(back_end, "spread=off"), "--workers", 2) as live:
            ask(lab, connections=24, rounds=15)
            time.sleep(0.3)  # both sleep, and are woken by their bells
            ask(lab, connections=8, rounds=10, address="fd83::2")
            nginx.stop()
            run = live.end()
            check_same(run.pairs, nginx.answered(), back_end)
        said.append(check_handed_over(run))
    return "; ".join(said)


@test_alone
def both_ports_of_a_tap_meet_on_two_workers():
    with Lab() as lab, Nginx(lab) as nginx:
        split_mirror(lab)
        with capture(lab, "af_packet", "--rx", "af_packet:tap1", "--workers", 2) as live:
            ask(lab, connections=24, rounds=15)
            nginx.stop()
            run = live.end()
        check_same(run.pairs, nginx.answered(), "af_packet")
        check_equal(handed(run, "handed_in"), handed(run, "handed_out"), "packets handed in, of those handed out")


@test_alone
def packets_sent_to_the_wrong_worker_find_back():
    with Lab() as lab, Nginx(lab) as nginx:
        with capture(lab, "af_packet", "--workers", 2, "--force-handoff", "1/3") as live:
            ask(lab, connections=24, rounds=15)
            nginx.stop()
            run = live.end()
            check_same(run.pairs, nginx.answered(), "af_packet")
        return check_handed_over(run)


@test_alone
def a_worker_that_stands_still_costs_packets_by_name():
    """Its ring fills: what the other one has for it is lost, counted, and the books close."""
    with Lab() as lab, capture(lab, "af_packet", "--workers", 2, "--force-handoff", "1/1", "--handoff-ring",
                               "64KiB") as live:
        report = lab.send(*synth(20000), "--rate", "150k")
        run = live.end()
        full = handed(run, "handoff_full")
        check_equal(handed(run, "handed_in"), handed(run, "handed_out"), "packets handed in, of those handed out")
        check_equal(run.source().received + sum(run.lost().values()), report["frames"], "frames received or lost by name")
        return "%d handed over, %d lost for want of room" % (handed(run, "handed_out"), full)


@test_alone
def a_stop_under_load_leaves_nothing_between_the_workers():
    """Both give and take all the time, to the last packet; with small rings what finds no room is lost by name."""
    said = []
    for ring in ("64KiB", "2MiB"):
        with Lab() as lab, capture(lab, "af_packet", "--workers", 2, "--force-handoff", "1/1", "--handoff-ring", ring) as live:
            with lab.begin_sending(*synth(1000000), "--rate", "100k") as sender:
                until(lambda: live.received() > 20000, 20, "traffic")
                begun = time.monotonic()
                run = live.end()
                seconds = time.monotonic() - begun
                check(sender.running(), "the sender had ended before the stop, so nothing is shown")
        check(seconds < support.in_the_end(5), "the end took %.1f s" % seconds)
        check("does not end although" not in run.stderr, "the end was not waited for: %s" % run.stderr[-400:])
        check(handed(run, "handed_out") > 1000, "next to nothing was handed over")
        check_equal(handed(run, "handed_in"), handed(run, "handed_out"), "packets handed in, of those handed out")
        said.append("%s: %d handed over, %d without room" % (ring, handed(run, "handed_out"), handed(run, "handoff_full")))
    return "; ".join(said)


# ---------------------------------------------------------------- what is captured


@over_each_back_end(test)
def a_filter_takes_what_it_selects_and_the_books_close(back_end):
    with Lab() as lab, Nginx(lab) as nginx, capture(lab, back_end, "--filter", "tcp port 80") as live:
        asked = ask(lab, connections=4, rounds=12) + 0 * ask(lab, connections=4, rounds=12, port=81)
        nginx.stop()
        run = live.end()
        log = collections.Counter({k: n for k, n in nginx.answered().items() if k[1] == "80"})
        check_same(run.pairs, log, back_end)
        check_equal(len(run.pairs), asked, "pairs")
        source, filtered = run.source(), run.ledger.count("packets:filtered")
        if source.refused + filtered == 0:  # the kernel does not count what a socket's filter refuses
            check(not back_end.startswith("af_xdp"), "the program refused nothing: %r" % source)
        else:
            check(source.refused + filtered > 2 * asked, "refused %d, filtered %d" % (source.refused, filtered))
        return "%d refused on arrival, %d filtered by weir" % (source.refused, filtered)


@over_each_back_end(test)
def a_count_is_exact(back_end):
    with Lab() as lab, capture(lab, back_end, "--count", 1000) as live:
        report = lab.send("--rx", "synth:packets=3000", "--rate", "20k")
        run = live.wait().check_status(support.DONE).check_closed()
        books = run.ledger
        check_equal(books.count("packets:received") - books.count("packets:cut.rx"), 1000, "packets that went in")
        check(run.source().received <= report["frames"], "received %r" % run.source())


@over_each_back_end(test)
def a_duration_is_kept(back_end):
    with Lab() as lab, capture(lab, back_end, "--duration", "1s") as live:
        run = live.wait().check_status(support.DONE).check_closed()
        begun = calendar.timegm(time.strptime(run.lines[0]["started"][:19], "%Y-%m-%dT%H:%M:%S"))
        seconds = time.time() - begun - float(run.lines[0]["started"][19:].rstrip("Z"))
        check(1 <= seconds < support.in_the_end(3), "it lasted %.2f s" % seconds)


@test
def an_interface_gets_the_best_back_end():
    with Lab() as lab:
        wire.need_back_end("af_xdp_native")
        with Capture(lab, "-i", "tap0") as live:
            check_equal([c["backend"] for c in live.start_line()["capture"]], ["af_xdp"], "back end")
            run = live.end()
        line = run.stderr.splitlines()[0]
        check("tap0: af_xdp" in line and "not " not in line, "the choice: %r" % line)
        return line


@test
def an_interface_that_the_host_uses_is_not_taken_away_from_it():
    with Lab() as lab, Nginx(lab) as nginx:
        wire.need_back_end("af_packet")
        with Capture(lab, "-i", "wire0", host="server") as live:
            check_equal([c["backend"] for c in live.start_line()["capture"]], ["af_packet"], "back end")
            asked = ask(lab, rounds=6)  # the host can still be reached
            nginx.stop()
            run = live.end()
        check_same(run.pairs, nginx.answered(), "wire0")
        check_equal(len(run.pairs), asked, "pairs")
        line = next(x for x in run.stderr.splitlines() if "wire0:" in x)
        if "af_xdp" in wire.listing():
            check("not af_xdp" in line and "address" in line, "no reason against af_xdp: %r" % line)
        return line


@test
def several_workers_get_the_same_best_back_end():
    for host, interface, needed in (("tap", "tap0", "af_xdp_native"), ("server", "wire0", "af_packet")):
        with Lab() as lab:
            wire.need_back_end(needed)
            with Capture(lab, "-i", interface, "--workers", "2", host=host) as live:
                backends = [c["backend"] for c in live.start_line()["capture"]]
                live.end()
        check_equal(set(backends), {needed.removesuffix("_native")}, "back ends on " + interface)


@test
def each_worker_runs_on_the_processor_that_it_was_given():
    allowed = sorted(os.sched_getaffinity(0))[:2]
    if len(allowed) < 2:
        raise Skip("one processor")
    with Lab() as lab:
        with Capture(lab, "-i", "tap0", "--cores", ",".join(map(str, allowed))) as live:
            threads = wire.status_of_threads(live.dataplane())
            found = {t["Name"]: t["Cpus_allowed_list"] for t in threads if t["Name"].startswith("weir-w")}
            live.end()
        check_equal(found, {"weir-w%d" % i: str(core) for i, core in enumerate(allowed)}, "processors")


@test
def list_rx_names_every_back_end_its_options_and_what_is_missing():
    with Lab() as lab:
        text = lab.run("tap", support.weir_path(), "capture", "--list-rx", "-i", "tap0").stdout
        found = re.findall(r"^(\w+) .*\n +(usable|not usable): .+", text, re.M)
        check(found and all(how == "usable" for _, how in found), "not all are usable on tap0: %r" % found)
        check("ring=" in text or "blocks=" in text, "no option: %r" % text)
        check(all(len(x) <= 140 for x in text.splitlines()), "a line is longer than 140 columns")
        text = lab.run("server", support.weir_path(), "capture", "--list-rx", "-i", "wire0").stdout
        if "af_xdp" in text:
            check(re.search(r"^af_xdp .*\n +not usable: .*address on wire0", text, re.M), "af_xdp on wire0: %r" % text)
        return ", ".join(name for name, _ in found)


# ---------------------------------------------------------------- small rings and a worker that stands still

SMALL = {
    "pcap": (("buffer=512k",), {"kernel_buffer"}),
    "af_packet": (("block=128k", "blocks=2"), {"kernel_buffer"}),
    "af_xdp_native": (("ring=1024",), {"rx_ring", "fill_ring"}),
    "af_xdp_generic": (("ring=1024",), {"rx_ring", "fill_ring"}),
}


# Room for a second and more of what the tests send: of what may not be lost nothing is, when another program has the
# processor for so long.
ROOMY = {
    "pcap": ("buffer=128m",),
    "af_packet": ("blocks=512",),
    "af_xdp_native": ("ring=32768",),
    "af_xdp_generic": ("ring=32768",),
}


def roomy(back_end):
    return with_options(back_end, *ROOMY[back_end])


@over_each_back_end(test_alone)
def every_numbered_frame_is_received_or_lost_by_name(back_end):
    options, names = SMALL[back_end]
    with Lab() as lab, Capture(lab, *with_options(back_end, *options)) as live:
        dataplane = live.dataplane()
        with lab.begin_sending("--count", 40000, "--rate", "40k") as sender:
            time.sleep(0.3)
            os.kill(dataplane, signal.SIGSTOP)
            time.sleep(0.3)
            os.kill(dataplane, signal.SIGCONT)
            report = sender.report()
        time.sleep(0.1)
        run = live.end()
        source = run.source()
        lost = sum(source.lost.values())
        check_equal(report["frames"] + report["dropped"], 40000, "frames that were offered to the wire")
        check_equal(source.received + lost, report["frames"], "received and lost, of frames sent (%r)" % source)
        check(lost > 100, "next to nothing was lost, so nothing is shown: %r" % source)
        check(set(source.lost) <= names, "lost by another name: %r" % source)
        check_equal(run.ledger.count("packets:received"), source.received, "packets that the worker had")
        return "received %d, lost %s" % (source.received, dict(source.lost))


# ---------------------------------------------------------------- control stops, dies; nobody else notices


def synth(pairs, seed=1):
    """Options of `weir send` for so many exchanges; two packets each and six for every connection."""
    return "--rx", "synth:pairs=%d,connections=50,seed=%d" % (pairs, seed)


@test_alone
def a_control_that_stands_still_for_ten_seconds_costs_records_by_number_and_no_packet():
    pairs = 120000  # 12 s at 10,000 a second
    with Lab() as lab, Capture(lab, *roomy("af_xdp_native"), "--ring", "4MiB", "--headers", "none") as live:
        control = live.control()
        with lab.begin_sending(*synth(pairs), "--rate", "20k") as sender:
            time.sleep(0.5)
            os.kill(control, signal.SIGSTOP)
            time.sleep(10)
            os.kill(control, signal.SIGCONT)
            report = sender.report()
        run = live.end()
        lost = sum(run.lost().values()) + report["dropped"]
        different, twice, holes = run.seqs()
        full = run.ledger.count("records:ring_full")
        check(full > 0, "the ring was never full, so nothing is shown")
        check_equal(holes, full, "holes in seq, of records that the ring had no room for")
        check_equal(different + full, run.ledger.count("records:made"), "records written and lost, of those made")
        check_equal(twice, 0, "records that came twice")
        check_equal(lost, 0, "packets lost: %r, %r" % (run.source(), report))
        check_equal(run.ledger.count("requests:requests"), pairs, "requests")
        return "%d records, %d named as lost" % (different, full)


@over_each_back_end(test_alone)
def a_killed_control_comes_back_and_no_packet_is_lost(back_end):
    pairs = 30000
    with Lab() as lab, Capture(lab, *roomy(back_end), "--headers", "none") as live:
        snapshot = Snapshot(lab)
        control, dataplane = live.control(), live.dataplane()
        with lab.begin_sending(*synth(pairs), "--rate", "30k") as sender:
            time.sleep(0.5)
            os.kill(control, signal.SIGKILL)
            until(lambda: live.control() != control, 5, "control is started again")
            report = sender.report()
        snapshot.note(live.control(), dataplane)
        run = live.end()
        different, twice, holes = run.seqs()
        check_equal(sum(run.lost().values()) + report["dropped"], 0, "packets lost: %r, %r" % (run.source(), report))
        check_equal(holes, run.ledger.count("records:ring_full"), "holes in seq")
        check_equal(different + holes, pairs, "records")
        check_equal(len([x for x in run.stderr.splitlines() if "started again" in x]), 1, "sentences about it")
        return "%d records, %d of them twice" % (different, twice)


# ---------------------------------------------------------------- nothing is left behind


@over_each_back_end(test_alone)
def a_capture_that_ends_well_leaves_the_machine_as_it_was(back_end):
    with Lab() as lab:
        snapshot = Snapshot(lab)
        with capture(lab, back_end) as live:
            snapshot.note(live.dataplane(), live.control())
            lab.send("--count", 500, "--rate", "20k")
            check(lab.unix_sockets() != snapshot.before["sockets"], "there is no socket to ask it by")
            live.end()
            snapshot.check_the_same(back_end)
            check_equal(wire.runtime_folders(live.name), [], "runtime folders")
        return "%d BPF objects while it ran" % len(snapshot.objects)


@test_alone
def busy_polling_puts_the_settings_of_the_interface_back():
    with Lab() as lab:
        for end in ("well", "weir killed", "dataplane killed"):
            snapshot = Snapshot(lab)
            with Capture(lab, *with_options("af_xdp_native", "busy-poll=on")) as live:
                snapshot.note(live.dataplane(), live.control())
                deferred = lab.poll_settings("tap")["tap0"]
                check(deferred != snapshot.before["links"]["tap", "tap0"]["sysfs"], "nothing was set: %r" % deferred)
                lab.send(*synth(500), "--rate", "20k")
                if end == "well":
                    check_equal(len(live.end().paired()), 500, "pairs")
                else:
                    os.kill(live.pid if end == "weir killed" else live.dataplane(), signal.SIGKILL)
                snapshot.check_the_same("busy polling, " + end)


@over_each_back_end(test_alone)
def a_killed_dataplane_ends_the_capture_with_5_and_leaves_nothing(back_end):
    with Lab() as lab:
        snapshot = Snapshot(lab)
        with capture(lab, back_end) as live:
            dataplane = live.dataplane()
            snapshot.note(dataplane, live.control())
            report = lab.send(*synth(500), "--rate", "20k")
            until(lambda: live.received() == report["frames"], 10, "all packets are received")
            os.kill(dataplane, signal.SIGKILL)
            run = live.wait().check_status(support.SOURCE)
            check("signal 9" in run.stderr, "it is not said: %r" % run.stderr[-300:])
            check_equal(run.seqs()[::2], (500, 0), "records and holes: what was in the ring is written")
            snapshot.check_the_same(back_end)
            check_equal(wire.runtime_folders(live.name), [], "runtime folders")


@test_alone
def workers_on_shared_queues_that_are_killed_leave_nothing_and_lose_nothing_of_the_books():
    with Lab("--queues", "2") as lab:
        for workers, end in ((2, "well"), (4, "dataplane killed"), (4, "weir killed")):
            snapshot = Snapshot(lab)
            with Capture(lab, *with_options("af_xdp_native", "ring=4096"), "--workers", workers) as live:
                dataplane = live.dataplane()
                snapshot.note(dataplane, live.control())
                lab.send(*synth(2000), "--rate", "20k")
                if end == "well":
                    check_equal(len(live.end().paired()), 2000, "pairs")
                elif end == "dataplane killed":
                    os.kill(dataplane, signal.SIGKILL)
                    live.wait().check_status(support.SOURCE)
                else:
                    live.process.kill()
                    live.wait(5)
                snapshot.check_the_same("%d workers, %s" % (workers, end))


@over_each_back_end(test_alone)
def daemons_of_a_killed_weir_close_their_books_and_leave_nothing(back_end):
    with Lab() as lab:
        snapshot = Snapshot(lab)
        with capture(lab, back_end) as live:
            snapshot.note(live.dataplane(), live.control())
            lab.send(*synth(500), "--rate", "20k")
            live.process.kill()
            check_equal(live.wait(5).status, -signal.SIGKILL, "status")
            snapshot.check_the_same(back_end)
            books = live.books()
            check(books is not None, "no ledger was written; stderr: %r" % live.stderr()[-300:])
            books.check_closed()
            check_equal(live.lines()[-1]["type"], "end", "last line of the output")
            check_equal(sum(x["type"] == "pair" for x in live.lines()), 500, "pairs")


@test_alone
def the_folder_of_a_killed_weir_is_swept_by_the_next_start():
    stale = os.path.join(wire.RUNTIME, "capture-" + wire.new_name())
    with Lab() as lab:
        os.makedirs(stale)
        try:
            with open(os.path.join(stale, "attach.sock"), "w"):
                pass
            os.utime(stale, (time.time() - 60, time.time() - 60))
            with capture(lab, "af_packet") as live:
                check(not os.path.exists(stale), "%s is still there" % stale)
                live.end()
        finally:
            if os.path.exists(stale):
                os.unlink(os.path.join(stale, "attach.sock"))
                os.rmdir(stale)


@test_alone
def the_name_of_a_killed_weir_can_be_used_again():
    with Lab() as lab:
        with capture(lab, "af_packet") as live:
            daemons = [live.dataplane(), live.control()]
            for pid in [live.pid] + daemons:
                os.kill(pid, signal.SIGKILL)
            support.wait_gone(daemons, 3)
            live.process.wait()
            time.sleep(2.1)  # a folder made a moment ago may belong to a capture that is still starting
            with capture(lab, "af_packet", name=live.name) as again:
                again.end()


# ---------------------------------------------------------------- the interface


@over_each_back_end(test_alone)
def an_interface_that_goes_down_and_comes_back_is_waited_for(back_end):
    with Lab() as lab, capture(lab, back_end) as live:
        lab.send(*synth(100), "--rate", "20k")
        until(lambda: live.received() == 500, 5, "packets are received")
        lab.link("tap", "set", "tap0", "down")
        until(lambda: "tap0: the interface went down" in live.stderr(), 5, "it is said: down")
        time.sleep(0.2)
        lab.link("tap", "set", "tap0", "up")
        until(lambda: "tap0: the interface is up again" in live.stderr(), 5, "it is said: up")
        lab.wait_for_carriers()
        lab.send(*synth(200, seed=2), "--rate", "20k")
        until(lambda: live.received() == 500 + 700, 5, "packets are received again")
        run = live.end()
        check_equal(len([x for x in run.stderr.splitlines() if "tap0: the interface" in x]), 2, "sentences about it")
        check_equal(len(run.paired()), 300, "pairs before and after")


@over_each_back_end(test_alone)
def an_interface_that_is_removed_ends_the_capture_with_5_and_closed_books(back_end):
    with Lab() as lab:
        snapshot = Snapshot(lab)
        with capture(lab, back_end) as live:
            snapshot.note(live.dataplane(), live.control())
            lab.send(*synth(200), "--rate", "20k")
            lab.link("tap", "del", "tap0")
            run = live.wait(10).check_status(support.SOURCE)
            run.check_sane().ledger.check_closed()
            told = [x for x in run.stderr.splitlines() if "tap0" in x and ("removed" in x or "gone" in x)]
            check_equal(len(told), 1, "sentences: %r" % run.stderr)
            check_equal(len(run.paired()), 200, "pairs")
            snapshot.check_the_same(back_end, links=False)
        return told[0]


@test
def whichever_of_several_workers_finds_it_removed_says_so_once():
    with Lab("--queues", "2") as lab:
        with Capture(lab, "-i", "tap0", "--workers", "2") as live:
            lab.link("tap", "del", "tap0")
            run = live.wait(10).check_status(support.SOURCE)
        check_equal(sum("tap0" in x and "removed" in x for x in run.stderr.splitlines()), 1, "sentences: %r" % run.stderr)


@test_alone
def an_interface_that_is_removed_under_traffic_leaves_closed_books_too():
    for back_end in BACK_ENDS:
        with Lab() as lab, capture(lab, back_end) as live:
            with lab.begin_sending(*synth(100000), "--rate", "50k"):
                time.sleep(0.5)
                lab.link("tap", "del", "tap0")
                run = live.wait(10).check_status(support.SOURCE)
                run.check_sane().ledger.check_closed()
                check(len(run.paired()) > 100, "%s: %d pairs" % (back_end, len(run.paired())))


# ---------------------------------------------------------------- privilege

NOBODY = 65534
NONE = "0000000000000000"


def check_harmless(pid, uid, what, sandbox):
    """No user, group or capability of root's in any thread; with `sandbox` also the filter of system calls."""
    for thread in wire.status_of_threads(pid):
        where = "%s, thread %s" % (what, thread["Pid"])
        check_equal(set(thread["Uid"].split()), {str(uid)}, where + ": user ids")
        check("0" not in thread["Gid"].split() + thread["Groups"].split(), where + ": a group is root's")
        for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
            check_equal(thread[name], NONE, "%s: %s" % (where, name))
        if sandbox:
            check_equal((thread["NoNewPrivs"], thread["Seccomp"]), ("1", "2"), where + ": NoNewPrivs and Seccomp")


@over_each_back_end(test)
def nobody_has_a_privilege_while_packets_are_parsed(back_end):
    with Lab() as lab, capture(lab, back_end, "--user", "nobody") as live:
        lab.send(*synth(100), "--rate", "20k")
        check_harmless(live.dataplane(), NOBODY, "dataplane", sandbox=not support.sanitized())
        check_harmless(live.control(), NOBODY, "control", sandbox=False)
        check_equal(len(live.end().paired()), 100, "pairs")


@test
def without_sudo_and_user_it_is_nobody_or_weir():
    import pwd
    names = [e.pw_name for e in pwd.getpwall()]
    uid = pwd.getpwnam("weir").pw_uid if "weir" in names else NOBODY
    before = os.environ.pop("SUDO_UID", None)
    try:
        with Lab() as lab, capture(lab, "af_packet") as live:
            check_harmless(live.dataplane(), uid, "dataplane", sandbox=not support.sanitized())
            live.end()
    finally:
        if before is not None:
            os.environ["SUDO_UID"] = before


# ---------------------------------------------------------------- asked while it runs


def check_stopped(live):
    answer = live.ctl("stop").check_status(support.DONE).output.decode()
    check_equal(answer.splitlines()[-1], "stopped", "answer to stop")


@test
def ctl_answers_and_stops():
    with Lab() as lab, capture(lab, "af_packet", "--gap-wait", "7ms") as live:
        lab.send(*synth(300), "--rate", "20k")
        until(lambda: live.received() == 2 * 300 + 6 * 50, 5, "all packets are received")
        text = live.ctl("status").check_status(support.DONE).output.decode()
        for words in ("af_packet tap0", "lost 0", "300", "consistent"):
            check(words in text, "%r is not in the status: %s" % (words, text))
        status = json.loads(live.ctl("status", "--json").check_status(support.DONE).output)
        check(str(live.dataplane()) in json.dumps(status), "no pid of the dataplane: %r" % status)
        line = json.loads(live.ctl("stats", "--json").check_status(support.DONE).output)
        check(line["matchedPairs"] == 300 and line["packetsCount"] == 900, "stats: %r" % line)
        books = support.Ledger(json.loads(live.ctl("ledger", "--json").check_status(support.DONE).output))
        check_equal(books.count("requests:paired"), 300, "pairs in the ledger")
        for name in ("packets", "records"):
            check(name in live.ctl("ledger").output.decode(), "no row %s" % name)
        settings = live.ctl("settings").check_status(support.DONE).output.decode()
        check("gap-wait = 7ms\n" in settings and "rx = af_packet:tap0\n" in settings, "settings: %s" % settings[:600])
        check_stopped(live)
        run = live.wait(5).check_status(support.DONE).check_closed()
        check_equal(len(run.paired()), 300, "pairs")
        live.ctl("status").check_status(support.SOURCE)


def scrape(port):
    """A page of metrics as {name with labels: value}, and the types of its families."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=support.patience(5))
    connection.request("GET", "/metrics")
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    check_equal(answer.status, 200, "status of the metrics")
    types = dict(re.findall(r"^# TYPE (\S+) (\S+)$", text, re.M))
    values = {}
    for line in text.splitlines():
        if not line.startswith("#"):
            name, value = line.rsplit(" ", 1)
            check(name not in values, "%s is there twice" % name)
            values[name] = float(value)
    return values, types


@test
def metrics_are_scraped_while_traffic_runs_and_only_grow():
    wanted = {"weir_packets_received_total", "weir_requests_paired_total", "weir_records_made_total",
              "weir_source_offered_packets_total", "weir_source_received_packets_total",
              "weir_source_lost_packets_total", "weir_latency_seconds", "weir_records_in_ring"}
    with Lab() as lab:
        lab.link("tap", "set", "lo", "up")
        with capture(lab, "af_packet", "--metrics", "9123") as live:
            pages = []
            with lab.begin_sending(*synth(15000), "--rate", "20k") as sender:
                while sender.running():
                    pages.append(lab.inside("tap", lambda: scrape(9123)))
                    time.sleep(0.1)
                sender.report()
            until(lambda: live.received() == 2 * 15000 + 300, 5, "all packets are received")
            pages.append(lab.inside("tap", lambda: scrape(9123)))
            live.end()
        types = pages[-1][1]
        check(wanted <= set(types), "missing: %r" % (wanted - set(types)))
        check(len(pages) > 5, "only %d scrapes" % len(pages))
        for (before, _), (after, _) in zip(pages, pages[1:]):
            check_equal(set(before), set(after), "names from scrape to scrape")
            for name, value in before.items():
                family = re.sub(r"(_bucket|_sum|_count)$", "", name.split("{")[0])
                if types.get(name.split("{")[0], types.get(family)) != "gauge":
                    check(after[name] >= value, "%s fell from %r to %r" % (name, value, after[name]))
        last = pages[-1][0]
        check_equal(last['weir_requests_paired_total{worker="0"}'], 15000, "pairs")
        check_equal(last['weir_latency_seconds_count{proto="http"}'], 15000, "latencies")
        check_equal(last['weir_latency_seconds_bucket{proto="http",le="+Inf"}'], 15000, "the last bucket")
        return "%d scrapes of %d values" % (len(pages), len(last))


@test
def traffic_of_weirs_own_is_passed_over():
    with Lab() as lab:
        lab.link("tap", "set", "lo", "up")
        with Capture(lab, "-i", "lo", "--metrics", "127.0.0.1:9124") as live:
            def talk():
                class Answer(http.server.BaseHTTPRequestHandler):
                    def do_GET(self):
                        self.send_response(204)
                        self.end_headers()

                    def log_message(self, *unused):
                        pass

                with http.server.HTTPServer(("127.0.0.1", 0), Answer) as other:
                    thread = threading.Thread(target=other.handle_request)
                    thread.start()
                    for _ in range(5):
                        scrape(9124)
                    connection = http.client.HTTPConnection("127.0.0.1", other.server_port, timeout=5)
                    connection.request("GET", "/not/our/own")
                    connection.getresponse().read()
                    connection.close()
                    thread.join()

            lab.inside("tap", talk)
            time.sleep(0.1)
            run = live.end()
        check_equal([r["request"]["target"] for r in run.pairs], ["/not/our/own"], "pairs")
        own = run.ledger.count("packets:passed_over.own_traffic")
        check(own >= 5 * 6, "passed over as own traffic: %d" % own)
        return "%d packets passed over" % own


# ---------------------------------------------------------------- two services


@test_alone
def two_services_meet_and_control_may_be_started_again():
    pairs = 40000
    wire.need_back_end("af_packet")
    with Lab() as lab:
        name = wire.new_name()
        snapshot = Snapshot(lab)
        common = ("--user", "nobody", "--headers", "none")
        with Capture(lab, "--only", "dataplane", *roomy("af_packet"), *common, name=name, wait=False) as dataplane:
            until(lambda: os.path.exists(os.path.join(wire.RUNTIME, name, "attach.sock")), 5, "the dataplane listens")
            with Capture(lab, "--only", "control", *common, name=name) as control:
                snapshot.note(dataplane.pid, control.pid)
                check_harmless(dataplane.pid, NOBODY, "dataplane", sandbox=not support.sanitized())
                check_harmless(control.pid, NOBODY, "control", sandbox=False)
                with lab.begin_sending(*synth(pairs), "--rate", "30k") as sender:
                    time.sleep(0.7)
                    os.kill(control.pid, signal.SIGKILL)
                    control.process.wait()
                    time.sleep(0.3)
                    with Capture(lab, "--only", "control", *common, name=name, output=control.output,
                                 wait=False) as again:
                        report = sender.report()
                        until(lambda: again.received() == report["frames"], 10, "all packets are received")
                        check_stopped(again)
                        run = again.wait().check_status(support.DONE).check_closed()
                        check_equal(dataplane.wait().status, support.DONE, "status of the dataplane")
            different, twice, holes = run.seqs()
            check_equal(sum(run.lost().values()) + report["dropped"], 0, "packets lost: %r" % run.source())
            check_equal((different + holes, holes), (pairs, run.ledger.count("records:ring_full")), "records and holes")
        snapshot.check_the_same("services")
        return "%d records, %d of them twice" % (different, twice)


# ---------------------------------------------------------------- what waiting costs


@test_alone
def an_idle_capture_takes_at_most_a_hundredth_of_a_core():
    """All back ends at the same time, each in a lab of its own."""
    if support.sanitized():
        raise Skip("a sanitizer's time is not weir's")
    seconds, pids = 10, {}
    with contextlib.ExitStack() as stack:
        for back_end in wire.usable_back_ends():
            lab = stack.enter_context(Lab())
            live = stack.enter_context(capture(lab, back_end))
            lab.send("--count", 100, "--rate", "20k")
            pids[back_end] = [live.pid, live.dataplane(), live.control()]
        time.sleep(0.5)
        before = {back_end: wire.cpu_seconds(p) for back_end, p in pids.items()}
        time.sleep(seconds)
        used = {back_end: wire.cpu_seconds(p) - before[back_end] for back_end, p in pids.items()}
    for back_end, spent in used.items():
        check(spent <= 0.01 * seconds, "%s: %.2f s of processor time in %d s" % (back_end, spent, seconds))
    return ", ".join("%s %.1f %%" % (b, 100 * s / seconds) for b, s in used.items())
