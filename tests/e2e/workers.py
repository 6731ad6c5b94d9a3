"""workers - the number of workers and the cut of the pipeline change what they say they change, and nothing else.

Answers: is the set of records, without `worker` and `seq`, the same for 1, 2
and 4 workers; does every --until stage close its own books. Makes its own
captures; with the folder of captures present it runs over real ones too.
"""
import glob
import json
import os
import signal
import subprocess
import time

import packets
import support
from support import Folder, add_test, check, check_equal, read, test, test_alone

STAGES = ("rx", "decode", "flow", "reassembly", "dissect", "pair", "emit", "drain", "format", "normal")


def records_without_worker(run):
    kept = []
    for record in run.pairs:
        record = {k: v for k, v in record.items() if k not in ("run", "worker", "seq")}
        kept.append(json.dumps(record, sort_keys=True))
    return sorted(kept)


def disturbed_capture():
    frames = packets.conversation(60, 12, body_bytes=2500)
    return packets.capture(packets.disturbed(frames, seed=11, lost=0.002))


def same_for_any_number(path, *options):
    runs = {n: read(path, options=("--workers", n, *options)).check_closed() for n in (1, 2, 4)}
    one = records_without_worker(runs[1])
    for n in (2, 4):
        check_equal(runs[n].status, runs[1].status, "exit status with %d workers" % n)
        other = records_without_worker(runs[n])
        check(other == one, "%d records with %d workers, %d with one; differing: %r" %
              (len(other), n, len(one), sorted(set(one) ^ set(other))[:2]))
        check_equal(runs[n].ledger.count("packets:received"), runs[1].ledger.count("packets:received"),
                    "packets received by %d workers together" % n)
    return runs


def same_when_handed_over(path, *options):
    """Beside same_for_any_number(): some packets, and all, are received by the wrong worker."""
    one = read(path, options=("--workers", 1, *options))
    records, handed = records_without_worker(one), 0
    for workers, forced in ((2, "1/1"), (2, "1/2"), (4, "1/3")):
        run = read(path, options=("--workers", workers, "--force-handoff", forced, *options)).check_closed()
        what = "%d workers, --force-handoff %s" % (workers, forced)
        check_equal(run.status, one.status, "exit status, " + what)
        other = records_without_worker(run)
        check(other == records, "%d records of %s, %d of one; differing: %r" %
              (len(other), what, len(records), sorted(set(records) ^ set(other))[:2]))
        for counter in ("received", "to_flow"):
            check_equal(run.ledger.count("packets:" + counter), one.ledger.count("packets:" + counter),
                        "packets %s, %s" % (counter, what))
        check_equal(run.ledger.count("packets:handed_in"), run.ledger.count("packets:handed_out"),
                    "packets handed in, of those handed out, " + what)
        if forced == "1/1":
            check_equal(run.ledger.count("packets:handed_out"), one.ledger.count("packets:to_flow"),
                        "packets handed out, of all with a flow, " + what)
        handed += run.ledger.count("packets:handed_out")
    return handed


@test
def packets_that_the_wrong_worker_received_change_nothing():
    with Folder() as folder:
        handed = same_when_handed_over(folder.file("a.pcap", disturbed_capture()))
        check(handed > 1000, "only %d packets were handed over" % handed)
        return "%d packets handed over" % handed


@test
def a_small_hand_off_ring_is_waited_for():
    """Of a file nothing is ever lost."""
    with Folder() as folder:
        same_when_handed_over(folder.file("a.pcap", disturbed_capture()), "--handoff-ring", "64KiB")


@test_alone
def a_file_that_is_stopped_while_packets_are_handed_over_closes_its_books():
    with Folder() as folder:
        ledger = os.path.join(folder.path, "ledger")
        run = subprocess.Popen([support.weir_path(), "read", "--rx", "synth:packets=1000000000", "--workers", "2",
                                "--force-handoff", "1/2", "--output", "", "--ledger", ledger, "--quiet"])
        time.sleep(support.patience(1.0))
        run.send_signal(signal.SIGINT)
        check_equal(run.wait(support.patience(20)), support.DONE, "exit status")
        with open(ledger, encoding="utf-8") as f:
            books = support.Ledger(json.load(f))
        check_equal(books.count("packets:handed_in"), books.count("packets:handed_out"), "packets handed in")
        check(books.count("packets:handed_out") > 0, "nothing was handed over")


@test
def a_file_that_is_stopped_with_several_workers_closes_its_books():
    with Folder() as folder:
        said = []
        for number in (2, 4):
            ledger = os.path.join(folder.path, "ledger%d" % number)
            run = subprocess.Popen([support.weir_path(), "read", "--rx", "synth:packets=1000000000", "--workers", str(number),
                                    "--output", "", "--ledger", ledger, "--quiet"])
            time.sleep(support.patience(0.7))
            run.send_signal(signal.SIGINT)
            check_equal(run.wait(support.patience(20)), support.DONE, "exit status")
            with open(ledger, encoding="utf-8") as f:
                books = support.Ledger(json.load(f))
            said.append("%d of %d packets walked past" % (books.count("packets:cut.rx"), books.count("packets:received")))
        return "; ".join(said)


@test
def one_two_and_four_workers_give_the_same_records():
    with Folder() as folder:
        runs = same_for_any_number(folder.file("a.pcap", disturbed_capture()))
        check(len(runs[1].pairs) >= 600, "only %d records" % len(runs[1].pairs))
        return "%d records" % len(runs[1].pairs)


