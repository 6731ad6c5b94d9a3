#!/usr/bin/env python3
"""dissectors - what each dissector costs, and whether the others cost HTTP/1 anything.

    tests/bench/dissectors.py [--build FOLDER]

Runs weir-bench-micro: reassembly, identification, dissection, pairing and records in one process, fed with the conversations of each
dissector's fuzz corpus, and with connections of twenty exchanges of HTTP/1. `weir bench micro` tells times and cycles; here
instructions per message are counted where there is no PMU: callgrind's, by the difference of two lengths, so that start and end are not
in them. Two promises are checked (status 1 if one is broken), and times are the best of five runs:

    identification   less than 150 ns per flow, every dissector on
    HTTP/1           with every dissector on no more than 3 % more instructions per message than alone
"""
import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
IDENTIFY_NS, RISE = 150, 0.03
RUNS, SECONDS = 5, 0.2
SHORT, LONG = 4, 44


def numbers(text):
    return {name: float(value) for name, value in re.findall(r"\b(least_ns|operations)=([0-9.e+-]+)", text)}


def names(program, group):
    listed = subprocess.run([program], stdout=subprocess.PIPE, text=True, check=True).stdout
    found = [line.split("\t")[0] for line in listed.splitlines()]
    return [name for name in found if name.startswith(group + "/")]


def best_ns(program, name):
    return min(numbers(subprocess.run([program, name, str(SECONDS)], stdout=subprocess.PIPE, text=True, check=True).stdout)["least_ns"]
               for _ in range(RUNS))


def instructions(program, name, runs):
    """Of reassembly and all behind it (the program that makes the packets is not in it), and how many messages there were."""
    with tempfile.TemporaryDirectory(prefix="weir-bench-") as folder:
        done = subprocess.run(["valgrind", "--tool=callgrind", "--callgrind-out-file=" + os.path.join(folder, "out"),
                               "--toggle-collect=reassembly_packet", program, name, "1", str(runs)],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=True)
    return int(re.search(r"Collected : (\d+)", done.stderr).group(1)), numbers(done.stdout)["operations"]


def per_message(program, name):
    """Start and end are in both lengths."""
    (few, small), (many, large) = (instructions(program, name, runs) for runs in (SHORT, LONG))
    return (many - few) / (large - small)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--build", default=os.path.join(ROOT, "build", "release"))
    program = os.path.join(parser.parse_args().build, "control", "bench", "micro", "weir-bench-micro")
    counts = shutil.which("valgrind") is not None
    broken = []

    found = {name: best_ns(program, name) for name in names(program, "identify")}
    print("identification: " + ", ".join("%s %.0f ns" % (name.split("/")[1], ns) for name, ns in found.items()))
    if max(found.values()) >= IDENTIFY_NS:
        broken.append("identification takes %d ns or more" % IDENTIFY_NS)
    if counts:
        alone, beside = (per_message(program, "dissect/twenty/http1" + which) for which in ("_alone", ""))
        print("HTTP/1, instructions per message: alone %.0f, with every dissector on %.0f (%+.1f %%)" % (
            alone, beside, 100 * (beside / alone - 1)))
        if beside > alone * (1 + RISE):
            broken.append("the others cost HTTP/1 more than %d %%" % (100 * RISE))
    else:
        print("instructions are not counted: valgrind is not installed")
    print("%-28s %14s %18s" % ("benchmark", "messages/s", "instructions/msg"))
    for name in names(program, "dissect"):
        print("%-28s %14.0f %18s" % (name, 1e9 / best_ns(program, name), "%.0f" % per_message(program, name) if counts else "-"))
    for what in broken:
        print("broken: " + what)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
