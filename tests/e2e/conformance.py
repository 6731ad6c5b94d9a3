"""conformance - weir against independent verdicts, capture by capture.

Answers: are the pairs right, are the bytes right, and does the ledger close on
every capture there is. Needs the folder of captures (support.captures_folder). Of those without a verdict every
fourth is read, or with a sanitizer every eighth; WEIR_FULL=1 reads all.
"""
import glob
import os
import concurrent.futures

import expected  # noqa: F401  (its tests are part of this suite)
import judged
import support
from judged import rows_of, verdicts
from support import Failure, Skip, add_test, check, read

# (part of a capture's name, what is not compared, why, packet numbers). A verdict can be wrong and
# weir can leave something to a part it does not have: either is said here, by name, or it is a failure.
EXCEPTIONS = (
    ("arkime+arkime/tests/pcap/tcpdump-geneve.pcap", ("streams",),
     "the verdict does not look into GENEVE; the connection inside has 1,829 and 2,567 bytes, as tshark counts them too",
     "3 to 37"),
    ("http-gap-simple/input.pcap", ("pairs",),
     "the head of the response to /2 is there, only bytes of its body are missing: a pair with gap_in_body", "11 to 22"),
    ("tcp-urgp-01-oob/tcp-urgent1.pcap", ("pairs",),
     "the urgent byte stays in line, so the request is whole; the verdict lost the request", "4, 5 and 8"),
    ("postgresql/http-on-port-5432.pcap", ("pairs",), "it is HTTP on a port of PostgreSQL, by which the verdict went",
     "all"),
    ("fuzz-2006-06-26-2594.pcap", ("pairs of dns",),
     "bytes were changed at random: the verdict goes by port 53, weir by the shape of the first messages of a flow; bytes of a "
     "name that are no letters are written differently, and what repeats a request differs by a byte",
     "6-7, 10-11, 16, 21-22, 24-25, 29, 41-43, 101-104, 110-111, 116, 136-137, 139, 145-147, 151, 183-185, 187, 194, "
     "196-198, 205-206, 208, 211-212, 216, 218-220, 224, 226, 229, 232-233, 236, 239, 241, 243-246, 254, 269, 273, 278-280, "
     "283-286, 293, 295, 304, 311, 314-316, 320, 322, 324, 331-332, 334, 337-338, 343, 351, 360, 364-365, 371-373, 375, "
     "382-387, 390-391, 393-394, 398, 408, 414, 418-419, 423-427, 433-434, 437-439, 450, 452, 490-491, 496, 498, 500, "
     "504-506, 510-513, 517, 522, 525, 528-529, 541, 552, 569, 579, 588-589, 600, 605, 612, 614-615, 618, 623, 634, 636-637, "
     "641, 644-645, 652, 654, 656, 659-660, 662, 666, 668, 671, 676-679"),
    ("tcp-fastopen-10-syn-data-ignore/input.pcap", ("pairs of tls",),
     "two SYN/ACKs with different numbers: the client's ACK chooses the server's bytes, which the verdict lost", "18 and 25"),
    ("tls-12-amazon-rds.pcap", ("pairs of tls",), "TLS begins inside a connection of MySQL, which weir does not read", "all"),
    ("almost-resp.pcap", ("pairs of resp",), "lines that are no RESP are no responses", "9"),
    ("ntop+nDPI/tests/cfgs/default/pcap/kafka.pcapng", ("pairs of kafka",),
     "a response says nothing of which API it answers: without its request it is not taken for one", "6 and 7"),
    ("vlan-collisions.pcap", ("pairs", "streams"),
     "the same addresses and ports in three VLANs are three connections here and one in the verdict", "all"),
    ("with_evasion_linux.pcap", ("streams",),
     "a FIN that comes before the server's SYN ends nothing (RFC 9293 3.10.7.3); the verdict ends the server's bytes there, "
     "while the other verdict has the pair", "3, 5 and 9"),
    ("fuzz-2006-06-26-2594.pcap", ("streams",),
     "data that lie beyond the FIN are no data, whichever came first; the verdict keeps 48 bytes 383,760 beyond it",
     "71 and 92"),
    ("reasm_segv_anon.pcapng", ("streams",),
     "the verdict does not look into GTP; the connection inside has 40,496 different bytes in sequence, as tshark numbers them too", "1 to 82"),
    ("modbus/fuzz-1011.pcap", ("streams",),
     "the server's bytes start where the client's first packet acknowledges them; the verdict starts at the first segment",
     "1 and 3"),
)


