"""cli - the command line as a person meets it, and the text that comes out.

Answers: does every mistake get status 2 and a word about what is wrong; do the
settings survive being printed and read back; is the output the JSON Lines that
users were promised; does rotation lose nothing.
"""
import glob
import json
import os
import re

import support
from packets import sample
from support import Folder, check, check_equal, content, read, test, weir


def refused(*arguments, names=()):
    run = weir(*arguments).check_status(support.USAGE).check_sane()
    check(run.output == b"", "a refusal wrote to standard output: %r" % run.output[:80])
    for name in names:
        check(name in run.stderr, "%r is not in %r" % (name, run.stderr))
    return run


# ---------------------------------------------------------------- help and mistakes


@test
def help_is_status_0_on_standard_output_and_names_the_command():
    for arguments in (("--help",), ("help",), ()):
        run = weir(*arguments).check_status(support.DONE)
        check(b"weir read" in run.output and run.stderr == "", "help of %r: %r" % (arguments, run.output[:200]))


@test
def help_of_read_names_every_promised_option_within_100_columns():
    for arguments in (("read", "--help"), ("help", "read")):
        text = weir(*arguments).check_status(support.DONE).output.decode()
        for option in ("output", "format", "headers", "body-limit", "workers", "until", "ledger", "history",
                       "stats-interval", "snaplen", "checksum", "ignore-ports", "print-settings"):
            check("--" + option in text, "--%s is not in the help" % option)
        wide = [line for line in text.splitlines() if len(line) > 100]
        check(not wide, "lines over 100 columns: %r" % wide[:2])


@test
def the_version_is_printed():
    text = weir("--version").check_status(support.DONE).output.decode()
    check(re.fullmatch(r"weir \d+\.\d+.*\n", text), "version: %r" % text)


@test
def an_unknown_command_is_refused_with_a_suggestion():
    refused("raed", names=("raed", "read"))


@test
def an_unknown_option_is_refused_with_a_suggestion():
    refused("read", "--wrokers", "2", "x.pcap", names=("wrokers", "workers"))


@test
def no_file_is_refused():
    refused("read", names=("FILE",))


@test
def an_option_without_its_value_is_refused():
    refused("read", "--workers", names=("workers",))


@test
def a_value_outside_its_range_is_refused_with_the_range():
    refused("read", "--workers", "0", "-", names=("workers", "64"))
    refused("read", "--workers", "many", "-", names=("workers",))


@test
def a_ring_that_is_no_power_of_two_is_refused():
    refused("read", "--ring", "5000000", "-", names=("ring", "power of two"))


@test
def an_unknown_format_and_an_unknown_stage_are_refused():
    refused("read", "--format", "jsnl", "-", names=("jsonl",))
    refused("read", "--until", "reasembly", "-", names=("reassembly",))


@test
def a_filter_that_does_not_compile_is_refused():
    with Folder() as folder:
        refused("read", folder.file("a.pcap", sample()), "port", "portt", names=("filter",))


@test
def an_output_over_the_input_is_refused():
    with Folder() as folder:
        path = folder.file("a.pcap", sample())
        refused("read", path, "--output", path)
        with open(path, "rb") as f:
            check_equal(f.read(), sample(), "the input afterwards")


# ---------------------------------------------------------------- settings


@test
def printed_settings_read_back_are_the_same():
    with Folder() as folder:
        given = ("--workers", "3", "--gap-wait", "7ms", "--headers", "host,user-agent", "--body-limit", "2k",
                 "--ignore-ports", "22,8000-8099", "--until", "pair", "--output", "a ; b.jsonl", "--checksum", "on")
        first = weir("read", folder.file("a.pcap", sample()), *given, "--print-settings").check_status(support.DONE)
        ini = folder.file("weir.ini", first.output)
        second = weir("read", "--config", ini, "--print-settings").check_status(support.DONE)
        check_equal(second.output, first.output, "settings")
        for text in (b"workers = 3", b"7ms", b"host,user-agent"):
            check(text in first.output, "%r is not in the settings" % text)


@test
def the_command_line_wins_over_the_file():
    with Folder() as folder:
        ini = folder.file("weir.ini", b"[read]\nworkers = 3\nheld-segments = 99\n")
        text = weir("read", "--config", ini, "--workers", "2", "-", "--print-settings").check_status(0).output
        check(b"workers = 2\n" in text and b"held-segments = 99\n" in text, "settings: %r" % text[:300])


