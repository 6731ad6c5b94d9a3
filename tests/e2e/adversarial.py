"""adversarial - hostile captures inside their bounds.

Answers: does weir stay correct, quick, small and silent on traffic made to
break it. The captures are made by adversarial/gen.py of the captures folder
into a temporary folder; cases.json beside them says what must come out. Every
case: the ledger closes, nothing crashes, a limit in time and in memory. The
cases named in PAIRS and COUNTERS are held to their pairs and counters too.
"""
import atexit
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading

import support
from support import Failure, Skip, add_test, check, check_equal, read

SECONDS = 5          # per case, as cases.json asks for
MEMORY_KIB = 256 * 1024  # largest resident set of any one process: twice all caps of the default settings together
OPTIONS = ("--history", "256k")

# Cases whose pairs are of protocols that nothing here reads: only the bounds hold for them.
OTHER_PROTOCOLS = {
    "h2": "HTTP/2 is not read", "redis": "Redis is not read", "kafka": "Kafka is not read", "amqp": "AMQP is not read",
    "dns": "DNS is not read", "pgsql": "PostgreSQL is not read", "mysql": "MySQL is not read", "tls": "TLS is not read",
}

_made = {"lock": threading.Lock(), "folder": None, "cases": None}


def made():
    """Make the captures once; returns (folder, cases)."""
    generator = os.path.join(support.need_captures(), "adversarial", "gen.py")
    if not os.path.exists(generator):
        raise Skip("no %s" % generator)
    with _made["lock"]:
        if _made["folder"] is None:
            folder = tempfile.mkdtemp(prefix="weir-adversarial-")
            atexit.register(shutil.rmtree, folder, True)
            subprocess.run([sys.executable, generator, folder], check=True, stdout=subprocess.DEVNULL)
            os.chmod(folder, 0o755)
            with open(os.path.join(folder, "cases.json")) as f:
                _made["cases"] = json.load(f)
            _made["folder"] = folder
    return _made["folder"], _made["cases"]


def run_of(case):
    """A finished run of a case, and what cases.json expects of it."""
    folder, cases = made()
    return read(os.path.join(folder, case + ".pcap"), options=OPTIONS, timeout=SECONDS * 4), cases[case]["expect"]


def rows(run):
    """[request, code] of every record, connection by connection."""
    return [[support.request_text(r), support.code_of(r)]
            for group in support.by_connection([p for p in run.pairs if p["proto"] == "http"]) for r in group]


# ---------------------------------------------------------------- every case


def stays_in_bounds(case):
    def bounds_of_this_case():
        run, _ = run_of(case)
        run.check_status(support.DONE).check_closed()
        check(run.seconds <= support.patience(SECONDS), "took %.1f s" % run.seconds)
        if not support.sanitized():
            check(run.peak_kib <= MEMORY_KIB, "%d KiB resident" % run.peak_kib)
        lines = run.output.splitlines()
        check(all(byte >= 0x20 for line in lines for byte in line), "a control byte in the output")
        check(len(run.lines) == len(lines), "a line that is not JSON")
        check("\x1b" not in run.stderr, "an escape sequence on stderr")
        negative = [p["seq"] for p in run.pairs if p.get("latency_ns", 0) < 0]
        check(not negative, "latency below zero in records %r" % negative[:3])
        why = next((w for p, w in OTHER_PROTOCOLS.items() if case.startswith(p)), None)
        return "%.1f s, %d MiB%s" % (run.seconds, run.peak_kib // 1024,
                                     "; bounds only: " + why if why else "")

    return bounds_of_this_case


# ---------------------------------------------------------------- pairs


def exactly(key="pairs"):
    def pairs_as_expected(run, expect):
        wanted, found = expect[key], rows(run)
        check(found == wanted, "found %d pairs, wanted %d; first difference %r" %
              (len(found), len(wanted), next(((f, w) for f, w in zip(found, wanted) if f != w), (found[-3:], wanted[-3:]))))

    return pairs_as_expected


def reset_ends_it(run, expect):
    found = rows(run)
    check_equal(found[:2], expect["pairs"], "before the reset")
    check(found[2:] in ([], [["GET /after", "-"]]), "after the reset: %r" % found[2:])


