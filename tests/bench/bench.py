#!/usr/bin/env python3
"""bench - what reading a capture costs, and how that compares with Suricata.

    bench.py FOLDER [--runs N] [--weir PATH] [--need RATIO,RATIO]

FOLDER has 1k.pcap and 15k.pcap of make_captures.sh. Captures are read from
the page cache, outputs go to a file in memory (/dev/shm). The CPU time is user
plus system of all processes of a run. Each figure is the median of N runs, weir
and Suricata taking turns. One line per figure: name, value, unit, conditions.

--need fails the run (status 1) if weir's pairs per CPU-second are not so many
times Suricata's, on the first and the second capture.
"""
import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
CAPTURES = (("1k", "1k.pcap"), ("15k", "15k.pcap"))
STAGES = ("rx", "decode", "flow", "reassembly", "dissect", "pair", "emit")

# Reassembly and the log of HTTP transactions, nothing else: what weir does, in Suricata's words.
SURICATA_YAML = """%YAML 1.1
---
vars:
  address-groups: {HOME_NET: "any", EXTERNAL_NET: "any", HTTP_SERVERS: "any"}
  port-groups: {HTTP_PORTS: "any"}
stats: {enabled: yes, interval: 8}
outputs:
  - eve-log: {enabled: yes, filetype: regular, filename: eve.json, types: [{http: {extended: yes}}]}
  - stats: {enabled: yes, filename: stats.log}
app-layer:
  protocols:
    http:
      enabled: yes
      libhtp: {default-config: {personality: IDS, request-body-limit: 0, response-body-limit: 0}}
stream: {memcap: 4gb, checksum-validation: no, inline: no, reassembly: {memcap: 8gb, depth: 0}}
flow: {memcap: 1gb, hash-size: 65536, prealloc: 10000}
max-pending-packets: 10000
mpm-algo: hs
spm-algo: hs
"""


def figure(name, value, unit, conditions):
    text = "%.4g" % value if isinstance(value, float) and value < 1000 else "%.0f" % value
    print("%-34s %12s  %-22s %s" % (name, text, unit, conditions), flush=True)


class Cost:
    """What one run cost: CPU-seconds of the whole tree of processes, and the time on the clock."""

    def __init__(self, command):
        begun = time.monotonic()
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                   stderr=subprocess.PIPE)
        error = process.stderr.read()  # until every process that holds it has ended
        _, status, usage = os.wait4(process.pid, 0)  # with what its children cost, because it waited for them
        process.returncode = os.waitstatus_to_exitcode(status)
        self.wall = time.monotonic() - begun
        self.cpu = usage.ru_utime + usage.ru_stime
        if process.returncode != 0:
            sys.exit("bench: %s left with %d:\n%s" % (command[0], process.returncode,
                                                      error.decode("utf-8", "replace")[-1500:]))


# ---------------------------------------------------------------- weir


class Weir:
    def __init__(self, path, capture, folder, headers):
        self.output, self.ledger = os.path.join(folder, "weir.out"), os.path.join(folder, "weir.ledger")
        self.command = [path, "read", capture, "--headers", headers, "--output", self.output, "--ledger", self.ledger,
                        "--quiet"]

    def clean(self):
        for path in (self.output, self.ledger):
            if os.path.exists(path):
                os.unlink(path)

    def run(self):
        self.clean()
        return Cost(self.command)

    def counters(self):
        """(counters of all workers together, whether the ledger closed)."""
        with open(self.ledger) as f:
            ledger = json.load(f)
        found = dict(ledger["beside"])
        for balance in ledger["balances"]:
            if balance["scope"].startswith("worker:"):
                for name, value in list(balance["in"].items()) + list(balance["out"].items()):
                    key = balance["name"] + ":" + name
                    found[key] = found.get(key, 0) + value
        return found, ledger["closed"]

    def pss(self):
        """The largest sum of Pss of both daemons, looked at all through a run of its own."""
        self.clean()
        process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        largest = 0
        while process.poll() is None:
            largest = max(largest, sum(map(pss_of, children_of(process.pid))))
            time.sleep(0.002)
        return largest


