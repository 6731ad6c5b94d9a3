#!/usr/bin/env python3
"""wire - what capturing costs on a wire, by every back end, under the same offered load.

    wire.py [--runs N] [--seconds S] [--quick] [--only WHAT,...] [--json FILE] [--also NAME=COMMAND]...

A lab (`weir lab`) has the wire: a sender on mirror0, on one core, and one receiver at a time on
tap0, on another. What is counted is the machine, not a process, because most of what receiving
costs is done by soft interrupts in the sender's time: cycles of all cores per packet (busy.py says
how), from which the same with no receiver, measured in the same run, is subtracted.

    rates      numbered 64-byte UDP frames by `weir send`, 200, 500 and 1000 thousand a second
    filter     the same in ten flows, of which the capture asked for one: 90 % are refused
    http       requests and answers of 1 KiB, nginx and wrk, as the mirror shows them
    limit      the largest rate at which a receiver loses nothing
    idle       no traffic: what waiting costs, as a share of one core

Receivers: XDP_DROP (the least that any can cost), and weir on each back end (of dpdk, net_af_packet
and net_af_xdp where the build has it), cut after rx and once whole. --also adds others, to be held against: a COMMAND run beside the capture interface
({iface} in it becomes its name), that says something when it is ready, ends at INT, and whose last
line with a number begins with how many packets it had. A back end of weir is held against the best
of those whose NAME begins with its own name: af_packet-loop, af_xdp-nap.

Receivers take turns within a run, and runs follow each other; a figure is the median of the runs,
with the least and the largest beside it. Every frame sent is received or lost under a name; what is
neither is `unexplained`, and the status is 1. A cell that loses packets does less work per packet:
it is marked !, and no ratio is made of it.

Needs root and the programs of weir; for http nginx and wrk. The machine should do nothing else.
"""
import argparse
import collections
import contextlib
import ctypes
import json
import os
import re
import shlex
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time

import busy

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
IFACE = "tap0"
READY_S, SETTLE_S, REST_S, END_S = 5, 0.6, 0.3, 15
RATES = (200_000, 500_000, 1_000_000)
FILTER, FILTER_FLOWS = "udp port 12", 10  # one of the source ports 9 to 18
KINDS = ("rates", "filter", "http", "limit", "idle")
LIMIT_STEPS = 5
CALM_S, CALM_SHARE, TRIES = 0.15, 0.03, 4  # of one core; the machine's own housekeeping is 0.01
PR_SET_PDEATHSIG = 1


class Interrupted(Exception):
    """Somebody wants this to end."""


class Trouble(Exception):
    """Something around the measurement failed; the text says what."""


# ---------------------------------------------------------------- processes


