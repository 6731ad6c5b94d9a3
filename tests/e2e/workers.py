"""workers - the number of workers and the cut of the pipeline change what they say they change, and nothing else.

Answers: is the set of records, without `worker` and `seq`, the same for 1, 2
and 4 workers; does every --until stage close its own books. Makes its own
captures; with the folder of captures present it runs over real ones too.
"""
import glob
import json
import os

import packets
import support
from support import Folder, add_test, check, check_equal, read, test

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


@test
def one_two_and_four_workers_give_the_same_records():
    with Folder() as folder:
        runs = same_for_any_number(folder.file("a.pcap", disturbed_capture()))
        check(len(runs[1].pairs) >= 600, "only %d records" % len(runs[1].pairs))
        return "%d records" % len(runs[1].pairs)


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


def real_captures_agree():
    folder = support.need_captures()
    paths = [p for p in sorted(glob.glob(os.path.join(folder, "pcaps", "zeek+zeek", "**", "*.pcap*"), recursive=True))
             if os.path.isfile(p)]
    for path in paths:
        try:
            same_for_any_number(path)
        except support.Failure as why:
            raise support.Failure("%s: %s" % (os.path.basename(path), why)) from None
    return "%d captures" % len(paths)


add_test("workers", "real_captures_give_the_same_records_for_any_number_of_workers", real_captures_agree)


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


for _stage in STAGES:
    add_test("workers", "the_ledger_closes_when_cut_at " + _stage, cut_at(_stage))