def nothing_shifts(run, expect):
    found = rows(run)
    if len(found) > 30 and found[30] == ["GET /g30", "-"]:
        found[30] = expect["pairs"][30]  # its tail was not captured: either answer is right
    check_equal(found, expect["pairs"], "pairs around the gaps")


def first_pair(run, expect):
    check_equal(rows(run)[0], expect["pairs_first"], "first pair")


def last_pair(run, expect):
    check_equal(rows(run)[-1], expect["pairs_last"], "last pair")


def codes(run, expect):
    check_equal([code for _, code in rows(run)], expect["pairs_codes"], "codes")


def every_host_once(run, expect):
    check_equal(rows(run), [["GET /u%d" % i, "200"] for i in range(20000)], "pairs")


def bombs_are_paired(run, expect):
    found = rows(run)
    for wanted in (["GET /h", "200"], ["GET /d", "200"]):
        check(wanted in found, "no %r among %r" % (wanted, [f for f in found if len(f[0]) < 100]))


def injection_is_quoted(run, expect):
    found = [r for r in run.pairs if support.code_of(r) == "200"]
    check(len(found) >= 10, "%d of 13 requests have their answer" % len(found))  # a line feed or NUL may end one's line
    check(any("target_b64" in r["request"] for r in found), "no value that is not UTF-8 has its exact bytes beside it")


PAIRS = {
    "tcp_overlap_conflict": exactly("pairs_first_wins"), "tcp_seq_wrap": exactly(), "tcp_seq_wrap_ooo": exactly(),
    "tcp_keepalive_garbage": exactly(), "tcp_zero_window_probe": exactly(), "tcp_rst_variants": reset_ends_it,
    "tcp_urgent": exactly("pairs_inline"), "tcp_midstream_portreuse": exactly(), "tcp_gap_no_shift": nothing_shifts,
    "tcp_syn_flood": exactly(), "tcp_simultaneous_open": exactly(), "tcp_snaplen": last_pair,
    "ip_frag_flood": exactly(), "http_pipeline_flood": first_pair, "http_pipeline_fifo": exactly(),
    "http_length_rules": exactly(), "http_chunk_bombs": first_pair, "http_header_bombs": bombs_are_paired,
    "http_gzip_bomb": codes, "http_injection": injection_is_quoted, "http_cardinality": every_host_once,
    "time_jumps": exactly(),
}


def pairs_hold(case):
    def pairs_of_this_case():
        PAIRS[case](*run_of(case))

    return pairs_of_this_case


# ---------------------------------------------------------------- counters


def at_least(number, *terms):
    def counted(run):
        found = sum(run.ledger.sum(term) for term in terms)
        check(found >= number, "%s is %d, wanted at least %d" % (" + ".join(terms), found, number))

    return counted


def anomalies(number):
    def flagged(run):
        found = sum("anomaly" in r.get("flags", ()) for r in run.pairs)
        check(found >= number, "%d records flagged anomaly, wanted at least %d" % (found, number))

    return flagged


def the_bombs_are_too_deep(run):
    """All but the frame with two tags, whose UDP packet reaches its flow."""
    check_equal(run.ledger.count("malformed.too_deep"), 5, "packets too deep")
    check_equal(run.ledger.count("to_flow"), 1, "packets given to a flow")


COUNTERS = {
    "tcp_overlap_conflict": at_least(1, "conflict_bytes"),
    "tcp_gap_no_shift": at_least(1, "gap_bytes"),
    "tcp_tiny_reverse": at_least(1, "delivered", "discarded"),
    "tcp_checkerboard": at_least(1, "discarded.flow_cap", "gaps"),
    "tcp_syn_flood": at_least(1, "flows_evicted", "passed_over.flow_table_full"),
    "tcp_bad_headers": at_least(20, "malformed.tcp_header"),
    "tcp_snaplen": at_least(1, "packets_cut"),
    "ip_teardrop": at_least(1, "fragments_overlapping"),
    "ip_pod": at_least(3, "malformed.fragment"),
    "ip_frag_flood": at_least(1, "passed_over.fragment_limit", "fragments_expired"),
    "ip6_ext": at_least(1, "malformed.fragment_overlap"),
    "ip_bad_lengths": at_least(10, "malformed"),
    "encap_bomb": the_bombs_are_too_deep,
    "http_smuggling": anomalies(15),
    "http_pipeline_flood": at_least(1, "unanswered.limit"),
}