def end_with_me():
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class Process:
    """A program that runs for the length of a with statement, and whose words are kept."""

    def __init__(self, words, **how):
        self.words, self.how = words, how
        self.text, self.spoke = [], threading.Event()

    def __enter__(self):
        self.process = subprocess.Popen(self.words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT, text=True, preexec_fn=end_with_me, **self.how)
        self.pid = self.process.pid
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()
        return self

    def read(self):
        for line in self.process.stdout:
            self.text.append(line)
            self.spoke.set()
        self.spoke.set()

    def wait_ready(self):
        """Until its first line."""
        if not self.spoke.wait(READY_S) or self.process.poll() is not None:
            raise Trouble("%s is not ready: %s" % (" ".join(self.words), self.all_text() or "it says nothing"))

    def wait_end(self, seconds):
        self.process.wait(seconds)
        self.reader.join(1)
        return self.process.returncode

    def interrupt(self):
        """Ask for its end, wait for it; returns its status."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        return self.wait_end(END_S)

    def all_text(self):
        return "".join(self.text).strip()

    def __exit__(self, *unused):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(2)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.reader.join(1)


def pinned(core, words):
    return ["taskset", "-c", str(core), *words]


# ---------------------------------------------------------------- the lab


class Lab:
    """Client, server and tap for the length of a with statement, and a process in each to look through."""

    def __init__(self, weir):
        self.weir, self.name = weir, "wire-%d" % os.getpid()
        self.inside = contextlib.ExitStack()

    def __enter__(self):
        made = subprocess.run([self.weir, "lab", "up", "--name", self.name], capture_output=True, text=True)
        if made.returncode != 0:
            raise Trouble("no lab: " + made.stderr.strip())
        try:
            self.server = self.inside.enter_context(Process(self.words("server", "sleep", "infinity"))).pid
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *unused):
        self.inside.close()
        subprocess.run([self.weir, "lab", "down", "--name", self.name], capture_output=True)

    def words(self, host, *command):
        return [self.weir, "lab", "exec", "--name", self.name, host, *command]

    def mirrored(self):
        """(when, packets that mirror0 was to carry until then), without a program of its own."""
        with open("/proc/%d/net/dev" % self.server) as f:
            for line in f:
                name, _, numbers = line.partition(":")
                if name.strip() == "mirror0":
                    numbers = [int(n) for n in numbers.split()]
                    return time.monotonic(), numbers[9] + numbers[11]  # sent, and dropped before that
        raise Trouble("mirror0 has gone")


# ---------------------------------------------------------------- receivers


class Receiver:
    """Who receives: its name, its words, and what it says of the packets in the end."""
    external = False

    def __init__(self, name, words):
        self.name, self.command = name, words

    def words(self, filter_text, folder):
        return self.command

    def takes_filter(self):
        return True

    def account(self, process, folder):
        """(received, refused, {name: lost}, pairs), None where it does not say."""
        return None, 0, {}, None


class Weir(Receiver):
    def __init__(self, name, weir, rx, until="rx"):
        super().__init__(name, [weir, "capture", "--rx", rx, "--until", until])

    def words(self, filter_text, folder):
        return [*self.command, "--output", "/dev/null", "--ledger", os.path.join(folder, "ledger"),
                "--name", "wire-%d" % os.getpid(), *([filter_text] if filter_text else [])]

    def account(self, process, folder):
        with open(os.path.join(folder, "ledger")) as f:
            balances = json.load(f)["balances"]
        source = next(b for b in balances if b["name"] == "source")["out"]
        pairs = sum(b["out"].get("paired", 0) for b in balances if b["name"] == "requests")
        refused = source.get("refused", 0) + sum(b["out"].get("filtered", 0) for b in balances if b["name"] == "packets")
        lost = {name[len("lost."):]: n for name, n in source.items() if name.startswith("lost.") and n}
        # What the program refused is none of `received`; what weir's own filter did is.
        return source["received"] - (refused - source.get("refused", 0)), refused, lost, pairs


class External(Receiver):
    external = True

    def takes_filter(self):
        return False

    def account(self, process, folder):
        for line in reversed(process.text):
            number = re.search(r"\b\d+\b", line)
            if number:
                return int(number.group()), 0, {}, None
        raise Trouble("%s told no number of packets: %s" % (self.name, process.all_text()))


def dpdk_backends(weir):
    """Two drivers of DPDK on the same interface, where this build has DPDK."""
    listed = subprocess.run([weir, "capture", "--list-rx"], capture_output=True, text=True, check=False).stdout
    if not re.search(r"^dpdk\b(?! +not usable)", listed, re.M):
        return []
    return [("dpdk:" + driver, "dpdk:%s0,iface=%s" % (driver, IFACE)) for driver in ("net_af_packet", "net_af_xdp")]


def receivers(options):
    drop = os.path.join(HERE, "xdp_drop.py")
    yield Receiver("none", None)
    for mode in ("native", "generic"):
        yield Receiver("XDP_DROP " + mode, [sys.executable, drop, IFACE, mode])
    backends = [("pcap", "pcap:" + IFACE), ("af_packet", "af_packet:" + IFACE),
                ("af_xdp native", "af_xdp:%s,mode=native" % IFACE), ("af_xdp generic", "af_xdp:%s,mode=generic" % IFACE),
                *dpdk_backends(options.weir)]
    for name, rx in backends:
        yield Weir(name, options.weir, rx)
    for name, rx in backends:
        yield Weir(name + ", whole", options.weir, rx, "normal")
    for text in options.also:
        name, _, command = text.partition("=")
        yield External(name, shlex.split(command.replace("{iface}", IFACE)))
    for text in options.rx:
        name, _, rx = text.partition("=")
        yield Weir(name, options.weir, rx.replace("{iface}", IFACE))


def chosen_receivers(options):
    found = list(receivers(options))
    if options.receivers:
        wanted = re.compile(options.receivers)
        found = [r for r in found if r.name == "none" or wanted.search(r.name)]
    return found


# ---------------------------------------------------------------- traffic


class Send:
    """Numbered frames at a rate; 0: as fast as possible."""

    def __init__(self, rate, flows=1, filter_text=""):
        self.rate, self.flows, self.filter = rate, flows, filter_text
        self.title = "%d kpps" % (rate // 1000)
        if filter_text:
            self.title = "filter, " + self.title

    @contextlib.contextmanager
    def running(self, lab, options, seconds, folder):
        """The sender, under way; it ends by itself."""
        words = pinned(options.cores[0], [options.weir, "send", "--iface", "mirror0", "--tx", "af_xdp", "--json",
                                          "--flows", str(self.flows), "--duration", "%dms" % (seconds * 1000)])
        if self.rate:
            words += ["--rate", str(self.rate)]
        with Process(lab.words("server", *words)) as process:
            yield process

    def finish(self, process):
        """{sent: frames, rate: really, dropped: by the sender's interface, selected: what the filter asks for}."""
        status = process.wait_end(60)
        try:
            told = json.loads(process.text[-1])
        except (IndexError, ValueError) as error:
            raise Trouble("weir send left with %d: %s" % (status, process.all_text())) from error
        return {"sent": told["frames"], "rate": told["rate"], "dropped": told["dropped"],
                "selected": self.selected(told["first_number"], told["last_number"]) if self.filter else None}

    def selected(self, first, last):
        """Frame n has the source port 9 + n % flows, and the filter asks for port 12."""
        return sum(1 for n in range(first, last + 1) if n % self.flows == 3)


NGINX = """daemon off; worker_processes 1; pid nginx.pid; error_log stderr;
events {{ worker_connections 2048; }}
http {{ access_log off; keepalive_requests 1000000000; keepalive_timeout 1h;
client_body_temp_path t1; proxy_temp_path t2; fastcgi_temp_path t3; uwsgi_temp_path t4; scgi_temp_path t5;
server {{ listen 10.83.0.2:80; location / {{ default_type text/plain; return 200 "{body}"; }} }} }}
"""


class Http:
    """Connections that ask every 10 ms, so that the rate does not follow the receiver's appetite."""
    title, filter = "http", ""

    def __init__(self, connections):
        self.connections = connections

    @contextlib.contextmanager
    def running(self, lab, options, seconds, folder):
        prefix = os.path.join(folder, "nginx")
        os.makedirs(prefix, exist_ok=True)
        with open(os.path.join(prefix, "nginx.conf"), "w") as f:
            f.write(NGINX.format(body="x" * 1024))
        with open(os.path.join(folder, "wait.lua"), "w") as f:
            f.write("function delay() return 10 end\n")
        nginx = lab.words("server", *pinned(options.cores[0], ["nginx", "-p", prefix, "-c", "nginx.conf"]))
        wrk = lab.words("client", *pinned(options.cores[0], [
            "wrk", "-t", "1", "-c", str(self.connections), "-d", "%ds" % (int(seconds) + 1),
            "-s", os.path.join(folder, "wait.lua"), "http://10.83.0.2/"]))
        with Process(nginx) as server:
            time.sleep(0.3)
            if server.process.poll() is not None:
                raise Trouble("nginx: " + server.all_text())
            self.mirrored, self.lab = lab.mirrored()[1], lab
            with Process(wrk) as client:
                yield client
                server.interrupt()

    def finish(self, process):
        process.wait_end(60)
        requests = re.search(r"(\d+) requests in", process.all_text())
        if requests is None:
            raise Trouble("wrk: " + process.all_text())
        time.sleep(REST_S)
        return {"sent": self.lab.mirrored()[1] - self.mirrored, "rate": None, "dropped": 0, "selected": None,
                "requests": int(requests.group(1))}


class Silence:
    title, filter = "idle", ""

    @contextlib.contextmanager
    def running(self, lab, options, seconds, folder):
        yield None

    def finish(self, process):
        return {"sent": 0, "rate": 0, "dropped": 0, "selected": None}


# ---------------------------------------------------------------- a cell


@contextlib.contextmanager
def receiving(lab, receiver, traffic, options, folder):
    if receiver.command is None:
        yield None
        return
    words = lab.words("tap", *pinned(options.cores[1], receiver.words(traffic.filter, folder)))
    with Process(words) as process:
        process.wait_ready()
        time.sleep(0.2)
        yield process


def observe(lab, method, seconds):
    """Busy cycles a second, packets a second, busy share of each core, steal, others, in a window of the traffic."""
    others = busy.Others()
    others.begin()
    begun, packets = lab.mirrored()
    method.begin()
    time.sleep(seconds)
    found = method.end()
    ended, packets_then = lab.mirrored()
    return {"cycles_s": found.cycles / found.seconds, "pps": (packets_then - packets) / (ended - begun),
            "cores": [round(c, 4) for c in found.cores], "steal_s": round(found.steal_s, 3),
            "others": round(others.share(), 4)}


def wait_flow(lab, sender):
    """Until packets are on the mirror, or their sender has ended."""
    packets = lab.mirrored()[1]
    while sender is not None and sender.process.poll() is None and lab.mirrored()[1] - packets < 100:
        time.sleep(0.01)


def measure_once(lab, receiver, traffic, method, options, folder, seconds):
    """One cell: who lost what, and how many cycles the machine took meanwhile."""
    with receiving(lab, receiver, traffic, options, folder) as process:
        with traffic.running(lab, options, seconds + 2 * SETTLE_S, folder) as sender:
            wait_flow(lab, sender)
            time.sleep(SETTLE_S)
            cell = observe(lab, method, seconds)
            cell["cut_short"] = sender is not None and sender.process.poll() is not None
            cell.update(traffic.finish(sender))
        time.sleep(REST_S)
        if process is not None:
            status = process.interrupt()
            if status not in (0, -signal.SIGINT) and isinstance(receiver, Weir):
                raise Trouble("weir capture left with %d: %s" % (status, process.all_text()))
            received, refused, lost, pairs = receiver.account(process, folder)
            cell.update(received=received, refused=refused, lost=lost, pairs=pairs)
    cell["cycles"] = cell["cycles_s"] / cell["pps"] if cell["pps"] else None
    cell["unexplained"] = unexplained(cell, receiver)
    return cell


def is_calm(cell):
    return cell["others"] < CALM_SHARE


def wait_calm(method, options):
    """Until nothing else runs on this machine, or patience ends."""
    end = time.monotonic() + options.patience
    while True:
        found = busy.busy_for(method, CALM_S)
        share = found.cycles / found.seconds / method.per_second()
        if share < CALM_SHARE or time.monotonic() > end:
            return


def measure(lab, receiver, traffic, method, options, folder, seconds):
    """A cell, taken again if something else ran beside it, or its sender was late."""
    best_so_far = None
    for _ in range(TRIES):
        wait_calm(method, options)
        cell = measure_once(lab, receiver, traffic, method, options, folder, seconds)
        if best_so_far is None or (cell["cut_short"], cell["others"]) < (best_so_far["cut_short"], best_so_far["others"]):
            best_so_far = cell
        if is_calm(cell) and not cell["cut_short"]:
            break
    cell = best_so_far
    if cell["cut_short"]:
        raise Trouble("%s, %s: the sender ended before the measurement, %d times" % (traffic.title, receiver.name, TRIES))
    return cell


def unexplained(cell, receiver):
    """Frames that were sent, and are neither received nor refused nor lost under a name; None: it tells no numbers.
    An external receiver has no names, so what it misses is a loss."""
    if cell.get("received") is None:
        return None
    lost = sum(cell["lost"].values())
    missing = cell["sent"] - cell["received"] - cell["refused"] - lost
    if receiver.external:
        if missing:
            cell["lost"]["untold"] = missing
        return None
    if cell["selected"] is not None and not cell["refused"]:  # the kernel refused them, and does not count that
        return cell["selected"] - cell["received"] - lost
    if cell["selected"] is not None and cell["received"] > cell["selected"]:
        return cell["selected"] - cell["received"]
    return missing


def is_whole(cell):
    return not cell.get("lost") and not cell["dropped"]


# ---------------------------------------------------------------- the largest rate without loss


def trial(lab, receiver, rate, method, options, folder):
    """(whether nothing was lost, the rate that the sender reached)."""
    cell = measure(lab, receiver, Send(rate), method, options, folder, options.limit_seconds)
    reached = cell["rate"]
    return is_whole(cell) and not cell["unexplained"] and (rate == 0 or reached >= 0.98 * rate), reached


def find_limit(lab, receiver, method, options, folder):
    """(packets a second, whether it is the sender's limit)."""
    whole, most = trial(lab, receiver, 0, method, options, folder)
    if whole:
        return most, True
    low, high = 0, most
    for _ in range(LIMIT_STEPS):
        middle = (low + high) / 2
        if trial(lab, receiver, int(middle), method, options, folder)[0]:
            low = middle
        else:
            high = middle
    return low, False


# ---------------------------------------------------------------- what is shown


Figure = collections.namedtuple("Figure", "median least largest")


def figure(values):
    values = [v for v in values if v is not None]
    return Figure(statistics.median(values), min(values), max(values)) if values else None


class Column:
    """The cells of one traffic: all receivers, all runs."""

    def __init__(self, title):
        self.title, self.cells = title, collections.defaultdict(list)

    def calm(self, name):
        """(cell, that of no receiver in the same run), without disturbed ones if any others are left."""
        pairs = list(zip(self.cells.get(name, []), self.cells.get("none", [])))
        return [p for p in pairs if is_calm(p[0]) and is_calm(p[1])] or pairs

    def cycles(self, name):
        return figure([cell["cycles"] for cell, _ in self.calm(name)])

    def above(self, name):
        """Cycles a packet beyond those of no receiver, run by run."""
        return figure([cell["cycles"] - none["cycles"] for cell, none in self.calm(name)])

    def idle(self, name):
        """Percent of one core, beyond the machine without a receiver."""
        return figure([cell["core_share"] - none["core_share"] for cell, none in self.calm(name)])

    def is_whole(self, name):
        return all(is_whole(c) for c in self.cells.get(name, []))


def cell_text(column, name):
    if not column.calm(name):
        return ""
    if column.title == "idle":
        f = column.idle(name)
        return "%.2f %% (%.2f … %.2f)" % f
    if name == "none":
        return "%.0f (%.0f … %.0f)" % column.cycles(name)
    return "%.0f %+.0f (%.0f … %.0f)%s" % (column.cycles(name).median, *column.above(name),
                                         "" if column.is_whole(name) else " !")


def show_table(title, columns, names):
    rows = [["receiver"] + [c.title for c in columns]]
    rows += [[name] + [cell_text(c, name) for c in columns] for name in names if any(c.cells.get(name) for c in columns)]
    if len(rows) == 1 or not columns:
        return
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    print("\n" + title)
    for i, row in enumerate(rows):
        print("| " + " | ".join(text.ljust(w) for text, w in zip(row, widths)) + " |")
        if i == 0:
            print("|" + "|".join("-" * (w + 2) for w in widths) + "|")


def show_losses(columns):
    lines = []
    for column in columns:
        for name, cells in column.cells.items():
            lost = collections.Counter()
            for cell in cells:
                lost.update(cell.get("lost") or {})
                lost.update({"before the mirror": cell["dropped"]} if cell["dropped"] else {})
                lost.update({"UNEXPLAINED": cell["unexplained"]} if cell["unexplained"] else {})
            if lost:
                sent = sum(c["sent"] for c in cells)
                lines.append("%-24s %-20s %s of %d" % (name, column.title, ", ".join("%s %d" % x for x in lost.items()), sent))
    print("\nlost, all runs together\n" + ("\n".join(lines) if lines else "nothing by anybody"))


def show_disturbed(columns):
    cells = [cell for c in columns for cells in c.cells.values() for cell in cells]
    disturbed = [cell for cell in cells if not is_calm(cell)]
    steal = sum(cell["steal_s"] for cell in cells)
    print("\n%d of %d measurements beside other programs, left out where calm ones are; %.2f s taken by other guests" % (len(disturbed), len(cells), steal))


class Verdicts:
    """What was aimed at, and what came out."""

    def __init__(self):
        self.lines, self.found = [], []

    def ratio(self, what, column, name, other, most, of_receiver_alone, beside=None):
        """`name` by `other`: cycles of the machine, and of what receiving adds to it; one of the two is what counts.
        `beside`: the column of `other`, if it is another one."""
        beside = beside or column
        if not (column.calm(name) and beside.calm(other)):
            return
        all_of_it = column.cycles(name).median / beside.cycles(other).median
        added = column.above(name).median / beside.above(other).median if beside.above(other).median > 0 else None
        counts = added if of_receiver_alone else all_of_it
        if not (column.is_whole(name) and beside.is_whole(other)) or counts is None:
            verdict = "not told: packets were lost" if counts is not None else "not told: within noise"
        else:
            verdict = "yes" if counts <= most else "NO"
        self.found.append({"what": what, "traffic": column.title, "receiver": name, "against": other, "machine": all_of_it,
                           "receiving": added, "most": most, "counts": "receiving" if of_receiver_alone else "machine",
                           "verdict": verdict})
        self.lines.append("%-34s %-16s %-15s / %-22s machine %.3f, receiving alone %s; at most %.2f of %s: %s" % (
            what, column.title, name, other, all_of_it, "%.2f" % added if added is not None else "-", most,
            "receiving" if of_receiver_alone else "machine", verdict))

    def idle(self, column, name, most):
        """The share of a core that a receiver takes where there is nothing to receive."""
        found = column.idle(name)
        if found is None:
            return
        verdict = "yes" if found.median <= most else "NO"
        self.found.append({"what": "idle", "receiver": name, "percent": found.median, "most": most, "verdict": verdict})
        self.lines.append("%-34s %-16s %-15s %.2f %% of one core; at most %.0f: %s" % (
            "an idle capture", column.title, name, found.median, most, verdict))

    def show(self):
        if self.lines:
            print("\naims\n" + "\n".join(self.lines))


def best(column, names):
    there = [n for n in names if column.calm(n)]
    whole = [n for n in there if column.is_whole(n)]
    return min(whole or there, key=lambda n: column.cycles(n).median, default=None)


def judge(columns, everybody):
    verdicts = Verdicts()
    externals = [r.name for r in everybody if r.external]
    for column in columns:
        if column.title == "idle":
            for receiver in everybody:
                if isinstance(receiver, Weir):
                    verdicts.idle(column, receiver.name, 1)
            continue
        xdp = best(column, ["af_xdp native", "af_xdp generic"])
        if column.title.startswith("filter"):
            verdicts.ratio("filter refuses 90 %", column, xdp, "pcap", 0.6, True)
            whole = next((c for c in columns if "filter, " + c.title == column.title), None)
            if whole is not None:
                verdicts.ratio("the same, against pcap without", column, xdp, "pcap", 0.6, True, whole)
            continue
        for name, family in (("pcap", "pcap"), ("af_packet", "af_packet"), (xdp, "af_xdp")):
            other = best(column, [n for n in externals if n.startswith(family)])
            verdicts.ratio("within 10 % of a bare loop", column, name, other, 1.1, False)
        if column.title != "200 kpps":
            verdicts.ratio("AF_XDP at parity with libpcap", column, xdp, "pcap", 1.05, False)
    verdicts.show()
    return verdicts.found


# ---------------------------------------------------------------- the runs


def traffics(options):
    if "rates" in options.only:
        for rate in options.rates:
            yield Send(rate)
    if "filter" in options.only:
        yield Send(500_000 if 500_000 in options.rates else options.rates[-1], FILTER_FLOWS, FILTER)
    if "http" in options.only:
        missing = [tool for tool in ("nginx", "wrk") if not shutil.which(tool, path=os.environ["PATH"] + ":/usr/sbin")]
        if missing:
            print("# no http: %s is not installed" % " and ".join(missing))
        else:
            yield Http(options.connections)
    if "idle" in options.only:
        yield Silence()


def core_share(cell, method):
    return cell["cycles_s"] / method.per_second() * 100


def run_cells(lab, method, options, everybody, columns, folder):
    for run in range(options.runs):
        for column, traffic in columns:
            for receiver in everybody:
                if traffic.filter and (not receiver.takes_filter() or receiver.name.endswith("whole")):
                    continue
                cell = measure(lab, receiver, traffic, method, options, folder, options.seconds)
                cell["core_share"] = core_share(cell, method)
                column.cells[receiver.name].append(cell)
                say("run %d of %d  %-18s %-22s %s" % (run + 1, options.runs, column.title, receiver.name, told(cell)), options)


def told(cell):
    parts = ["%.0f cycles/packet at %.0f kpps" % (cell["cycles"], cell["pps"] / 1e3)] if cell["cycles"] else []
    parts += ["%.2f %% of a core" % cell["core_share"]]
    parts += ["lost %s" % cell["lost"]] if cell.get("lost") else []
    parts += ["others took %.0f %%" % (cell["others"] * 100)] if not is_calm(cell) else []
    parts += ["UNEXPLAINED %d" % cell["unexplained"]] if cell["unexplained"] else []
    return ", ".join(parts)


def say(text, options):
    if not options.quiet:
        print("# " + text, file=sys.stderr, flush=True)


def run_limits(lab, method, options, everybody, folder, limits):
    """limits: {name: {pps, sender: it was the sender's limit}}, once each: the way there is many measurements."""
    for receiver in everybody:
        if receiver.command is None or receiver.name.startswith("XDP_DROP"):
            continue
        pps, by_sender = find_limit(lab, receiver, method, options, folder)
        limits[receiver.name] = {"pps": pps, "sender": by_sender}
        say("limit %-22s %.0f kpps%s" % (receiver.name, pps / 1e3, ", the sender's own" if by_sender else ""), options)


def show_limits(limits):
    if not limits:
        return
    print("\nlargest rate without a lost packet, within %.0f %% of the sender's best" % (100 / 2**LIMIT_STEPS))
    for name, limit in limits.items():
        print("%-24s %s%.0f kpps" % (name, "at least " if limit["sender"] else "", limit["pps"] / 1e3))


def conditions(method, options):
    with open("/proc/cpuinfo") as f:
        model = re.search(r"model name\s*: (.*)", f.read())
    return {"method": method.text, "cores": os.cpu_count(), "model": model.group(1) if model else "?",
            "kernel": os.uname().release, "load_before": os.getloadavg()[0], "runs": options.runs,
            "seconds": options.seconds, "sender_core": options.cores[0], "receiver_core": options.cores[1]}


def show_conditions(about):
    print("# %s" % about["method"])
    print("# %s, %d cores, Linux %s, load %.1f before; %d runs of %g s; sender on core %d, receiver on core %d" % (
        about["model"], about["cores"], about["kernel"], about["load_before"], about["runs"], about["seconds"],
        about["sender_core"], about["receiver_core"]))
    print("# a veth pair, where frames are born in memory and every back end copies: says nothing about zero-copy")


def run(options):
    method = busy.best()
    about, everybody = conditions(method, options), chosen_receivers(options)
    show_conditions(about)
    columns = [(Column(t.title), t) for t in traffics(options)]
    limits, interrupted = {}, 0
    try:
        with tempfile.TemporaryDirectory(prefix="weir-wire-") as folder, Lab(options.weir) as lab:
            os.chmod(folder, 0o777)  # the daemons write as somebody else
            run_cells(lab, method, options, everybody, columns, folder)
            if "limit" in options.only:
                run_limits(lab, method, options, everybody, folder, limits)
    except Interrupted as signal_name:
        interrupted = 130
        print("# ended by %s: what follows is of the measurements until then" % signal_name)
    found = [c for c, _ in columns]
    about["load_after"] = os.getloadavg()[0]
    names = [r.name for r in everybody]
    show_table("cycles of the whole machine per packet: median +beyond none (least … largest of that); ! lost packets",
               [c for c in found if c.title != "idle"], names)
    show_table("idle: share of one core, beyond none", [c for c in found if c.title == "idle"], names)
    show_losses(found)
    show_limits(limits)
    show_disturbed(found)
    verdicts = judge(found, everybody)
    if options.json:
        with open(options.json, "w") as f:
            json.dump({"conditions": about, "cells": {c.title: c.cells for c in found}, "limits": limits,
                       "aims": verdicts}, f, indent=1)
    return interrupted or int(any(cell["unexplained"] for c in found for cells in c.cells.values() for cell in cells))


def numbers(text):
    return [int(n) for n in text.split(",")]


def parse():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--weir", default=os.path.join(ROOT, "build", "release", "control", "weir", "weir"))
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=5, help="of each measurement")
    parser.add_argument("--rates", type=numbers, default=list(RATES), help="packets a second")
    parser.add_argument("--connections", type=int, default=600, help="of http, each asking every 10 ms")
    parser.add_argument("--cores", type=numbers, default=[0, 1], help="of the sender and the receiver")
    parser.add_argument("--only", type=lambda s: s.split(","), default=list(KINDS), help=",".join(KINDS))
    parser.add_argument("--receivers", default="", help="only those whose name this expression finds")
    parser.add_argument("--also", action="append", default=[], metavar="NAME=COMMAND", help="another receiver")
    parser.add_argument("--rx", action="append", default=[], metavar="NAME=RX",
                        help="weir with another --rx: af_xdp-4k=af_xdp:{iface},ring=4096")
    parser.add_argument("--patience", type=float, default=20, metavar="SECONDS",
                        help="how long to wait, before each measurement, for a machine that does nothing else")
    parser.add_argument("--json", default="", help="a file for every cell")
    parser.add_argument("--quick", action="store_true", help="one run of 1 s each: to see that all works")
    parser.add_argument("--quiet", action="store_true", help="no line for each measurement")
    options = parser.parse_args()
    if options.quick:
        options.runs, options.seconds = 1, 1.0
    options.limit_seconds = min(2.0, options.seconds)
    for what in options.only:
        if what not in KINDS:
            parser.error("--only %s: there are %s" % (what, ", ".join(KINDS)))
    if len(options.cores) != 2:
        parser.error("--cores: two are needed, of the sender and the receiver")
    if os.geteuid() != 0:
        parser.error("root is needed, for the lab")
    if not os.access(options.weir, os.X_OK):
        parser.error("%s is not built" % options.weir)
    return options


def leave(number, frame):
    raise Interrupted(signal.Signals(number).name)


def main():
    options = parse()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, leave)
    try:
        return run(options)
    except Trouble as trouble:
        sys.exit("wire: %s" % trouble)


if __name__ == "__main__":
    sys.exit(main())