@test
def a_mistake_in_the_file_is_refused_with_its_line():
    with Folder() as folder:
        ini = folder.file("weir.ini", b"[read]\nworkers = 3\nwrokers = 4\n")
        refused("read", "--config", ini, "-", names=("weir.ini:3", "wrokers"))


@test
def a_filter_selects_packets_and_counts_the_others():
    with Folder() as folder:
        path = folder.file("a.pcap", sample(6, 8))
        run = read(path, filter=("tcp", "port", "20003")).check_status(support.DONE).check_closed()
        check_equal({r["client"]["port"] for r in run.pairs}, {20003}, "client ports")
        check_equal(len(run.pairs), 8, "pairs")
        check(run.ledger.count("filtered") > 0, "nothing was filtered")


@test
def ignored_ports_are_passed_over_and_counted():
    with Folder() as folder:
        run = read(folder.file("a.pcap", sample(6, 8)), options=("--ignore-ports", "20000-20002")).check_closed()
        check_equal({r["client"]["port"] for r in run.pairs}, {20003, 20004, 20005}, "client ports")
        check(run.ledger.count("passed_over.ignored_port") > 0, "nothing was passed over")


# ---------------------------------------------------------------- what comes out

ENVELOPE = ("type outcome why proto version ts latency_ns conn index client server vlan iface frames run worker seq "
            "error flags tags request response").split()
REQUEST = "method target head_bytes body_bytes duration_ns".split()
RESPONSE = "code head_bytes body_bytes duration_ns".split()


def in_order(keys, promised):
    places = [promised.index(k) for k in keys if k in promised]
    return places == sorted(places)


@test
def records_have_their_keys_in_the_promised_order():
    with Folder() as folder:
        run = read(folder.file("a.pcap", sample()))
        for record in run.pairs:
            check(in_order(record, ENVELOPE), "order of keys: %r" % list(record))
            check(in_order(record["request"], REQUEST), "order of keys: %r" % list(record["request"]))
            check(in_order(record["response"], RESPONSE), "order of keys: %r" % list(record["response"]))
            check(set(record) <= set(ENVELOPE), "unknown keys: %r" % (set(record) - set(ENVELOPE)))


