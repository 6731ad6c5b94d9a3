#!/usr/bin/env python3
"""ballast - do the benchmarks find 300 cycles where they are, and nothing where nothing is?

    sudo tests/bench/ballast.py [--runs N] [--same N] [--only counters,rungs,micro,ladder,same]

Builds build/ballast-none, -decode and -http1: the same but for a loop of about 300 cycles per packet in decode, or per message in the
dissector of HTTP/1 (dataplane/base/ballast.h). Then, status 1 if one of these is not so:

counters  the workers' own cycle counters (weir read of invented traffic): 80 % (to 125 %) of the whole difference are the right stage's
rungs     the same traffic cut off stage after stage (--until): so it is with the differences between rungs
micro     `weir bench micro` and `weir bench compare`: what contains the loop is worse, and flow look-up is not
ladder    `weir bench modes`: so it is with the ladder's prices, and `compare` says worse
same      `weir bench compare` of a build with itself says no difference in at least 19 of 20 runs

Builds take turns run by run, and the runs of each become one result: what the machine does meanwhile happens to all. The ladder needs
root for its lab, nginx, and calm: on a machine that others use its differences are noise, which is told. The counters are judged by
each stage's cheapest run, because a burst that was interrupted is never the cheapest.
"""
import argparse
import json
import math
import os
import shutil
import statistics
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PLACES = {"none": None, "decode": "decode", "http1": "dissect"}  # where the loop is: the stage that must become dearer
STAGES = ("rx", "decode", "flow", "reassembly", "dissect", "pair", "emit")
SHARE, WORSE, SAME_OF_20 = 0.80, 1, 19
STAGE_RUNS = 25  # of a quarter of a second: some are not disturbed
MICRO = ["--only", "decode/ipv4,flow/hit/1k,dissect/kept/http1_alone", "--seconds", "100ms", "--quiet"]
CONTAINS = {"decode": "decode/ipv4", "http1": "dissect/kept/http1_alone"}
MODES = ["--ladder", "stages", "--only", "open,rx,decode,flow,reassembly,dissect,pair", "--qps", "3000", "--seconds", "2s", "--quiet"]


def folder_of(place):
    return os.path.join(ROOT, "build", "ballast-" + place)


def weir_of(place):
    return os.path.join(folder_of(place), "control", "weir", "weir")


def build(place):
    folder = folder_of(place)
    if not os.path.exists(os.path.join(folder, "build.ninja")):
        subprocess.run(["meson", "setup", folder, ROOT, "--buildtype=release", "-Db_lto=false", "-Dtests=false", "-Ddpdk=disabled",
                        "-Dbench_ballast=" + place], check=True, stdout=subprocess.DEVNULL)
    subprocess.run(["ninja", "-C", folder, "programs"], check=True, stdout=subprocess.DEVNULL)
    version = subprocess.run([weir_of(place), "--version"], stdout=subprocess.PIPE, text=True, check=True).stdout.strip()
    if ("+ballast." + place in version) != (place != "none"):
        sys.exit("ballast: the build with ballast in %s calls itself %s" % (place, version))


class Judge:
    def __init__(self):
        self.failed = 0

    def say(self, good, text):
        self.failed += not good
        print("%s  %s" % ("ok  " if good else "FAIL", text), flush=True)


# ---------------------------------------------------------------- counters


def real_time():
    words = ["chrt", "--fifo", "5"]
    if shutil.which("chrt") and subprocess.run(words + ["true"], stderr=subprocess.DEVNULL).returncode == 0:
        return words
    return []


def stage_cycles(place, before, until="emit"):
    with tempfile.TemporaryDirectory(prefix="weir-ballast-") as folder:
        os.chmod(folder, 0o777)
        ledger = os.path.join(folder, "ledger")
        subprocess.run(before + [weir_of(place), "read", "--rx", "synth:packets=200000", "--until", until, "--output", "/dev/null",
                                 "--quiet", "--ledger", ledger], check=True, stderr=subprocess.DEVNULL)
        with open(ledger) as f:
            beside = json.load(f)["beside"]
    return {stage: beside.get("cycles." + stage, 0) / beside["timed_packets"] for stage in STAGES}