def counters_tell(case):
    def counters_of_this_case():
        COUNTERS[case](run_of(case)[0])

    return counters_of_this_case


# ---------------------------------------------------------------- bytes

STREAMS = {  # case: (key in cases.json, source ends with)
    "tcp_overlap_conflict": ("stream_c2s", ":40000"), "tcp_seq_wrap_ooo": ("stream_c2s", ":40000"),
    "tcp_zero_window_probe": ("stream_s2c", ":80"), "tcp_urgent": ("stream_c2s_inline", ":40000"),
}


def bytes_are_right(case):
    key, source = STREAMS[case]

    def bytes_of_this_case():
        folder, cases = made()
        run = read(os.path.join(folder, case + ".pcap"), options=("--format", "streams")).check_status(support.DONE)
        found = [line.split("\t")[10] for line in run.output.decode().splitlines()
                 if line.split("\t")[0].endswith(source)]
        check_equal(found, [cases[case]["expect"][key]], "hash")

    return bytes_of_this_case


# ---------------------------------------------------------------- broken files

CLEAN = (support.DONE,)
BROKEN = (support.DAMAGED,)
NO_CAPTURE = (support.DAMAGED, support.SOURCE)  # damaged from its first byte, or no capture at all
EITHER = (support.DONE, support.DAMAGED)

FILES = {
    "empty.pcap": NO_CAPTURE, "hdr_only.pcap": CLEAN, "hdr_short.pcap": NO_CAPTURE, "bad_magic.pcap": NO_CAPTURE,
    "caplen_huge.pcap": BROKEN, "caplen_neg.pcap": BROKEN, "caplen_gt_len.pcap": EITHER, "trunc_rec.pcap": BROKEN,
    "nsec.pcap": CLEAN, "be.pcap": CLEAN, "snap0.pcap": CLEAN, "link_unknown.pcap": CLEAN, "fcs.pcap": CLEAN,
    "modified.pcap": CLEAN, "zero_recs.pcap": CLEAN, "ng_ok.pcapng": CLEAN, "ng_len0.pcapng": BROKEN,
    "ng_lenhuge.pcapng": BROKEN, "ng_noidb.pcapng": BROKEN, "ng_iface9.pcapng": BROKEN, "ng_caplen.pcapng": BROKEN,
    "ng_tsresol.pcapng": BROKEN, "ng_unaligned.pcapng": BROKEN, "ng_optlen.pcapng": EITHER, "ng_manyidb.pcapng": EITHER,
    "ng_shb_twice_be.pcapng": CLEAN,
}


def file_is_judged(name):
    def status_of_this_file():
        folder, _ = made()
        run = read(os.path.join(folder, "files", name)).check_sane().check_status(*FILES[name])
        if run.status != support.SOURCE:
            run.check_closed()
        return "status %d" % run.status

    return status_of_this_file


def every_file_of_the_generator_is_in_the_list():
    _, cases = made()
    check_equal(sorted(cases["_files"]["files"]), sorted(FILES), "broken files")


def register():
    if support.captures_folder() is None:
        for name in ("cases_stay_in_bounds", "pairs_hold", "counters_tell", "bytes_are_right", "broken_files_are_judged"):
            add_test("adversarial", name, support.need_captures)
        return
    try:
        _, cases = made()
    except (Skip, subprocess.CalledProcessError) as why:
        text = str(why)

        def generator_runs():
            raise Failure(text)

        add_test("adversarial", "generator_runs", generator_runs)
        return
    for case in cases:
        if case == "_files":
            continue
        add_test("adversarial", "stays_in_bounds " + case, stays_in_bounds(case))
        if case in PAIRS:
            add_test("adversarial", "pairs_hold " + case, pairs_hold(case))
        if case in COUNTERS:
            add_test("adversarial", "counters_tell " + case, counters_tell(case))
        if case in STREAMS:
            add_test("adversarial", "bytes_are_right " + case, bytes_are_right(case))
    for name in FILES:
        add_test("adversarial", "file_is_judged " + name, file_is_judged(name))
    add_test("adversarial", "every_file_of_the_generator_is_in_the_list", every_file_of_the_generator_is_in_the_list)


register()