def exception(capture, what):
    for part, parts, why, packets in EXCEPTIONS:
        if part in capture and what in parts:
            return "%s (packets: %s)" % (why, packets)
    return None


# ---------------------------------------------------------------- websockets

# Suricata's expectations: (capture, texts from the server, texts from the client, one of them, by the server).
WEBSOCKETS = (
    ("websocket/basic_websockets.pcap", 14, 3, "version,hybi-draft-13", True),
    ("websocket-control-frag/input.pcap", 0, 1, "MALWARE_DOWNLOAD cmd.exe /c powershell", False),
)


def messages_are_what_suricata_expects(name, from_server, from_client, payload, by_server):
    def the_messages_of_this_capture():
        run = read(os.path.join(support.need_captures(), "pcaps/OISF+suricata-verify/tests", name),
                   options=("--body-limit", "1000"))
        texts = [("from_server" in r.get("flags", ()), r["request"]["body"]) for r in run.pairs
                 if r["proto"] == "websocket" and r["request"]["method"] == "TEXT"]
        check([s for s, _ in texts].count(True) == from_server and [s for s, _ in texts].count(False) == from_client,
              "not %d texts of the server and %d of the client: %r" % (from_server, from_client, texts))
        check(any(s == by_server and payload in body for s, body in texts), "%r is in none of %r" % (payload, texts))
    return the_messages_of_this_capture


# ---------------------------------------------------------------- pairs


def dissectors():
    """Those that were built: what has no dissector yet is not judged."""
    return {line.split(":")[0] for line in support.weir("dissectors").output.decode().splitlines() if line[:1] != " "}


def pairs_equal(capture, name, verdict):
    def the_pairs_of_this_capture():
        rows, there, told, failures = rows_of(verdict), dissectors(), [], []
        if exception(name, "pairs"):
            raise Skip(exception(name, "pairs"))
        records = support.once.read(capture).check_status(support.DONE, support.DAMAGED).pairs
        for protocol in judged.PROTOCOLS:
            wanted = judged.of_verdict(protocol, rows)
            if protocol.dissector not in there:
                told += ["%s  not read" % protocol.name] if wanted else []
                continue
            found = judged.of_records(protocol, records)
            missing, extra = judged.difference(wanted, found), judged.difference(found, wanted)
            why = exception(name, "pairs of " + protocol.name)
            if wanted or found:
                told.append("%s  verdict %d  found %d  exact %d%s" % (protocol.name, len(wanted), len(found), len(wanted) - len(missing),
                                                                      ": " + why if why else ""))
            if (missing or extra) and not why:
                failures.append("%s: missing %r; extra %r" % (protocol.name, missing[:4], extra[:4]))
            check(missing or extra or not why, "there is no need for the exception any more: " + str(why))
        if failures:
            raise Failure("; ".join(told + failures))
        return "; ".join(told)

    return the_pairs_of_this_capture


# ---------------------------------------------------------------- streams

COLUMNS = "src dst epoch start delivered gap_bytes gaps conflict_bytes retx_bytes flags hash".split()
BYTES = tuple(COLUMNS.index(c) for c in ("src", "dst", "epoch", "delivered", "gap_bytes", "hash"))
HASH = COLUMNS.index("hash")


def streams_of(capture, name, what):
    """The lines that weir prints for a capture, as tuples."""
    why = exception(name, what)
    if why:
        raise Skip(why)
    run = support.once.read(capture, ("--format", "streams")).check_status(support.DONE, support.DAMAGED)
    found = [tuple(line.split("\t")) for line in run.output.decode("utf-8").splitlines() if line[:1] not in "{#"]
    check(found == sorted(found), "the lines are not sorted")
    return found