def share_of(moved, stage):
    """How much of the difference of all stages together that stage has. More than all where others became cheaper by chance."""
    whole = sum(moved.values())
    return moved[stage] / whole if whole > 0 else 0.0


def is_found(share):
    return SHARE <= share <= 1 / SHARE


def least_cycles(options, untils):
    """{(place, until): {stage: cycles of the cheapest run}}; all take turns."""
    before, runs = real_time(), {(place, until): [] for until in untils for place in PLACES}
    for _ in range(max(options.runs, STAGE_RUNS)):
        for place, until in runs:
            runs[place, until].append(stage_cycles(place, before, until))
    return {which: {stage: min(run[stage] for run in found) for stage in STAGES} for which, found in runs.items()}


def judge_shares(judge, part, prices):
    """prices: {place: {stage: cycles per packet}}."""
    for place, stage in PLACES.items():
        if stage is None:
            continue
        moved = {name: prices[place][name] - prices["none"][name] for name in STAGES}
        share = share_of(moved, stage)
        judge.say(is_found(share), "%s: ballast in %s: %.0f %% of what moved is in %s (%s)" % (
            part, place, 100 * share, stage, ", ".join("%s %+.0f" % item for item in moved.items())))


def counters(options, judge):
    least = least_cycles(options, ("emit",))
    judge_shares(judge, "counters", {place: least[place, "emit"] for place in PLACES})


def rungs(options, judge):
    least = least_cycles(options, STAGES)
    whole = {which: sum(found.values()) for which, found in least.items()}
    prices = {place: {stage: whole[place, stage] - (whole[place, STAGES[i - 1]] if i else 0) for i, stage in enumerate(STAGES)}
              for place in PLACES}
    judge_shares(judge, "rungs", prices)


# ---------------------------------------------------------------- results


def bench(place, *words):
    """One result of a benchmark of that build."""
    with tempfile.TemporaryDirectory(prefix="weir-ballast-") as folder:
        out = os.path.join(folder, "out")
        ran = subprocess.run([weir_of(place), "bench", *words, "--runs", "1", "--output-dir", out], stdout=subprocess.DEVNULL,
                             stderr=subprocess.PIPE, text=True)
        if not os.path.exists(os.path.join(out, "result.json")):
            sys.exit("ballast: weir bench %s: %s" % (words[0], ran.stderr.strip()))
        with open(os.path.join(out, "result.json")) as f:
            return json.load(f)


def numbers(samples):
    return [s for s in samples if s is not None and not math.isnan(s)]


def noise_of(samples):
    """As weir bench micro does: every other run against the rest."""
    found = numbers(samples)
    a, b = found[::2], found[1::2]
    if not a or not b or statistics.median(a) + statistics.median(b) == 0:
        return None
    a, b = statistics.median(a), statistics.median(b)
    return abs(a - b) / (abs(a + b) / 2)


def merge(results, noisy):
    """Several results of one run each as one. `noisy`: the figure that tells the noise."""
    whole = json.loads(json.dumps(results[0]))
    for figure in whole["figures"]:
        same = [f for r in results for f in r["figures"] if (f["cell"], f["name"]) == (figure["cell"], figure["name"])]
        figure["samples"] = [s for f in same for s in f["samples"]]
    noise = [n for n in (noise_of(f["samples"]) for f in whole["figures"] if f["name"] == noisy) if n is not None]
    whole["noise"] = max(noise) if noise else None
    return whole


