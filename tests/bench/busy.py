#!/usr/bin/env python3
"""busy - how many cycles the whole machine worked: programs, kernel, interrupts, all cores.

    busy.py [--seconds N]      put known loads on the machine, and tell how well they are found

Two methods:

  pmu    the counter of cycles of every core, by `perf stat -a`. Where there is one, it is right.
  idle   wall time less idle time of every core, times the frequency of the time stamp counter.
         The kernel notes to the nanosecond when a core goes idle and when an interrupt or a
         program ends that (CONFIG_NO_HZ_COMMON), so soft interrupts that find a core idle are
         work, as they should be; /proc/stat shows the same in steps of 10 ms, /proc/timer_list in
         full. A running core's sum is complete, an idle one's is as old as its last interrupt:
         so each core is read by a program that runs on it. What another guest takes while a core
         works (steal) counts as work; it is told beside.

Cycles of the second method are those of the time stamp counter: constant, whatever the clock of
the cores does. Both methods see the machine: nothing else should be running.
"""
import argparse
import collections
import ctypes
import mmap
import os
import platform
import re
import shutil
import signal
import statistics
import subprocess
import sys
import time

CORES = sorted(os.sched_getaffinity(0))
TIMERS = "/proc/timer_list"

Busy = collections.namedtuple("Busy", "seconds cycles cores steal_s")  # cores: busy share of each


# ---------------------------------------------------------------- the time stamp counter


def read_counter():
    """A function that reads it, or None where there is none."""
    if platform.machine() != "x86_64":
        return None
    code = b"\x0f\x31\x48\xc1\xe2\x20\x48\x09\xd0\xc3"  # rdtsc; shl rdx,32; or rax,rdx; ret
    try:
        page = mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    except OSError:
        return None
    page.write(code)
    function = ctypes.CFUNCTYPE(ctypes.c_uint64)(ctypes.addressof(ctypes.c_char.from_buffer(page)))
    function.page = page
    return function


def counter_hz():
    """Cycles a second, measured against the clock; None where there is no counter."""
    counter = read_counter()
    if counter is None:
        return None
    found = []
    for _ in range(3):
        clock, cycles = time.monotonic_ns(), counter()
        time.sleep(0.1)
        found.append((counter() - cycles) * 1e9 / (time.monotonic_ns() - clock))
    return statistics.median(found)


# ---------------------------------------------------------------- idle time


def read_core(core):
    """(now, idle until now) of a core, in ns, asked from that very core."""
    os.sched_setaffinity(0, {core})
    with open(TIMERS) as f:
        text = f.read()
    now = int(re.search(r"now at (\d+) nsecs", text).group(1))
    mine = re.split(r"^cpu: ", text, flags=re.M)
    mine = next(part for part in mine if part.startswith("%d\n" % core))
    return now, sum(int(x) for x in re.findall(r"\.(?:idle|iowait)_sleeptime\s*: (\d+) nsecs", mine))


def read_cores():
    before = os.sched_getaffinity(0)
    try:
        return {core: read_core(core) for core in CORES}
    finally:
        os.sched_setaffinity(0, before)


def read_steal_s():
    with open("/proc/stat") as f:
        return int(f.readline().split()[8]) / os.sysconf("SC_CLK_TCK")


class Idle:
    """Busy cycles from idle times."""

    def __init__(self):
        self.hz = counter_hz()
        self.unit = "cycles" if self.hz else "ns"
        self.text = ("idle: no PMU; wall time less idle time of %d cores, to the ns by %s, " % (len(CORES), TIMERS) +
                     ("times %.0f MHz of the time stamp counter" % (self.hz / 1e6) if self.hz else "in ns"))

    def per_second(self):
        """Units in a second of one busy core."""
        return self.hz or 1e9

    def begin(self):
        self.steal_s, self.cores = read_steal_s(), read_cores()

    def end(self):
        cores, steal_s = read_cores(), read_steal_s()
        wall = {c: cores[c][0] - self.cores[c][0] for c in CORES}
        busy = {c: wall[c] - (cores[c][1] - self.cores[c][1]) for c in CORES}
        return Busy(sum(wall.values()) / len(wall) / 1e9, sum(busy.values()) * self.per_second() / 1e9,
                    [busy[c] / wall[c] for c in CORES], steal_s - self.steal_s)


# ---------------------------------------------------------------- the PMU