def children_of(pid):
    try:
        with open("/proc/%d/task/%d/children" % (pid, pid)) as f:
            return [int(child) for child in f.read().split()]
    except OSError:
        return []


def pss_of(pid):
    try:
        with open("/proc/%d/smaps_rollup" % pid) as f:
            for line in f:
                if line.startswith("Pss:"):
                    return int(line.split()[1]) * 1024
    except OSError:
        pass
    return 0


# ---------------------------------------------------------------- suricata


class Suricata:
    def __init__(self, capture, folder):
        config = os.path.join(folder, "suricata.yaml")
        self.logs = os.path.join(folder, "suricata")
        os.makedirs(self.logs, exist_ok=True)
        with open(config, "w") as f:
            f.write(SURICATA_YAML)
        self.command = ["suricata", "-c", config, "-r", capture, "-S", "/dev/null", "--runmode", "single", "-k", "none",
                        "-l", self.logs]

    def clean(self):
        shutil.rmtree(self.logs)
        os.makedirs(self.logs)

    def run(self):
        self.clean()
        return Cost(self.command)

    def pairs(self):
        """Transactions with a response."""
        found = 0
        with open(os.path.join(self.logs, "eve.json"), "rb") as f:
            for line in f:
                found += b'"status":' in line
        return found


# ---------------------------------------------------------------- perf


