#!/usr/bin/env python3
"""dissectors - what each dissector costs, and whether the others cost HTTP/1 anything.

    tests/bench/dissectors.py [--build FOLDER]

Runs build/release/tests/bench/bench_dissect: reassembly, identification, dissection, pairing and records in one process, fed with the
conversations of each dissector's fuzz corpus. Messages per second are the best of five runs; instructions per message are callgrind's,
by the difference of two lengths, so that start and end are not in them. Two promises are checked (status 1 if one is broken):

    identification   less than 150 ns per flow, every dissector on
    HTTP/1           with every dissector on no more than 3 % more instructions per packet than alone
"""
import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
CORPUS = os.path.join(ROOT, "tests", "fuzz", "corpus")
DATAGRAMS = ("dns", "quic")
IDENTIFY_NS, RISE = 150, 0.03
RUNS, REPEATS = 5, 2000
SHORT, LONG = 4, 44


def numbers(text):
    return {name: int(float(value)) for name, value in re.findall(r"(\w+)=([0-9.]+)", text)}


def run(program, *words):
    return numbers(subprocess.run([program, *map(str, words)], stdout=subprocess.PIPE, text=True, check=True).stdout)


def instructions(program, *words):
    """Of reassembly and all behind it (the program that makes the packets is not in it), and what was printed."""
    with tempfile.TemporaryDirectory(prefix="weir-bench-") as folder:
        done = subprocess.run(["valgrind", "--tool=callgrind", "--callgrind-out-file=" + os.path.join(folder, "out"),
                               "--toggle-collect=reassembly_packet", program, *map(str, words)],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=True)
    return int(re.search(r"Collected : (\d+)", done.stderr).group(1)), numbers(done.stdout)


def per(program, unit, *words):
    """Instructions per message or packet: start and end are in both lengths."""
    few, small = instructions(program, *words, SHORT)
    many, large = instructions(program, *words, LONG)
    return (many - few) / max(1, large[unit] - small[unit])


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--build", default=os.path.join(ROOT, "build", "release"))
    program = os.path.join(parser.parse_args().build, "tests", "bench", "bench_dissect")
    counts = shutil.which("valgrind") is not None
    broken = []

    found = run(program, "identify")
    print("identification, %d dissectors: a flow that nobody knows %d ns, HTTP %d ns, Redis %d ns, TLS %d ns" % (
        found["dissectors"], found["unknown_ns"], found["http_ns"], found["redis_ns"], found["tls_ns"]))
    if max(found[name] for name in found if name.endswith("_ns")) >= IDENTIFY_NS:
        broken.append("identification takes %d ns or more" % IDENTIFY_NS)
    if counts:
        alone, beside = (per(program, "packets", "http", names) for names in ("http1", ""))
        print("HTTP/1, instructions per packet: alone %.0f, with every dissector on %.0f (%+.1f %%)" % (
            alone, beside, 100 * (beside / alone - 1)))
        if beside > alone * (1 + RISE):
            broken.append("the others cost HTTP/1 more than %d %%" % (100 * RISE))
    else:
        print("instructions are not counted: valgrind is not installed")
    print("%-10s %14s %14s %18s" % ("dissector", "messages/s", "packets/s", "instructions/msg"))
    for name in sorted(os.listdir(CORPUS)):
        if not os.path.exists(os.path.join(ROOT, "dissectors", name + ".c")):
            continue
        words = (os.path.join(CORPUS, name), int(name in DATAGRAMS))
        best = min((run(program, *words, REPEATS) for _ in range(RUNS)), key=lambda r: r["ns"])
        if best["messages"] == 0:
            print("%-10s no conversation of its corpus has a message" % name)
            continue
        print("%-10s %14.0f %14.0f %18s" % (name, best["messages"] * 1e9 / best["ns"], best["packets"] * 1e9 / best["ns"],
                                            "%.0f" % per(program, "messages", *words) if counts else "-"))
    for what in broken:
        print("broken: " + what)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