@test
def what_is_due_when_the_last_packet_comes_happens_on_every_worker():
    """Some requests are never answered, and the time in which they might be is over with a packet of another connection."""
    made = [packets.Connection(n) for n in range(24)]
    early = [f for c in made for f in c.open() + c.request(packets.get("/never"))]
    late = packets.Connection(100).open()
    with Folder() as folder:
        capture = packets.capture(early) + b"".join(
            packets.file_record(f, packets.START_US + 100 * 1_000_000 + n) for n, f in enumerate(late))
        runs = same_for_any_number(folder.file("a.pcap", capture), "--request-timeout", "60s")
        check_equal({r["why"] for r in runs[1].pairs}, {"timeout"}, "why there was no answer")
        check_equal(len(runs[1].pairs), 24, "records")
        same_when_handed_over(os.path.join(folder.path, "a.pcap"), "--request-timeout", "60s")


@test
def every_worker_gets_a_share():
    with Folder() as folder:
        run = read(folder.file("a.pcap", disturbed_capture()), options=("--workers", 4)).check_closed()
        check_equal(sorted({r["worker"] for r in run.pairs}), [0, 1, 2, 3], "workers that made records")


@test
def every_worker_counts_its_records_without_a_hole():
    with Folder() as folder:
        run = read(folder.file("a.pcap", disturbed_capture()), options=("--workers", 4)).check_closed()
        for worker in range(4):
            seqs = sorted(r["seq"] for r in run.pairs if r["worker"] == worker)
            check_equal(seqs, list(range(len(seqs))), "seq of worker %d" % worker)


@test
def the_same_input_gives_the_same_records_twice():
    with Folder() as folder:
        path = folder.file("a.pcap", disturbed_capture())
        check_equal(records_without_worker(read(path)), records_without_worker(read(path)), "records")


@test
def records_of_one_connection_are_in_the_order_of_completion():
    with Folder() as folder:
        run = read(folder.file("a.pcap", packets.capture(packets.conversation(30, 12))), options=("--workers", 2))
        seen = {}
        for record in run.pairs:
            check_equal(record["index"], seen.get(record["conn"], -1) + 1, "index of the next record")
            seen[record["conn"]] = record["index"]
        check_equal(len(seen), 30, "connections")


# ---------------------------------------------------------------- real captures

FOLDERS = ("OISF+suricata-verify", "arkime+arkime", "deepflowio+deepflow", "ntop+nDPI", "the-tcpdump-group+tcpdump",
           "zeek+zeek", "bulk")


def full():
    return os.environ.get("WEIR_FULL", "") not in ("", "0")


def captures_of(name):
    """Some of them, from everywhere in the folder: as many as there is time for. WEIR_FULL=1: all."""
    root = os.path.join(support.need_captures(), "pcaps", name)
    paths = [p for p in sorted(glob.glob(os.path.join(root, "**", "*"), recursive=True))
             if p.endswith((".pcap", ".pcapng", ".cap")) and os.path.isfile(p)]
    at_most = len(paths) if full() else 3 if support.sanitized() else 10
    return [paths[n * len(paths) // at_most] for n in range(at_most)] if len(paths) > at_most else paths


def real_captures_agree(name):
    def the_wrong_worker_and_their_number_change_nothing():
        paths = captures_of(name)
        for path in paths:
            try:
                if not support.sanitized() or full():
                    same_for_any_number(path)
                same_when_handed_over(path)
                if full():
                    same_when_handed_over(path, "--dedup", "10ms")
            except support.Failure as why:
                raise support.Failure("%s: %s" % (os.path.basename(path), why)) from None
        return "%d captures" % len(paths)

    return the_wrong_worker_and_their_number_change_nothing


for _name in FOLDERS:
    add_test("workers", "the_wrong_worker_and_their_number_change_nothing " + _name, real_captures_agree(_name))


# ---------------------------------------------------------------- --until


def cut_at(stage):
    def the_books_close_at_this_stage():
        with Folder() as folder:
            path = folder.file("a.pcap", packets.capture(packets.conversation(6, 8)))
            run = read(path, options=("--until", stage)).check_status(support.DONE).check_closed()
            reached = STAGES.index(stage)
            ledger, total = run.ledger, run.ledger.count("packets:received")
            check(total > 0, "no packet was received")
            if stage in ("rx", "decode", "flow"):
                check_equal(ledger.count("cut." + stage), total, "packets cut at %s" % stage)
                check_equal(ledger.count("to_flow"), 0, "packets given to a flow")
            else:
                check_equal(ledger.count("to_flow"), total, "packets given to a flow")
                check(ledger.count("delivered") > 0, "nothing was delivered")
            if reached >= STAGES.index("pair"):  # messages are counted where they meet
                check_equal(ledger.count("requests"), 48, "requests seen")
            else:
                check_equal(ledger.count("requests"), 0, "requests seen")
            made = 48 if reached >= STAGES.index("emit") else 0
            check_equal(ledger.count("made"), made, "records made")
            check_equal(len(run.pairs), 48 if stage == "normal" else 0, "records written")

    return the_books_close_at_this_stage


@test
def sources_that_are_only_opened_are_not_read():
    with Folder() as folder:
        path = folder.file("a.pcap", packets.capture(packets.conversation(6, 8)))
        run = read(path, options=("--until", "open")).check_status(support.DONE).check_closed()
        check_equal(run.ledger.count("packets:received"), 0, "packets received")
        check_equal(run.pairs, [], "records written")


for _stage in STAGES:
    add_test("workers", "the_ledger_closes_when_cut_at " + _stage, cut_at(_stage))