def compare(before, after):
    """Status, and what is worse, by cell."""
    with tempfile.TemporaryDirectory(prefix="weir-ballast-") as folder:
        paths = []
        for name, result in (("before", before), ("after", after)):
            paths.append(os.path.join(folder, name + ".json"))
            with open(paths[-1], "w") as f:
                json.dump(result, f)
        ran = subprocess.run([weir_of("none"), "bench", "compare", *paths], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if ran.returncode not in (0, 1):
        sys.exit("ballast: weir bench compare: " + ran.stderr.strip())
    return ran.returncode, {line.split()[1] for line in ran.stdout.splitlines() if line.startswith("worse")}, ran.stdout


def in_turns(places, runs, noisy, *words):
    """places: names and the build of each."""
    found = {name: [] for name in places}
    for turn in range(runs):
        names = list(places)
        for name in names[turn % len(names):] + names[:turn % len(names)]:
            found[name].append(bench(places[name], *words))
    return {name: merge(results, noisy) for name, results in found.items()}


def micro(options, judge):
    found = in_turns({place: place for place in PLACES}, options.runs, "time", "micro", *MICRO)
    for place, cell in CONTAINS.items():
        status, worse, text = compare(found["none"], found[place])
        judge.say(status == WORSE and cell in worse and "flow/hit/1k" not in worse,
                  "micro: ballast in %s: compare says worse of %s" % (place, ", ".join(sorted(worse)) or "nothing\n" + text))


def median_of(result, cell, name):
    for figure in result["figures"]:
        if (figure["cell"], figure["name"]) == (cell, name) and numbers(figure["samples"]):
            return statistics.median(numbers(figure["samples"]))
    return math.nan


def ladder(options, judge):
    if os.geteuid() != 0:
        print("skip  ladder: its lab needs root")
        return
    found = in_turns({place: place for place in PLACES}, max(3, options.runs // 2), "cpu", "modes", *MODES)
    cells = [f["cell"] for f in found["none"]["figures"] if f["cell"].startswith("price/") and f["name"] == "counter"]
    for place, stage in PLACES.items():
        if stage is None:
            continue
        for name in ("counter", "difference.workers"):
            moved = {cell[len("price/"):]: median_of(found[place], cell, name) - median_of(found["none"], cell, name) for cell in cells}
            moved = {cell: value for cell, value in moved.items() if not math.isnan(value)}
            right = [cell for cell in moved if stage in cell.split(" + ")]
            share = share_of(moved, right[0]) if right else 0.0
            judge.say(is_found(share), "ladder: ballast in %s: %.0f %% of what moved is at %s, by %s (%s)" % (
                place, 100 * share, stage, name, ", ".join("%s %+.0f" % item for item in moved.items())))
        status, worse, text = compare(found["none"], found[place])
        judge.say(status == WORSE, "ladder: ballast in %s: compare says worse of %s" % (place, ", ".join(sorted(worse)) or "nothing\n" + text))


def same(options, judge):
    calm = 0
    for _ in range(options.same):
        found = in_turns({"a": "none", "b": "none"}, options.runs, "time", "micro", *MICRO)
        calm += compare(found["a"], found["b"])[0] == 0
    judge.say(calm * 20 >= options.same * SAME_OF_20, "same: no difference in %d of %d comparisons of a build with itself" % (
        calm, options.same))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--runs", type=int, default=6, help="of each build (default 6)")
    parser.add_argument("--same", type=int, default=20, help="comparisons of a build with itself (default 20)")
    parser.add_argument("--only", default="counters,rungs,micro,ladder,same", help="parts, with commas (default all)")
    options = parser.parse_args()
    parts, judge = {"counters": counters, "rungs": rungs, "micro": micro, "ladder": ladder, "same": same}, Judge()
    for part in options.only.split(","):
        if part not in parts:
            sys.exit("ballast: --only: %s: no such part; there are %s" % (part, ", ".join(parts)))
    for place in PLACES:
        build(place)
    for part in options.only.split(","):
        parts[part](options, judge)
    return 1 if judge.failed else 0


if __name__ == "__main__":
    sys.exit(main())