class Pmu:
    """Busy cycles from the processors' own counters; the shares of cores are not known."""
    unit = "cycles"
    text = "pmu: cycles of all cores by perf stat -a; a kernel that polls while idle counts that as work"

    def per_second(self):
        """Cycles of a core at the frequency of the time stamp counter, near enough to check loads."""
        return counter_hz() or 1e9

    def begin(self):
        self.steal_s = read_steal_s()
        self.perf = subprocess.Popen(["perf", "stat", "-a", "-x", ";", "-e", "cycles"], stdin=subprocess.DEVNULL,
                                     stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        self.begun = time.monotonic()

    def end(self):
        self.perf.send_signal(signal.SIGINT)
        seconds = time.monotonic() - self.begun
        return Busy(seconds, pmu_cycles(self.perf.communicate()[1]), [], read_steal_s() - self.steal_s)


def pmu_cycles(text):
    """Cycles in what `perf stat -x ;` says; None if it could not count."""
    for line in text.splitlines():
        words = line.split(";")
        if len(words) > 2 and words[2].startswith("cycles") and words[0].isdigit():
            return float(words[0])
    return None


def pmu_works():
    if not shutil.which("perf"):
        return False
    done = subprocess.run(["perf", "stat", "-a", "-x", ";", "-e", "cycles", "sleep", "0.05"], capture_output=True,
                          text=True, stdin=subprocess.DEVNULL)
    return done.returncode == 0 and pmu_cycles(done.stderr) is not None


def best():
    """The method to use here; SystemExit says why there is none."""
    if pmu_works():
        return Pmu()
    try:
        read_cores()
    except (OSError, StopIteration, AttributeError):
        sys.exit("busy: no PMU, and %s does not tell idle times: run this as root on a kernel with "
                 "CONFIG_NO_HZ_COMMON" % TIMERS)
    return Idle()


# ---------------------------------------------------------------- others


def read_first(path, otherwise=""):
    try:
        with open(path) as f:
            return f.readline()
    except OSError:
        return otherwise


def read_processes():
    """{pid: (parent, ns that its first thread has run)} of all programs; the kernel's own threads are not among them."""
    found = {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        words = read_first("/proc/%s/stat" % pid).rpartition(")")[2].split()
        ran = read_first("/proc/%s/schedstat" % pid).split()
        if words and ran and int(pid) != 2 and int(words[1]) != 2:
            found[int(pid)] = (int(words[1]), int(ran[0]))
    return found


def read_forks():
    with open("/proc/stat") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("processes "))


def is_ours(pid, processes):
    while pid in processes and pid != os.getpid():
        pid = processes[pid][0]
    return pid == os.getpid()


class Others:
    """Whether programs that are neither this one nor its children ran between begin() and share()."""
    FORK_NS = 2_000_000  # what a program that came and went is taken for

    def begin(self):
        self.processes, self.forks, self.begun = read_processes(), read_forks(), time.monotonic_ns()

    def share(self):
        """Of one core."""
        ns, now = (read_forks() - self.forks) * self.FORK_NS, read_processes()
        for pid, (_, ran) in now.items():
            if not is_ours(pid, now):
                ns += ran - self.processes.get(pid, (0, 0))[1]
        return ns / (time.monotonic_ns() - self.begun)


# ---------------------------------------------------------------- known loads


def load(core, period_s, share):
    """Spin for `share` of each period on that core, until killed."""
    os.sched_setaffinity(0, {core})
    turn = time.monotonic()
    while True:
        while time.monotonic() < turn + share * period_s:
            pass
        turn += period_s
        time.sleep(max(0, turn - time.monotonic()))


class Load:
    """A load in a process of its own, for the length of a with statement."""

    def __init__(self, *arguments):
        self.arguments = arguments

    def __enter__(self):
        self.pid = os.fork()
        if self.pid == 0:
            try:
                load(*self.arguments)
            finally:
                os._exit(1)
        return self

    def spent_ns(self):
        """CPU time, complete at this moment: the clock of another process, as clock_getcpuclockid(3) makes it."""
        return time.clock_gettime_ns(~self.pid << 3 | 2)

    def __exit__(self, *unused):
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)


def busy_for(method, seconds):
    method.begin()
    time.sleep(seconds)
    return method.end()


def show_load(method, period_s, share, seconds):
    """One line: what the load says of itself, and what the machine did beyond what it does without. They take turns,
    and the median counts, because nobody has a machine for himself."""
    spent, found, without = [], [], []
    for _ in range(max(3, int(seconds / 0.5))):
        before = busy_for(method, 0.15)
        with Load(CORES[-1], period_s, share) as running:
            time.sleep(0.05)
            spent_ns = running.spent_ns()
            busy = busy_for(method, 0.3)
            spent.append((running.spent_ns() - spent_ns) / 1e6 / busy.seconds)
        without.append(before.cycles / before.seconds / method.per_second() * 1e3)
        found.append(busy.cycles / busy.seconds / method.per_second() * 1e3 - without[-1])
    much = [(f / s - 1) * 100 for f, s in zip(found, spent)]
    print("%8.0f us  %4.0f %%  %8.2f ms/s  %8.2f ms/s  %+7.2f %%  %12.2f ms/s" %
          (period_s * 1e6, share * 100, statistics.median(spent), statistics.median(found), statistics.median(much),
           statistics.median(without)), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--seconds", type=float, default=5, help="for each load")
    options = parser.parse_args()
    method = best()
    print("# " + method.text)
    print("%11s  %6s  %12s  %12s  %9s  %17s" % ("period", "load", "it spent", "found", "too much", "without it"))
    for period_s, share in ((0.01, 0.5), (0.001, 0.1), (0.001, 0.5), (0.001, 0.9), (0.0002, 0.5)):
        show_load(method, period_s, share, options.seconds)


if __name__ == "__main__":
    main()
