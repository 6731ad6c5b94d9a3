#!/usr/bin/env python3
"""memory - what the pipeline costs when packets are in memory already.

    memory.py [--runs N] [--weir PATH] [--quick] [--only speed,scale,flows]

speed   cycles per packet and stage, packets, pairs and bits per second of one core, every pair matched and put into
        the ring, with HTTP whose packets are of 900 bytes on average
scale   the same work for each of two workers as for one, records drained and discarded
flows   memory of an idle TCP connection, before its first byte and after an exchange, and the speed at a million
        connections against that at a thousand, in random order

Runs of what is compared take turns, and each figure is the median. One line per figure: name, value, unit, conditions.
Cycles are those of the time stamp counter; the workers time one burst in 64. Root runs the processes in the real-time
class, so that other programs do not get into a timed burst; it is said where that was not possible.
"""
import argparse
import json
import os
import shutil
import statistics
import struct
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
STAGES = ("rx", "decode", "flow", "reassembly", "dissect", "pair", "emit")
BODY = 4080  # with the request and the two acknowledgements five packets of 900 bytes on average
GOAL_GBPS, GOAL_LOSS, GOAL_IDLE_BYTES, GOAL_MILLION = 28, 0.10, 320, 0.60
MILLION = 1000000
TABLE = ["--flows", str(MILLION + MILLION // 10), "--half-open", "200000", "--worker-memory", "4G"]

# name, what it takes to have it, the arguments. {packets}, {seconds} and {capture} are filled in.
SOURCES = (
    ("synth", None, ["read", "--rx", "synth:size=%d,connections=1000,packets={packets}" % BODY]),
    ("net_ring", "dpdk", ["capture", "--rx", "dpdk:net_ring0,feed={capture}", "--poll", "on", "--duration", "{seconds}s"]),
)


def figure(name, value, unit, conditions):
    text = "%.4g" % value if isinstance(value, float) and value < 1000 else "%.0f" % value
    print("%-36s %12s  %-18s %s" % (name, text, unit, conditions), flush=True)


def real_time():
    """The words before a command that put it into the real-time class; none without the right to."""
    words = ["chrt", "--fifo", "5"]
    if shutil.which("chrt") and subprocess.run(words + ["true"], stderr=subprocess.DEVNULL).returncode == 0:
        return words
    return []


class Run:
    """One run of weir and its books."""

    def __init__(self, options, arguments):
        with tempfile.TemporaryDirectory(prefix="weir-memory-", dir="/dev/shm") as folder:
            os.chmod(folder, 0o777)
            ledger = os.path.join(folder, "ledger")
            command = options.before + [options.weir] + arguments + ["--output", "/dev/null", "--quiet", "--ledger", ledger]
            begun = time.monotonic()
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
            error = process.stderr.read().decode("utf-8", "replace")
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            self.wall = time.monotonic() - begun
            if process.returncode != 0:
                sys.exit("memory: %s left with %d:\n%s" % (" ".join(command), process.returncode, error[-1500:]))
            with open(ledger) as f:
                self.ledger = json.load(f)
        self.cpu = usage.ru_utime + usage.ru_stime
        self.peak_bytes = usage.ru_maxrss * 1024  # of the largest process: the dataplane
        self.counters = dict(self.ledger["beside"])
        for balance in self.ledger["balances"]:
            if balance["scope"].startswith("worker:"):
                for name, value in list(balance["in"].items()) + list(balance["out"].items()):
                    key = balance["name"] + ":" + name
                    self.counters[key] = self.counters.get(key, 0) + value
        self.packets = self.counters["packets:received"]
        self.pairs = self.counters["requests:paired"]
        self.bytes = self.counters["received_bytes"]
        if not self.ledger["closed"]:
            sys.exit("memory: the ledger of %s is not closed" % " ".join(command))

    def cycles(self, stage):
        return self.counters.get("cycles." + stage, 0) / self.counters["timed_packets"]


def median(runs, what):
    return statistics.median(what(run) for run in runs)


def turns(options, contestants):
    """Let the argument lists take turns. Returns {name: [Run]}; the first turn is thrown away."""
    runs = {name: [] for name in contestants}
    for turn in range(options.runs + 1):
        for name, arguments in contestants.items():
            run = Run(options, arguments)
            if turn or options.quick:
                runs[name].append(run)
    return runs


def tsc_hz():
    """Ticks of the time stamp counter per second, from the kernel's own calibration."""
    with open("/proc/cpuinfo") as f:
        for line in f:
            if line.startswith(("cpu MHz", "BogoMIPS", "bogomips")):
                name, value = line.split(":")
                if name.strip().lower() == "bogomips":
                    return float(value) * 1e6 / 2  # on x86 twice the frequency of the counter
    return None


# ---------------------------------------------------------------- speed


def write_capture(path, connections=200, exchanges=20):
    """The traffic of synth as a capture, for sources that play one."""
    request = b"GET /000000000000 HTTP/1.1\r\nHost: synth.test\r\nX-Fill: " + b"x" * 22 + b"\r\n\r\n"
    head = b"HTTP/1.1 200 OK\r\nX-Number: 000000000000\r\nContent-Length: %d\r\n\r\n" % BODY
    response, mss = head + b"a" * BODY, 1460

    def frame(client, from_client, flags, seq, ack, payload=b""):
        a, b = (struct.pack("!4sH", bytes((10, 1, 0, 1)), 10000 + client), struct.pack("!4sH", bytes((10, 0, 0, 1)), 80))
        source, target = (a, b) if from_client else (b, a)
        ip = struct.pack("!BBHHHBBH", 0x45, 0, 40 + len(payload), 0, 0x4000, 64, 6, 0) + source[:4] + target[:4]
        tcp = source[4:] + target[4:] + struct.pack("!IIBBHHH", seq & 0xffffffff, ack & 0xffffffff, 0x50, flags, 65535, 0, 0)
        return b"\2\0\0\0\0\1\2\0\0\0\0\2\x08\0" + ip + tcp + payload

    frames = []
    for c in range(connections):
        x, y = 1000, 5000
        frames += [frame(c, True, 2, x, 0), frame(c, False, 0x12, y, x + 1), frame(c, True, 0x10, x + 1, y + 1)]
        x, y = x + 1, y + 1
        for _ in range(exchanges):
            frames.append(frame(c, True, 0x18, x, y, request))
            x += len(request)
            for at in range(0, len(response), mss):
                frames.append(frame(c, False, 0x10, y + at, x, response[at:at + mss]))
                if at == mss:
                    frames.append(frame(c, True, 0x10, x, y + 2 * mss))
            y += len(response)
        frames += [frame(c, True, 0x11, x, y), frame(c, False, 0x11, y, x + 1), frame(c, True, 0x10, x + 1, y + 1)]
    with open(path, "wb") as f:
        f.write(struct.pack("<IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, 65535, 1))
        for i, data in enumerate(frames):
            f.write(struct.pack("<IIII", 1735689600 + i // MILLION, i % MILLION, len(data), len(data)) + data)


def has(options, name):
    listed = subprocess.run([options.weir, "capture", "--list-rx"], capture_output=True, text=True).stdout
    return any(line.split() and line.split()[0] == name and "not usable" not in line for line in listed.splitlines())


def speed(options):
    hz = tsc_hz()
    good = True
    with tempfile.TemporaryDirectory(prefix="weir-memory-", dir="/dev/shm") as folder:
        os.chmod(folder, 0o755)
        capture = os.path.join(folder, "web.pcap")
        write_capture(capture)
        packets, seconds = (1000000, 1) if options.quick else (8000000, 5)
        for name, needs, arguments in SOURCES:
            if needs is not None and not has(options, needs):
                print("# %s: this build or this machine has no %s" % (name, needs))
                continue
            words = [w.format(packets=packets, seconds=seconds, capture=capture) for w in arguments]
            # `emit`: every record is built in the ring; what control does with it afterwards is another core's work.
            runs = turns(options, {"emit": words + ["--until", "emit"], "drain": words + ["--until", "drain"]})
            for until in ("emit", "drain"):
                show_speed("%s.%s" % (name, until), runs[until], hz, words, options)
            if hz and name == "synth":
                good = core_gbps(runs["emit"], hz) >= GOAL_GBPS
                print("# goal: %d Gb/s per core: %s" % (GOAL_GBPS, "reached" if good else "missed"))
    return good


def core_gbps(runs, hz):
    """Of a core that does nothing else: bits per packet times packets per second at so many cycles each."""
    return median(runs, lambda r: r.bytes / r.packets * 8 * hz / sum(r.cycles(s) for s in STAGES)) / 1e9


def show_speed(label, runs, hz, words, options):
    conditions = "%.0f bytes per packet, %.1f packets per pair, %s" % (
        runs[0].bytes / runs[0].packets, runs[0].packets / max(runs[0].pairs, 1), options.conditions)
    for stage in STAGES:
        figure("%s.%s" % (label, stage), median(runs, lambda r: r.cycles(stage)), "cycles/packet", conditions)
    figure(label + ".all", median(runs, lambda r: sum(r.cycles(s) for s in STAGES)), "cycles/packet", conditions)
    figure(label + ".all_but_rx", median(runs, lambda r: sum(r.cycles(s) for s in STAGES[1:])), "cycles/packet", conditions)
    if hz:
        figure(label + ".per_core", core_gbps(runs, hz), "Gb/s", conditions)
        figure(label + ".packets_per_core", median(runs, lambda r: hz / sum(r.cycles(s) for s in STAGES)), "packets/s", conditions)
        figure(label + ".pairs_per_core",
               median(runs, lambda r: r.pairs / r.packets * hz / sum(r.cycles(s) for s in STAGES)), "pairs/s", conditions)
    if words[0] == "read":
        figure(label + ".packets_per_second", median(runs, lambda r: r.packets / r.wall), "packets/s",
               conditions + ", the whole run with its start")


# ---------------------------------------------------------------- scale


def scale(options):
    """Each worker invents its own share, so two have twice the work. With two cores control takes its time from one of the
    workers; what that costs is no cycle in a stage, unless it falls into a timed burst."""
    packets = 1000000 if options.quick else 8000000
    words = lambda workers: ["read", "--rx", "synth:size=%d,connections=%d,packets=%d,share=1" % (
        BODY, 1000 * workers, packets * workers), "--workers", str(workers), "--until", "drain"]
    runs = turns(options, {1: words(1), 2: words(2)})
    conditions = "records drained and discarded, %d cores, %s" % (os.cpu_count(), options.conditions)
    all_of = lambda r: sum(r.cycles(s) for s in STAGES)
    for stage in STAGES:
        for workers in (1, 2):
            figure("scale.%d.%s" % (workers, stage), median(runs[workers], lambda r: r.cycles(stage)), "cycles/packet", conditions)
    one, two = median(runs[1], all_of), median(runs[2], all_of)
    for workers in (1, 2):
        figure("scale.%d.all" % workers, median(runs[workers], all_of), "cycles/packet", conditions)
        figure("scale.%d.cpu" % workers, median(runs[workers], lambda r: r.cpu * 1e9 / r.packets), "ns/packet",
               conditions + ", all processes")
    loss = 1 - one / two
    figure("scale.loss_per_core", loss * 100, "%", "from one worker to two, by cycles per packet, " + options.conditions)
    print("# goal: no more than %.0f %% lost per core: %s" % (GOAL_LOSS * 100, "reached" if loss <= GOAL_LOSS else "missed"))
    return loss <= GOAL_LOSS


# ---------------------------------------------------------------- flows


def idle_bytes(options, exchanges):
    """Memory of the dataplane with a table full of connections less that with a smaller one, per connection."""
    few, many = (100000, 300000) if options.quick else (200000, MILLION)
    words = lambda n: ["read", "--rx", "synth:size=%d,connections=%d,pairs=%d" % (BODY, n, n * exchanges or 1), "--until",
                       "emit"] + TABLE + ["--flows", str(n), "--half-open", str(n // 4)]
    return (Run(options, words(many)).peak_bytes - Run(options, words(few)).peak_bytes) / (many - few)


TRAFFIC = (
    # Five packets an exchange: of those that are open at once a core's caches hold all.
    ("near", "size=%d,group=32" % BODY),
    # 65,536 connections wait for an answer at once.
    ("far", "size=%d,group=65536" % BODY),
)


def marginal(options, traffic, connections):
    """Packets per CPU-second once all connections are there: a long run less a short one."""
    rounds = lambda n: max(connections, 200000 if options.quick else MILLION) * n
    words = lambda n: ["read", "--rx", "synth:%s,scatter=1,connections=%d,pairs=%d" % (traffic, connections, rounds(n)),
                       "--until", "emit"] + TABLE
    short, long = Run(options, words(1)), Run(options, words(4))
    return (long.packets - short.packets) / (long.cpu - short.cpu)


def flows(options):
    good = True
    for label, exchanges in (("before_first_byte", 0), ("after_exchange", 1)):
        found = idle_bytes(options, exchanges)
        good &= found <= GOAL_IDLE_BYTES
        figure("flows.idle." + label, found, "bytes/connection", "resident memory of the dataplane, all included")
    print("# goal: %d bytes per idle connection: %s" % (GOAL_IDLE_BYTES, "reached" if good else "missed"))
    many = 300000 if options.quick else MILLION
    for label, traffic in TRAFFIC:
        found = {1000: [], many: []}
        for _ in range(options.runs):
            for connections in found:
                found[connections].append(marginal(options, traffic, connections))
        speeds = {n: statistics.median(of) for n, of in found.items()}
        for n, value in speeds.items():
            figure("flows.%s.%d" % (label, n), value, "packets/CPU-s", "%s, scattered, %s" % (traffic, options.conditions))
        ratio = speeds[many] / speeds[1000]
        figure("flows.%s.ratio" % label, ratio * 100, "%", "of the speed at 1000 connections")
        if label == "near":
            good &= ratio >= GOAL_MILLION
            print("# goal: %.0f %% of the speed at a thousand: %s" % (
                GOAL_MILLION * 100, "reached" if ratio >= GOAL_MILLION else "missed"))
    return good


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--weir", default=os.path.join(ROOT, "build", "release", "control", "weir", "weir"))
    parser.add_argument("--quick", action="store_true", help="see that all works: little traffic, a run each")
    parser.add_argument("--only", default="speed,scale,flows", help="parts, with commas (default all)")
    parser.add_argument("--need", action="store_true", help="status 1 if a goal is missed")
    options = parser.parse_args()
    if options.quick:
        options.runs = 0
    options.before = real_time()
    options.conditions = "median of %d, %s, load %.1f" % (max(options.runs, 1), "real-time" if options.before else "not real-time",
                                                          os.getloadavg()[0])
    options.runs = max(options.runs, 1) if not options.quick else 1
    parts = {"speed": speed, "scale": scale, "flows": flows}
    good = True
    for part in options.only.split(","):
        if part not in parts:
            sys.exit("memory: --only: %s: no such part; there are %s" % (part, ", ".join(parts)))
        good &= parts[part](options)
    return 1 if options.need and not good else 0


if __name__ == "__main__":
    sys.exit(main())