def perf_counts(command):
    """{event: count} of the whole tree, by perf stat; None without perf. Without a PMU only task-clock is in it."""
    if not shutil.which("perf"):
        return None
    with tempfile.NamedTemporaryFile("r", prefix="weir-perf-") as f:
        done = subprocess.run(["perf", "stat", "-x", ";", "-o", f.name, "-e", "task-clock,cycles,instructions", "--",
                               *command], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        if done.returncode != 0:
            return None
        counts = {}
        for line in f:
            words = line.strip().split(";")
            if len(words) > 2 and words[0] and words[0][0].isdigit():
                counts[words[2].split(":")[0]] = float(words[0])
        return counts


def show_perf(label, weir, packets, pairs, conditions):
    weir.clean()
    counts = perf_counts(weir.command)
    if counts is None:
        print("# %s: no cycles and instructions: perf is not installed or may not count" % label)
        return
    if "cycles" not in counts:
        print("# %s: no PMU on this machine: task-clock in place of cycles and instructions" % label)
        if "task-clock" in counts:
            figure(label + ".task_clock_per_packet", counts["task-clock"] * 1e6 / packets, "ns/packet", conditions)
            figure(label + ".task_clock_per_pair", counts["task-clock"] * 1e6 / pairs, "ns/pair", conditions)
        return
    for event in ("cycles", "instructions"):
        figure("%s.%s_per_packet" % (label, event), counts[event] / packets, event + "/packet", conditions)
        figure("%s.%s_per_pair" % (label, event), counts[event] / pairs, event + "/pair", conditions)


# ---------------------------------------------------------------- the runs


def warm(path):
    with open(path, "rb", buffering=0) as f:
        while f.read(1 << 20):
            pass


def noise():
    """What else this machine is doing, for the conditions."""
    return "load %.1f" % os.getloadavg()[0]


def turns(contestants, runs):
    """Let them take turns; returns {name: [Cost]}. The first turn of each is thrown away."""
    costs = {name: [] for name in contestants}
    for turn in range(runs + 1):
        for name, contestant in contestants.items():
            cost = contestant.run()
            if turn:
                costs[name].append(cost)
    return costs


def median(costs, what):
    return statistics.median(getattr(c, what) for c in costs)


def show_stages(label, counters, packets, conditions):
    timed = counters.get("timed_packets", 0)
    if not timed:
        print("# %s: no bursts were timed" % label)
        return
    pairs_per_packet = counters["requests:paired"] / packets
    for stage in STAGES:
        cycles = counters.get("cycles." + stage, 0) / timed
        figure("%s.%s.cycles_per_packet" % (label, stage), cycles, "cycles/packet", conditions)
        figure("%s.%s.cycles_per_pair" % (label, stage), cycles / pairs_per_packet, "cycles/pair", conditions)


def measure(label, capture, options):
    """Returns (weir's pairs per CPU-second by Suricata's or None, whether all was well)."""
    good = True
    with tempfile.TemporaryDirectory(prefix="weir-bench-", dir="/dev/shm") as folder:
        os.chmod(folder, 0o777)
        warm(capture)
        contestants = {"weir": Weir(options.weir, capture, folder, "none")}
        if shutil.which("suricata"):
            contestants["suricata"] = Suricata(capture, folder)
        costs = turns(contestants, options.runs)
        weir = contestants["weir"]
        counters, closed = weir.counters()
        packets, pairs = counters["packets:received"], counters["requests:paired"]
        conditions = "%s, page cache, headers none, median of %d, %s" % (label, options.runs, noise())
        cpu, wall = median(costs["weir"], "cpu"), median(costs["weir"], "wall")
        figure(label + ".packets", packets, "packets", label)
        figure(label + ".pairs", pairs, "pairs", label + (", ledger closed" if closed else ", LEDGER NOT CLOSED"))
        good &= closed
        figure(label + ".cpu", cpu, "CPU-s", conditions)
        figure(label + ".cpu_least", min(c.cpu for c in costs["weir"]), "CPU-s", conditions.replace("median", "least"))
        figure(label + ".wall", wall, "s", conditions)
        figure(label + ".packets_per_second", packets / wall, "packets/s", conditions)
        figure(label + ".pairs_per_second", pairs / wall, "pairs/s", conditions)
        figure(label + ".pairs_per_cpu_second", pairs / cpu, "pairs/CPU-s", conditions)
        show_stages(label, counters, packets, "%s, one burst in 64, dataplane only" % label)
        show_perf(label, weir, packets, pairs, "%s, both daemons and weir" % label)
        figure(label + ".pss", max(weir.pss() for _ in range(3)) / 2**20, "MiB", "%s, both daemons, largest seen" % label)

        ratio = None
        if "suricata" in contestants:
            other_pairs, other_cpu = contestants["suricata"].pairs(), median(costs["suricata"], "cpu")
            ratio = (pairs / cpu) / (other_pairs / other_cpu)
            figure(label + ".suricata.pairs", other_pairs, "pairs", label)
            figure(label + ".suricata.cpu", other_cpu, "CPU-s", "%s, runmode single, median of %d" % (label, options.runs))
            figure(label + ".ratio_to_suricata", ratio, "times", "pairs per CPU-second, weir by Suricata")
            if other_pairs != pairs:
                print("# %s: weir found %d pairs and Suricata %d: speeds of different work" % (label, pairs, other_pairs))
                good = False
        else:
            print("# %s: no ratio to Suricata: suricata is not installed" % label)

        contestants = {"all": Weir(options.weir, capture, folder, "all")}
        cost = median(turns(contestants, options.runs)["all"], "cpu")
        figure(label + ".cpu_all_headers", cost, "CPU-s", conditions.replace("headers none", "headers all"))
    return ratio, good


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--weir", default=os.path.join(ROOT, "build", "release", "control", "weir", "weir"))
    parser.add_argument("--need", default="", help="ratios to Suricata, for the first and the second capture")
    options = parser.parse_args()
    needed = [float(n) for n in options.need.split(",") if n]
    status = 0
    for i, (label, name) in enumerate(CAPTURES):
        capture = os.path.join(options.folder, name)
        if not os.path.exists(capture):
            sys.exit("bench: no %s: make it with tests/bench/make_captures.sh %s" % (capture, options.folder))
        ratio, good = measure(label, capture, options)
        if not good:
            status = 1
        if i < len(needed) and (ratio is None or ratio < needed[i]):
            print("# %s: %s times Suricata, %g are needed" % (label, "%.2f" % ratio if ratio else "unknown", needed[i]))
            status = 1
    return status


if __name__ == "__main__":
    sys.exit(main())