@test
def records_are_compact_and_their_values_have_the_promised_shape():
    with Folder() as folder:
        run = read(folder.file("a.pcap", sample()))
        for line, record in zip(run.output.splitlines(), run.lines):
            check_equal(line, json.dumps(record, separators=(",", ":"), ensure_ascii=False).encode(), "line")
        for record in run.pairs:
            check(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z", record["ts"]), "ts %r" % record["ts"])
            check(re.fullmatch(r"[0-9a-f]{16}", record["conn"]), "conn %r" % record["conn"])
            check_equal(record["response"]["code"], "200", "code")
            check_equal(len(record["frames"]), 4, "frames")
            check_equal(record["request"]["headers"], [["Host", "a.test"]], "request headers")


@test
def the_output_begins_with_start_and_ends_with_the_ledger():
    with Folder() as folder:
        path = folder.file("a.pcap", sample())
        run = read(path)
        check_equal(run.lines[0]["type"], "start", "first line")
        check_equal(run.lines[-1]["type"], "end", "last line")
        check({line["run"] for line in run.pairs} == {run.lines[0]["run"]}, "the runs' names differ")
        check("version" in run.lines[0] and any(path in str(s) for s in run.lines[0]["sources"]),
              "start line: %r" % run.lines[0])
        check("balances" in json.dumps(run.lines[-1]), "no ledger in the end line")


@test
def standard_output_carries_the_records_and_nothing_else():
    with Folder() as folder:
        run = weir("read", folder.file("a.pcap", sample())).check_status(support.DONE)
        check_equal(len(run.pairs), 48, "pairs")


@test
def headers_none_and_named_headers_are_what_they_say():
    with Folder() as folder:
        path = folder.file("a.pcap", sample())
        none = read(path, options=("--headers", "none"))
        check(all("headers" not in r["request"] and "headers" not in r["response"] for r in none.pairs), "headers")
        named = read(path, options=("--headers", "content-length"))
        check(all(r["response"]["headers"] == [["Content-Length", "300"]] for r in named.pairs), "named headers")
        check(all("headers" not in r["request"] or r["request"]["headers"] == [] for r in named.pairs), "others")
        check_equal(content(none), content(named), "records")


@test
def bodies_are_kept_up_to_the_limit():
    with Folder() as folder:
        path = folder.file("a.pcap", sample())
        run = read(path, options=("--body-limit", "300"))
        check(all(r["response"]["body"] == "b" * 300 for r in run.pairs), "whole bodies")
        run = read(path, options=("--body-limit", "299"))
        check(all(r["response"]["body"] == "b" * 299 and "body_cut" in r["flags"] for r in run.pairs), "cut bodies")
        check(all("body" not in r["response"] for r in read(path).pairs), "bodies without --body-limit")


@test
def the_table_and_the_closing_line_are_on_standard_error():
    with Folder() as folder:
        run = read(folder.file("a.pcap", sample())).check_closed()
        for word in ("packets", "payload", "messages", "records"):
            line = next((x for x in run.stderr.splitlines() if x.startswith(word)), "")
            check(line.endswith("closed"), "line of %s: %r" % (word, line))
        check(re.fullmatch(r"weir read: \d+ packets, 48 pairs, ledger closed, [\d.]+ s", run.closing_line),
              "closing line: %r" % run.closing_line)
        check_equal(run.stderr.splitlines()[-1], run.closing_line, "last line")


@test
def quiet_is_quiet():
    with Folder() as folder:
        run = read(folder.file("a.pcap", sample()), options=("--quiet",)).check_status(support.DONE)
        check_equal(run.stderr, "", "standard error")
        check_equal(len(run.pairs), 48, "pairs")


# ---------------------------------------------------------------- stats lines

APP_STATS = ("processedBytes packetsCount tcpPacketsCount ignoredPacketsCount reassembledTcpPayloadsCount "
             "tlsConnectionsCount matchedPairs droppedTcpStreams liveTcpStreams ignoredLastAckCount "
             "throttledPackets").split()


@test
def the_stats_lines_add_up_to_the_run():
    with Folder() as folder:
        run = read(folder.file("a.pcap", sample(20, 100)), options=("--stats-interval", "10ms")).check_closed()
        lines = [json.loads(x[x.index("{"):]) for x in run.stderr.splitlines() if "app stats - {" in x]
        check(lines, "no stats line: %r" % run.stderr[:300])
        for line in lines:
            check_equal(list(line), APP_STATS, "keys")
        check_equal(sum(x["matchedPairs"] for x in lines), 2000, "matched pairs")
        check_equal(sum(x["packetsCount"] for x in lines), run.ledger.count("packets:received"), "packets")
        check(any(re.search(r"heap-alloc: \d+.*goroutines: \d+.*cpu: [\d.]+.*cores: \d+.*rss: [\d.]+", x)
                  for x in run.stderr.splitlines()), "no resource line")


# ---------------------------------------------------------------- rotation


def rotated(folder):
    paths = sorted(glob.glob(os.path.join(folder.path, "out*")), key=os.path.getmtime)
    return [p for p in paths if os.path.isfile(p)]


@test
def rotation_by_size_loses_and_repeats_nothing():
    with Folder() as folder:
        path, output = folder.file("a.pcap", sample(20, 100)), os.path.join(folder.path, "out.jsonl")
        run = weir("read", path, "--output", output, "--rotate-size", "100k").check_status(support.DONE)
        files = rotated(folder)
        check(len(files) > 3, "%d files" % len(files))
        seqs = []
        for name in files:
            with open(name, "rb") as f:
                lines = [json.loads(line) for line in f.read().splitlines()]  # every file is whole lines
            seqs += [line["seq"] for line in lines if line["type"] == "pair"]
            check(os.path.getsize(name) < 1 << 20, "%s has %d bytes" % (name, os.path.getsize(name)))
        check_equal(sorted(seqs), list(range(2000)), "seq over all files")
        check(run.closing_line, "closing line: %r" % run.stderr[-200:])


@test
def standard_output_cannot_be_rotated():
    refused("read", "-", "--rotate-size", "1M", names=("rotate",))


# ---------------------------------------------------------------- what it needs not


@test
def an_ordinary_user_reads_files_too():
    if os.geteuid() != 0:
        return "this user is one"  # every other test of this suite has shown it
    with Folder() as folder:
        path, output = folder.file("a.pcap", sample()), os.path.join(folder.path, "out")

        def become_nobody():
            os.setgroups([])
            os.setgid(65534)
            os.setuid(65534)

        try:
            run = weir("read", path, "--output", output, limit=become_nobody)
        except PermissionError:
            raise support.Skip("the build folder is closed to other users") from None
        run.check_status(support.DONE)
        check(run.closing_line, "closing line: %r" % run.stderr[-200:])