def compare_streams(wanted, found):
    missing, extra = judged.difference(wanted, found), judged.difference(found, wanted)
    table = "streams  verdict %d  found %d  exact %d" % (len(wanted), len(found), len(wanted) - len(missing))
    if missing or extra:
        raise Failure("%s; %s" % (table, "; ".join(explain(missing, extra)[:3])))
    return table


def bytes_equal(capture, name, verdict):
    def the_bytes_of_every_direction():
        def part(rows):
            return [tuple(row[c] for c in BYTES) for row in rows if row[HASH] != "-"]

        return compare_streams(part(rows_of(verdict)), part(streams_of(capture, name, "streams")))

    return the_bytes_of_every_direction


def accounts_equal(capture, name, verdict):
    def every_column_of_every_direction():
        return compare_streams([tuple(row[:11]) for row in rows_of(verdict)],
                               streams_of(capture, name, "accounts" if exception(name, "accounts") else "streams"))

    return every_column_of_every_direction


def explain(missing, extra):
    """Which column of which direction differs."""
    texts, partner = [], {row[:3]: row for row in extra}
    for row in missing:
        names = COLUMNS if len(row) == len(COLUMNS) else [COLUMNS[c] for c in BYTES]
        other = partner.pop(row[:3], None)
        if other is None:
            texts.append("missing %s" % " ".join(row))
        else:
            texts.append("%s>%s#%s: " % row[:3] + ", ".join(
                "%s %s, wanted %s" % (c, o, w) for c, w, o in zip(names, row, other) if w != o))
    return texts + ["extra %s" % " ".join(row) for row in partner.values()]


# ---------------------------------------------------------------- ledger


def closes(capture, reading=read):
    run = reading(capture).check_status(support.DONE, support.DAMAGED, support.SOURCE)
    if run.status == support.SOURCE:
        run.check_sane()  # no capture file at all: nothing was opened, there is nothing to close
    else:
        run.check_closed()
    return run


def ledger_closes(capture):
    def the_ledger_of_this_capture():
        closes(capture, support.once.read)

    return the_ledger_of_this_capture


def ledger_closes_on_all(paths):
    def the_ledger_closes_on_every_capture_of_this_folder():
        failures = []

        def one(path):
            try:
                closes(path)
            except Failure as why:
                failures.append("%s: %s" % (os.path.basename(path), why))

        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            list(pool.map(one, paths))
        check(not failures, "%d of %d: %s" % (len(failures), len(paths), "; ".join(failures[:5])))
        return "%d captures" % len(paths)

    return the_ledger_closes_on_every_capture_of_this_folder


def bulk_folders():
    folder = support.captures_folder()
    for top in sorted(glob.glob(os.path.join(folder or "/nonexistent", "pcaps", "bulk", "*"))):
        paths = sorted(p for p in glob.glob(os.path.join(top, "**", "*"), recursive=True) if os.path.isfile(p))
        step = 1 if support.full() else 8 if support.sanitized() else 4
        if paths:
            yield os.path.basename(top), paths[::step]


def register():
    for expectation in WEBSOCKETS:
        add_test("conformance", "messages_are_what_suricata_expects " + expectation[0],
                 messages_are_what_suricata_expects(*expectation))
    for capture, name, verdict in verdicts("pairs"):
        add_test("conformance", "pairs_equal_the_verdict " + name, pairs_equal(capture, name, verdict))
        add_test("conformance", "ledger_closes " + name, ledger_closes(capture))
    for capture, name, verdict in verdicts("streams"):
        add_test("conformance", "bytes_equal_the_verdict " + name, bytes_equal(capture, name, verdict))
        add_test("conformance", "accounts_equal_the_verdict " + name, accounts_equal(capture, name, verdict))
    for name, paths in bulk_folders():
        add_test("conformance", "ledger_closes_on_every_capture_of bulk/" + name, ledger_closes_on_all(paths))
    if support.captures_folder() is None:
        for name in ("pairs_equal_the_verdicts", "bytes_equal_the_verdicts",
                     "accounts_equal_the_verdicts", "ledger_closes_on_every_capture",
                     "ledger_closes_on_every_capture_of bulk"):
            add_test("conformance", name, support.need_captures)


register()
