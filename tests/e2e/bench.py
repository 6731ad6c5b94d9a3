"""bench - the benchmarks: each once for real and short, what they write, what they refuse, what they leave behind.

Answers: are the figures those of what happened (a server that counts, one
that stalls); does what fails a promise fail the benchmark; is nothing left
behind, also after a signal.
"""
import contextlib
import gzip
import html.parser
import http.server
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import threading
import time
import xml.dom.minidom

import lab
import packets
import support
import wire_support as wire
from support import Skip, check, check_equal, test, test_alone, weir_path


def bench(*words, **more):
    """Run `weir bench WORDS` to its end."""
    return subprocess.run([weir_path(), "bench", *map(str, words)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          timeout=support.patience(more.pop("timeout", 60)), **more)


# ---------------------------------------------------------------- backends


def not_taken_away(pid):
    """What a benchmark with that number should have taken away."""
    found = [x for x in os.listdir("/run/netns") if x.startswith("weir-bench-%d-" % pid)] if os.path.isdir("/run/netns") else []
    found += ["/run/weir/bench-%d" % pid] if os.path.exists("/run/weir/bench-%d" % pid) else []
    return found + [x for x in os.listdir("/tmp") if x.startswith("weir-bench-%d-" % pid)]


@contextlib.contextmanager
def backends_running(folder, *words):
    """`weir bench backends` under way; its lines of progress come on standard error."""
    process = subprocess.Popen([weir_path(), "bench", "backends", "--patience", "0s", "--output-dir", folder, *map(str, words)],
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()
    end = time.monotonic() + support.patience(15)
    while not_taken_away(process.pid) and time.monotonic() < end:
        time.sleep(0.1)
    check_equal(not_taken_away(process.pid), [], "left behind")


def wait_line(process, text):
    """Until standard error says so; returns all that it has said."""
    said = []
    for line in process.stderr:
        said.append(line)
        if text in line:
            return "".join(said)
    raise support.Failure("it never said %r: %s" % (text, "".join(said)))


def samples_of(folder):
    """{(cell, name): samples}"""
    with open(os.path.join(str(folder), "result.json")) as f:
        return {(x["cell"], x["name"]): x["samples"] for x in json.load(f)["figures"]}


def need_backend(name):
    if name + " " not in subprocess.run([weir_path(), "capture", "--list-rx"], capture_output=True, text=True).stdout:
        raise Skip("no back end %s in this build" % name)


@test_alone
def backends_account_for_every_frame_and_leave_a_report_and_nothing_else():
    lab.need_lab()
    need_backend("af_xdp")
    with support.Folder() as folder:
        out = os.path.join(folder.path, "out")
        with backends_running(out, "--parts", "rates,http", "--backends", "pcap,af_xdp-native", "--sizes", "100", "--rates", "20k", "--runs", 1,
                              "--seconds", "500ms", "--http-rate", "200") as process:
            table, said = process.communicate(timeout=support.patience(90))
            check_equal(process.returncode, support.DONE, "status (%s)" % said)
        found = samples_of(out)
        for cell in ("pcap/100/20000", "af_xdp-native/100/20000"):
            check(found[cell, "offered"][0] > 5000, "%s was offered %s frames" % (cell, found[cell, "offered"]))
            check_equal(found[cell, "unexplained"], [0], "frames of %s without an account" % cell)
            check_equal(found[cell, "offered"][0], found[cell, "received"][0] + found[cell, "lost"][0], "frames of %s" % cell)
            check(found[cell, "memory"][0] > 1e6, "%s needs no memory" % cell)
            check(cell in table, "%s is not in the table" % cell)
        costs = [found.get((cell, "cpu"), [None])[0] for cell in ("pcap/100/20000", "none/100/20000")]
        if None not in costs:  # a harness that was kept from its core in the measured time tells none
            check(min(costs) > 0, "packets cost %s cycles" % costs)
            check_equal(found["pcap/100/20000", "above"][0], costs[0] - costs[1], "what pcap adds")
        if shutil.which("nginx", path=os.environ["PATH"] + ":/usr/sbin"):
            check(found["pcap/http", "pairs"][0] >= found["pcap/http", "requests"][0] > 0, "pairs are missing")
            check(0 < found["pcap/http", "delay.p50"][0] <= found["pcap/http", "delay.p9999"][0] < 10e9, "from packet to pair")
            check_equal(found["pcap/http", "unexplained"], [0], "packets of HTTP without an account")
        names = set(os.listdir(out))
        check({"result.json", "report.html", "report.md", "system_info.txt"} <= names, "in the folder are %s" % sorted(names))
        check(any(x.startswith("benchmark_summary_") for x in names), "in the folder are %s" % sorted(names))
        with open(os.path.join(out, "report.html")) as f:
            check("AF_XDP against pcap" in f.read(), "no table of AF_XDP against pcap in the report")


@test_alone
def a_back_end_made_to_drop_is_reported_as_dropping():
    lab.need_lab()
    need_backend("af_xdp")
    with support.Folder() as folder:
        out = os.path.join(folder.path, "out")
        with backends_running(out, "--parts", "rates", "--backends", "af_xdp-native", "--sizes", "64", "--rates", "100k", "--runs", 1,
                              "--seconds", "1s") as process:
            wait_line(process, "3 of 3: af_xdp-native")
            stand_still(process.pid, 0.7)
            _, said = process.communicate(timeout=support.patience(90))
            check_equal(process.returncode, support.DONE, "status (%s)" % said)
        found = samples_of(out)
        cell = "af_xdp-native/64/100000"
        check(found[cell, "lost"][0] > 10000, "of 0.7 s of 100,000 frames a second %s were lost" % found[cell, "lost"])
        check_equal(found[cell, "lost"][0], sum(v[0] for (c, n), v in found.items() if c == cell and n.startswith("lost.")),
                    "losses by name")
        check_equal(found[cell, "unexplained"], [0], "frames without an account")
        check(found[cell, "loss"][0] > 1, "loss is %s %%" % found[cell, "loss"])


def stand_still(bench_pid, seconds):
    """The dataplane of the benchmark's capture stops for a while, once it has begun to receive."""
    end = time.monotonic() + support.patience(20)
    while True:
        check(time.monotonic() < end, "no capture to stop")
        asked = subprocess.run([weir_path(), "ctl", "--name", "bench-%d" % bench_pid, "--json", "status"], capture_output=True, text=True)
        state = json.loads(asked.stdout) if asked.returncode == 0 else {}
        if state and state["packets"]["received"] > 1000:
            break
        time.sleep(0.02)
    os.kill(state["dataplane_pid"], signal.SIGSTOP)
    time.sleep(seconds)
    os.kill(state["dataplane_pid"], signal.SIGCONT)


@test_alone
def backends_ended_by_a_signal_keep_what_there_is_and_leave_nothing():
    lab.need_lab()
    with support.Folder() as folder:
        out = os.path.join(folder.path, "out")
        with backends_running(out, "--parts", "rates", "--backends", "af_packet", "--sizes", "64", "--rates", "10k", "--seconds", "300ms") as process:
            wait_line(process, "4 of ")
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=support.patience(30))
            check_equal(process.returncode, 128 + signal.SIGINT, "status")
        check(("none/64/10000", "cpu") in samples_of(out), "nothing is kept")
        with backends_running(os.path.join(folder.path, "other"), "--parts", "rates", "--backends", "af_packet") as process:
            wait_line(process, "1 of ")
            process.kill()  # what is left by it is looked for in the end


@test
def backends_refuse_what_cannot_be():
    for words, why in ((("--backends", "netmap"), "netmap"), (("--parts", "all"), "all"), (("--sizes", "10"), "10"),
                       (("--rates", "fast"), "fast"), (("--runs", "0"), "0"), (("--seconds", "1ms"), "1ms"), (("now",), "now")):
        ran = bench("backends", *words)
        check_equal(ran.returncode, support.USAGE, "status of %s" % " ".join(words))
        check(why in ran.stderr, "%s: %s" % (" ".join(words), ran.stderr))
    if os.geteuid() == 0:
        with support.Folder() as folder:
            ran = bench("backends", "--iface", "no-such-if", "--output-dir", os.path.join(folder.path, "out"))
            check_equal(ran.returncode, support.SOURCE, "status without the interface (%s)" % ran.stderr)
            check("no-such-if" in ran.stderr, ran.stderr)


# ---------------------------------------------------------------- load


class Counting(http.server.BaseHTTPRequestHandler):
    """Answers /ok, /error with a 500, and /stall: nobody for half a second, 300 ms after the first request."""
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # the answer in one segment

    def do_GET(self):
        s = self.server
        with s.lock:
            s.count += 1
            s.first = s.first or time.monotonic()
        if self.path == "/stall":
            time.sleep(max(0.0, s.first + 0.8 - time.monotonic()) if time.monotonic() > s.first + 0.3 else 0)
        self.send_response(500 if self.path == "/error" else 200)
        self.send_header("Content-Length", "5")
        self.end_headers()
        self.wfile.write(b"hello")
        self.wfile.flush()

    def log_message(self, *_):
        pass


@contextlib.contextmanager
def counting_server():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Counting)
    server.daemon_threads = True
    server.lock, server.count, server.first = threading.Lock(), 0, None
    server.url = "http://127.0.0.1:%d" % server.server_port
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def load(url, *words):
    ran = bench("load", url, "--json", *words)
    check_equal(ran.returncode, support.DONE, "status of load (%s)" % ran.stderr.strip())
    return json.loads(ran.stdout)


@test
def load_asks_as_often_as_it_says_and_the_server_counts_the_same():
    with counting_server() as server:
        found = load(server.url + "/ok", "--rate", 100, "--connections", 5, "--duration", "1s")
        check_equal(server.count, 100, "requests that the server counted")
    for name in ("due", "sent", "answered"):
        check_equal(found[name], 100, name)
    check_equal(found["failed"] + found["bad_status"], 0, "failed")
    check_equal(found["latency_ns"]["count"], 100, "latencies")


@test_alone
def load_tells_a_stall_that_a_closed_loop_hides():
    words = ("--rate", 200, "--connections", 4, "--duration", "1.5s")
    with counting_server() as server:
        open_loop = load(server.url + "/stall", *words)
    with counting_server() as server:
        closed_loop = load(server.url + "/stall", "--closed", *words)
    check_equal(open_loop["due"], 300, "due in the open loop")
    late, hidden = open_loop["latency_ns"]["p90"] / 1e6, closed_loop["latency_ns"]["p90"] / 1e6
    check(late > 250, "p90 of the open loop is %.0f ms although 100 of 300 were due in a stall of 500 ms" % late)
    check(hidden < late / 2, "p90 of the closed loop is %.0f ms, which no closed loop would see" % hidden)
    check(closed_loop["latency_ns"]["max"] > 400e6, "nothing stalled: %r" % closed_loop["latency_ns"]["max"])
    return "p90: open %.0f ms, closed %.0f ms" % (late, hidden)


@test
def load_counts_answers_that_say_no():
    with counting_server() as server:
        found = load(server.url + "/error", "--rate", 50, "--duration", "0.5s")
    check_equal(found["answered"], 25, "answered")
    check_equal(found["bad_status"], 25, "with 400 or more")


@test
def load_ended_by_a_signal_tells_what_it_measured():
    with counting_server() as server:
        ran = subprocess.Popen([weir_path(), "bench", "load", server.url + "/ok", "--rate", "100", "--duration", "1h", "--json"],
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        end = time.monotonic() + support.patience(20)
        while server.count < 20 and time.monotonic() < end:
            time.sleep(0.02)
        ran.send_signal(signal.SIGINT)
        out, _ = ran.communicate(timeout=support.patience(20))
    check_equal(ran.returncode, support.DONE, "status after INT")
    found = json.loads(out)
    check(found["interrupted"], "the report does not say that it was interrupted")
    check(found["due"] >= 20 and found["due"] == found["answered"] + found["failed"], "counts: %r" %
          {k: found[k] for k in ("due", "answered", "failed")})
    check(found["seconds"] < 60, "measured for %.1f s" % found["seconds"])


@test
def load_refuses_what_it_cannot_do():
    url = "http://127.0.0.1:9/"
    for words in ((), (url, url), ("https://127.0.0.1/",), ("127.0.0.1",), (url, "--rate", "-1"), (url, "--rate", "fast"),
                  (url, "--connections", "0"), (url, "--duration", "0s"), (url, "--duration", "8d"), (url, "--qps", "5")):
        ran = bench("load", *words)
        check_equal(ran.returncode, support.USAGE, "status of load %r" % (words,))
        check(ran.stderr.startswith("weir bench load: ") and ran.stdout == "", "load %r said %r" % (words, ran.stderr))
    ran = bench("load", url, "--duration", "1s")
    check_equal(ran.returncode, support.SOURCE, "status where nobody listens")
    check("Connection refused" in ran.stderr, "said %r" % ran.stderr)


# ---------------------------------------------------------------- plot


STAMPED = "[2022-05-08T16:%02d:%06.3f+0300] INFO  \u25b6 %s \u25b6 [1 main.go:1 main]\n"
COUNTS = ('app stats - {"processedBytes":%d,"packetsCount":%d,"tcpPacketsCount":%d,"ignoredPacketsCount":%d,'
          '"reassembledTcpPayloadsCount":66893,"tlsConnectionsCount":0,"matchedPairs":%d,"droppedTcpStreams":%d,'
          '"liveTcpStreams":%d,"ignoredLastAckCount":0,"throttledPackets":%d}')
OLD_COUNTS = ('stats - {"processedBytes":%d,"packetsCount":%d,"tcpPacketsCount":%d,"reassembledTcpPayloadsCount":66893,'
              '"tlsConnectionsCount":0,"matchedPairs":%d}')


def at(second, text):
    return STAMPED % (second // 60, second % 60, text)


def tapper_log(seed, lines=5, period=10, old=False):
    """A log as the Go tapper writes it: numbers that differ with the seed."""
    text, dropped = at(0, "Starting tapper"), 0
    for k in range(1, lines + 1):
        n = 100000 + 7919 * seed + 104729 * k % 5000
        dropped += seed * k % 7
        heap = "mem: %d" % (n * 200) if old else "heap-alloc: %d, heap-idle: 5341184, heap-objects: 182233" % (n * 200)
        text += at(period * k, "%s, goroutines: %d, cpu: %.6f, cores: 16/8, rss: %.6f" % (
            heap, 20 + seed, 10.5 * seed + k / 3, n * 800))
        if old:
            text += at(period * k, OLD_COUNTS % (n * 900, n, n, n // 7))
            continue
        text += at(period * k, COUNTS % (n * 900, n, n, seed, n // 7, k, seed, seed * k))
        text += at(period * k, "assembler-stats: pageCache: 0\nfree: 1, packet-source-stats: [host-lo: rec: %d dropped: %d]" %
                   (n, dropped))
    return text


def numbers_by_expression(text, period):
    """What the tapper's own script takes out of a log, line by line; counts by the length of an interval."""
    number = r": ?(\d+(\.\d+)?)"
    found = {}

    def take(line, name, series, scale):
        match = re.search(name + number, line)
        if match:
            found.setdefault(series, []).append(float(match[1]) * scale)

    for line in text.splitlines():
        take(line, "cpu", "cpu", 1)
        take(line, "rss", "rss", 1 / 1048576)
        take(line, "(?:heap-alloc|mem)", "heap", 1 / 1048576)
        take(line, "goroutines", "goroutines", 1)
        take(line, '"matchedPairs"', "matchedCount", 1 / period)
        take(line, '"liveTcpStreams"', "liveStreamsCount", 1)
        take(line, '"processedBytes"', "processedBytes", 1 / 1048576 / period)
        packets = re.search('"packetsCount"' + number, line)
        ignored = re.search('"ignoredPacketsCount"' + number, line)
        if packets:
            found.setdefault("packetsCount", []).append(
                (float(packets[1]) - float(ignored[1] if ignored else 0)) / period)
    return found


def samples(path):
    """The table of weir plot: {log: {series: [(seconds, value)]}}, without what was not told."""
    found = {}
    with open(path) as f:
        check_equal(next(f), "log\tseries\tunit\tseconds\tvalue\n", "first line of the table")
        for line in f:
            log, series, _, seconds, value = line.rstrip("\n").split("\t")
            if value not in ("nan", "-nan"):
                found.setdefault(log, {}).setdefault(series, []).append((float(seconds), float(value)))
    return found


def plot(*words, **more):
    return subprocess.run([weir_path(), "plot", *map(str, words)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          timeout=support.patience(60), **more)


def need_gnuplot():
    if shutil.which("gnuplot") is None:
        raise Skip("no gnuplot (package gnuplot-nox)")


@test
def every_number_of_a_log_is_in_the_plot():
    need_gnuplot()
    with support.Folder() as folder:
        logs = {"01_old_0.log": tapper_log(1, old=True), "01_old_1.log": tapper_log(2, old=True),
                "7_new.log": tapper_log(3, period=4), "other.txt": tapper_log(4)}
        paths = [folder.file(name, text.encode()) for name, text in logs.items()]
        run = plot(*paths, "--output", folder.path + "/graph.png", "--table", folder.path + "/table")
        check_equal((run.returncode, run.stderr), (support.DONE, ""), "status and complaints")
        table = samples(folder.path + "/table")
        check_equal(sorted(table), sorted(logs), "logs in the table")
        for name, text in logs.items():
            period = 4 if name == "7_new.log" else 10
            wanted = numbers_by_expression(text, period)
            check(len(wanted) >= 7, "the expressions find too little in %s" % name)
            for series, values in wanted.items():
                found = table[name][series]
                check_equal([round(x) for x, _ in found], [period * k for k in range(1, 6)], "times of %s in %s" % (series, name))
                check(all(abs(v - w) <= 1e-6 * abs(w) for (_, v), w in zip(found, values)),
                      "%s in %s: %r, wanted %r" % (series, name, found, values))
        dropped = [3 * k % 7 / 4 for k in range(1, 6)]
        check_equal([v for _, v in table["7_new.log"]["packets dropped by sources"]], dropped, "packets dropped a second")
        with open(folder.path + "/graph.svg") as f:
            svg = f.read()
        for word in ("01_old (2 runs)", "7_new", "other.txt", "packetsCount", "% of one core", "packets/s", "MiB",
                     "time since the log began (s)", "packets dropped by sources"):
            check(">%s<" % word in svg, "%s is not written in the picture" % word)
        with open(folder.path + "/graph.html") as f:
            page = f.read()
        check(svg in page, "the picture is not in the page")
        check(not re.search(r"""(src|href)=["']?(?!#)\w""", page), "the page refers to something outside")
        with open(folder.path + "/graph.png", "rb") as f:
            check(f.read(8) == b"\x89PNG\r\n\x1a\n", "graph.png is no PNG")


@test
def weirs_own_lines_are_plotted_with_what_was_counted():
    with support.Folder() as folder:
        capture = folder.file("a.pcap", packets.capture(packets.conversation(20, 100)))
        run = support.weir("read", capture, "--stats-interval", "20ms", "--output", "/dev/null").check_status(support.DONE)
        log = folder.file("a.log", run.stderr.encode())
        run = plot(log, "--output", folder.path + "/graph", "--table", folder.path + "/table")
        if shutil.which("gnuplot") is not None:
            check_equal(run.returncode, support.DONE, "status (%s)" % run.stderr)
        with open(folder.path + "/graph.html") as f:
            row = re.search("a.log(.*)", f.read())[1].split("<td>")
        check_equal(row[7].strip(), "2000", "pairs in the page")
        check_equal(row[8].strip(), "0", "packets dropped in the page")


@test
def a_bad_log_is_named_and_the_others_are_drawn():
    need_gnuplot()
    with support.Folder() as folder:
        good = tapper_log(1)
        lines = good.splitlines(keepends=True)
        bad = {
            "empty.log": ("", "has no stats lines"),
            "words.log": ("hello\n" * 100, "has no stats lines"),
            "noise.log": ("\0\1\2" * 9999, "is no text"),
            "cut.log": (good[:good.rindex('"liveTcp')], "stats line"),
            "back.log": ("".join(lines[:8]) + good, "its clock goes back, 1 times"),
            "unstamped.log": (COUNTS % (1, 2, 3, 4, 5, 6, 7, 8), "no time stamp"),
        }
        paths = [folder.file(name, text.encode()) for name, (text, _) in bad.items()]
        paths.append(folder.file("packed.log", gzip.compress(good.encode())))
        paths.append(folder.file("<i>`touch x`'.log", good.encode()))
        run = plot(*paths, "--output", folder.path + "/graph", cwd=folder.path)
        check_equal(run.returncode, support.DAMAGED, "status (%s)" % run.stderr)
        said = dict(re.findall(r"^weir plot: .*/(\w+\.log): (.*)$", run.stderr, re.M))
        for name, (_, words) in bad.items():
            check(words in said.get(name, ""), "of %s it is said: %r" % (name, said.get(name)))
        check("compressed" in said["packed.log"], "of packed.log it is said: %r" % said["packed.log"])
        check(not os.path.exists(folder.path + "/x"), "the name of a log was taken for a command")
        check(os.path.getsize(folder.path + "/graph.png") > 10000, "the good logs are not drawn")
        with open(folder.path + "/graph.html") as f:
            page = f.read()
        check("<i>" not in page and "&lt;i&gt;" in page, "the name of a log is taken for HTML")

        run = plot(paths[0], folder.path, folder.path + "/missing.log", "--output", folder.path + "/none")
        check_equal(run.returncode, support.SOURCE, "status of what cannot be read")
        for words in ("missing.log: No such file", "Is a directory", "there is nothing to draw"):
            check(words in run.stderr, "%s is not in: %s" % (words, run.stderr))
        check(not os.path.exists(folder.path + "/none.html"), "a page of nothing was written")
        run = plot(paths[-1], "--output", folder.path + "/missing/graph")
        check_equal(run.returncode, support.OUTPUT, "status of a folder that is not there")
        check_equal(plot().returncode, support.USAGE, "status without a log")


@test
def without_gnuplot_the_page_has_the_table():
    with support.Folder() as folder:
        log = folder.file("01_a.log", tapper_log(1).encode())
        run = plot(log, "--output", folder.path + "/graph", env=dict(support.environment(), PATH=folder.path))
        check_equal(run.returncode, support.OUTPUT, "status")
        check("gnuplot-nox" in run.stderr, "the package is not named: %s" % run.stderr)
        with open(folder.path + "/graph.html") as f:
            page = f.read()
        check("gnuplot-nox" in page and "01_a.log" in page, "the page lacks the table or the reason")


# ---------------------------------------------------------------- micro

# What a program that is not weir-bench-micro says, to see what weir bench micro makes of it.
FIGURES = "operations=640 ns=%s cycles=90 cycles_by=tsc instructions=nan allocations=%s allocated_bytes=%s system_calls=nan yield=0"


@contextlib.contextmanager
def instead_of_micro(script):
    """A folder for WEIR_LIBEXECDIR in which weir-bench-micro is this script: it lists what it likes and answers to "$1"."""
    with tempfile.TemporaryDirectory(prefix="weir-e2e-") as folder:
        path = os.path.join(folder, "weir-bench-micro")
        with open(path, "w") as f:
            f.write("#!/bin/sh\n" + script)
        os.chmod(path, 0o755)
        yield dict(os.environ, WEIR_LIBEXECDIR=folder), os.path.join(folder, "result")


def figures(folder, cell):
    with open(os.path.join(folder, "result.json")) as f:
        result = json.load(f)
    return {figure["name"]: figure["samples"] for figure in result["figures"] if figure["cell"] == cell}


@test_alone
def every_small_benchmark_does_its_work_and_those_that_must_not_allocate_do_not():
    with tempfile.TemporaryDirectory(prefix="weir-e2e-") as folder:
        out = os.path.join(folder, "out")
        listed = bench("micro", "--list").stdout.splitlines()
        ran = bench("micro", "--quick", "--runs", 1, "--output-dir", out, timeout=120)
        check_equal(ran.returncode, support.DONE, "status (%s)" % ran.stderr.strip())
        for line in listed:
            found = figures(out, line.split()[0])
            check(found["time"][0] > 0 and found["cycles"][0] > 0, "%s took no time" % line)
            if "without an allocation" in line:
                check_equal((found["allocations"], found["allocated"]), ([0], [0]), line)
        check_equal(figures(out, "reassembly/shuffled")["allocations"], [0.5], "allocations of a segment, half of which are held")
        check(len(listed) >= 20, "there are only %d benchmarks" % len(listed))
        for name in ("report.html", "system_info.txt"):
            check(os.path.getsize(os.path.join(out, name)) > 0, name + " is empty")
        return "%d benchmarks" % len(listed)


@test
def an_allocation_where_there_must_be_none_fails_and_elsewhere_it_does_not():
    for frugal, allocations, size, status in (("frugal", "0.001", "0.05", support.ANSWER_IS_NO), ("frugal", "0", "8", support.ANSWER_IS_NO),
                                              ("-", "3", "100", support.DONE)):
        script = 'if [ $# = 0 ]; then printf "toy/one\\tpacket\\t%s\\ta toy\\n"; else echo "%s"; fi\n' % (
            frugal, FIGURES % ("40", allocations, size))
        with instead_of_micro(script) as (environment, out):
            ran = bench("micro", "--runs", 1, "--output-dir", out, env=environment)
            check_equal(ran.returncode, status, "status of %s allocations (%s)" % (allocations, ran.stderr.strip()))
            check_equal("toy/one" in ran.stderr and "where there must be none" in ran.stderr, status != support.DONE, "it is named")
            check_equal(figures(out, "toy/one")["allocations"], [float(allocations)], "the samples are kept either way")


@test
def a_benchmark_that_did_not_do_its_work_fails():
    script = 'if [ $# = 0 ]; then printf "toy\\tpacket\\t-\\ta toy\\n"; else echo "toy: 5 asked for, and 4 done" >&2; exit 1; fi\n'
    with instead_of_micro(script) as (environment, out):
        ran = bench("micro", "--runs", 1, "--output-dir", out, env=environment)
        check_equal(ran.returncode, support.ANSWER_IS_NO, "status")
        check("5 asked for, and 4 done" in ran.stderr, "its own words are missing: " + ran.stderr)


@test
def a_small_benchmark_that_there_is_not_is_refused_with_the_one_meant():
    ran = bench("micro", "--only", "flow/hitt")
    check_equal(ran.returncode, support.USAGE, "status")
    check("no such benchmark: flow/hitt" in ran.stderr and "did you mean flow/hit" in ran.stderr, ran.stderr)


@test
def a_benchmark_whose_reader_has_gone_writes_its_files_all_the_same():
    """As with `weir bench micro | head`."""
    with instead_of_micro('if [ $# = 0 ]; then printf "toy\\tpacket\\t-\\ta toy\\n"; else echo "%s"; fi\n' % (FIGURES % ("40", "0", "0"))) as (environment, out):
        gone, nobody = os.pipe()
        os.close(gone)
        try:
            ran = subprocess.run([weir_path(), "bench", "micro", "--runs", "3", "--output-dir", out], env=environment, stdout=nobody,
                                 stderr=nobody, timeout=support.patience(30))
        finally:
            os.close(nobody)
        check_equal(ran.returncode, support.OUTPUT, "status")
        check_equal(len(figures(out, "toy")["time"]), 3, "runs in result.json")


@test
def small_benchmarks_that_are_interrupted_keep_what_they_have_and_leave_nobody_behind():
    script = 'if [ $# = 0 ]; then printf "toy\\tpacket\\t-\\ta toy\\n"; else echo $$ >>"$WEIR_LIBEXECDIR/pids"; [ $(wc -l <"$WEIR_LIBEXECDIR/pids") -lt 3 ] || exec sleep 60; ' \
             'echo "%s"; fi\n' % (FIGURES % ("40", "0", "0"))
    with instead_of_micro(script) as (environment, out):
        pids = os.path.join(os.path.dirname(out), "pids")
        running = subprocess.Popen([weir_path(), "bench", "micro", "--runs", "50", "--output-dir", out], env=environment,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        until = time.monotonic() + support.patience(20)
        while time.monotonic() < until and not (os.path.exists(pids) and len(open(pids).readlines()) >= 3):
            time.sleep(0.02)
        running.send_signal(signal.SIGINT)
        _, error = running.communicate(timeout=support.patience(20))
        check_equal(running.returncode, 128 + signal.SIGINT, "status (%s)" % error.strip())
        check(len(figures(out, "toy")["time"]) >= 1, "the samples before the signal are gone")
        for pid in open(pids).read().split():
            check(not os.path.exists("/proc/" + pid), "process %s is left behind" % pid)


# ---------------------------------------------------------------- gates


TINY = """
[limits]
scenario = Tiny
%s
[scenario Tiny]
requests_per_second = 100
connections = 5
seconds = 60
"""
GATES = ("CPU overhead", "memory", "events", "added latency", "error rate", "leak", "heartbeat")
GATES_FILES = ("result.json", "report.html", "system_info.txt", "baseline_performance.txt", "benchmark_Tiny_results.txt")


def need_gates():
    if os.geteuid() != 0:
        raise Skip("a lab needs root")
    for tool in ("ip", "tc", "ethtool", "nginx"):
        if shutil.which(tool, path=os.environ["PATH"] + ":/usr/sbin:/sbin") is None:
            raise Skip("%s is not installed" % tool)


def left_behind(pid):
    """What a benchmark of that process could have left."""
    left = [x for x in os.listdir("/run/netns") if "bench-%d" % pid in x] if os.path.isdir("/run/netns") else []
    for folder in ("/run/weir", "/run", "/dev/shm", "/tmp"):
        left += [x for x in (os.listdir(folder) if os.path.isdir(folder) else []) if "bench-%d" % pid in x]
    for other in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open("/proc/%s/cmdline" % other, "rb") as f:
                if b"bench-%d" % pid in f.read():
                    left.append("process " + other)
        except OSError:
            pass
    return left


def start_gates(folder, limits, *words):
    path = folder + "/limits.ini"
    with open(path, "w") as f:
        f.write(TINY % limits)
    return subprocess.Popen([weir_path(), "bench", "gates", "--limits", path, "--output-dir", folder + "/out", "--runs", "1",
                             *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def end_gates(ran, seconds=60):
    """Returns the verdicts by gate, and everything that was said."""
    out, err = ran.communicate(timeout=support.patience(seconds))
    verdicts = {}
    for line in out.splitlines():
        found = re.match(r"(%s) .*(PASS|FAIL \(not measured\)|FAIL)$" % "|".join(GATES), line)
        if found:
            verdicts[found.group(1)] = found.group(2)
    check_equal(left_behind(ran.pid), [], "left behind")
    return verdicts, out + err


def dataplane_of(bench_pid):
    ran = subprocess.run([weir_path(), "ctl", "--name", "bench-%d" % bench_pid, "--json", "status"], capture_output=True, text=True)
    return json.loads(ran.stdout)["dataplane_pid"] if ran.returncode == 0 else None


def stop_a_worker(ran, seconds):
    """Nothing turns any more in the first capture, for a while."""
    end = time.monotonic() + support.patience(30)
    while time.monotonic() < end and ran.poll() is None:
        pid = dataplane_of(ran.pid)
        if pid is not None:
            time.sleep(1.2)
            os.kill(pid, signal.SIGSTOP)
            time.sleep(seconds)
            os.kill(pid, signal.SIGCONT)
            return
        time.sleep(0.05)
    check(False, "no capture was started")


@test
def gates_pass_where_the_limits_are_kept_and_write_what_users_know():
    need_gates()
    with support.Folder() as folder:
        ran = start_gates(folder.path, "cpu_percent = 99\nmemory_mb = 4000\nevents_per_second = 20\nadded_latency_ms = 2000\n"
                          "error_percent = 50\nleak_mb = 2000\nleak_events = 20\nheartbeat_percent = 0", "--seconds", "1.2s")
        verdicts, said = end_gates(ran)
        check_equal(verdicts, {g: "PASS" for g in GATES}, "verdicts of %s" % said)
        check_equal(ran.returncode, support.DONE, "status")
        out = folder.path + "/out"
        for name in GATES_FILES:
            check(os.path.getsize(os.path.join(out, name)) > 0, "%s is empty" % name)
        check(any(re.fullmatch(r"benchmark_summary_\d{8}_\d{6}\.txt", x) for x in os.listdir(out)), "files: %r" % os.listdir(out))
        with open(out + "/result.json") as f:
            result = json.load(f)
        check_equal(result["what"], "gates", "result.json")
        with open(out + "/benchmark_Tiny_results.txt") as f:
            fields = dict(line.strip().split("=") for line in f if re.match(r"\w+=", line))
        sent, good, bad = (int(fields["Requests" + x]) for x in ("Sent", "Succeeded", "Failed"))
        check(sent > 100 and sent == good + bad, "RequestsSent %d, Succeeded %d, Failed %d" % (sent, good, bad))
        check(0 < float(fields["MinLatency"]) <= float(fields["AvgLatency"]) <= float(fields["MaxLatency"]), "latencies: %r" % fields)
        check(0 < float(fields["CPUOverhead"]) < 100, "CPUOverhead is %s" % fields["CPUOverhead"])


@test
def gates_fail_each_by_its_cause():
    """A server that has no such page fails the requests; a ring of 256 MiB that is touched bit by bit grows; a dataplane that
    is stopped has no heartbeat. The others fail by a limit that nothing can keep."""
    need_gates()
    with support.Folder() as folder:
        ran = start_gates(folder.path, "cpu_percent = 0.2\nmemory_mb = 5\nevents_per_second = 1e9\nadded_latency_ms = -1000\nleak_events = 200\n"
                          "leak_mb = 0.5", "--seconds", "3s", "--url", "http://10.83.0.2/no-such-page", "--", "--ring", "256MiB")
        stop_a_worker(ran, 2.2)
        verdicts, said = end_gates(ran)
        check_equal(verdicts, dict({g: "FAIL" for g in GATES}, events="FAIL (not measured)"), "verdicts of %s" % said)
        check_equal(ran.returncode, support.ANSWER_IS_NO, "status")


@test
def gates_ended_by_a_signal_judge_what_they_have_and_leave_nothing():
    need_gates()
    with support.Folder() as folder:
        ran = start_gates(folder.path, "", "--seconds", "1h")
        end = time.monotonic() + support.patience(30)
        while dataplane_of(ran.pid) is None and time.monotonic() < end and ran.poll() is None:
            time.sleep(0.1)
            if time.monotonic() > end - support.patience(30) + 3:
                break  # in the run without the capture; as good
        ran.send_signal(signal.SIGINT)
        verdicts, said = end_gates(ran)
        check_equal(ran.returncode, 128 + signal.SIGINT, "status (%s)" % said)
        check("PASS" not in verdicts.values(), "verdicts of %s" % said)


@test
def gates_ended_while_the_lab_is_made_leave_nothing():
    need_gates()
    for wait in (0.02, 0.1, 0.2):
        with support.Folder() as folder:
            ran = start_gates(folder.path, "", "--seconds", "1h")
            time.sleep(wait)
            ran.send_signal(signal.SIGINT)
            _, said = end_gates(ran)
            check(ran.returncode in (128 + signal.SIGINT, -signal.SIGINT), "status %d: %s" % (ran.returncode, said))


@test
def gates_refuse_what_they_cannot_judge():
    with support.Folder() as folder:
        for text, says in (("cpu = 5", ":4: no such number: cpu"), ("cpu_percent = some", ":4: cpu_percent = some: a number"),
                           ("scenario = Huge", "there is no [scenario Huge]")):
            ran = start_gates(folder.path, text)
            _, said = end_gates(ran)
            check_equal(ran.returncode, support.USAGE, "status of %s" % text)
            check(says in said, "%s: said %r" % (text, said))
    for words in (("--limits", "/no/such/file"), ("--runs", "0"), ("--seconds", "0s"), ("--iface", "lo"), ("--url", "ftp://x/"),
                  ("--limit", "x"), ("--limits", "/"), ("port", "80"), ("port", "--", "80")):
        ran = bench("gates", *words)
        check_equal(ran.returncode, support.USAGE, "status of gates %r" % (words,))
    ran = bench("gates", "--print-limits")
    check_equal(ran.returncode, support.DONE, "status of --print-limits")
    for name in ("cpu_percent = 5", "memory_mb = 100", "events_per_second = 10000", "added_latency_ms = 1", "error_percent = 1",
                 "leak_mb = 10", "leak_events = 10000", "heartbeat_percent = 99.9", "[scenario Stress]"):
        check(name in ran.stdout, "--print-limits has no %s" % name)

# ---------------------------------------------------------------- results and compare


def change(folder, into, edit):
    """A copy of the result in `folder` whose figures went through edit()."""
    with open(os.path.join(folder, "result.json")) as f:
        result = json.load(f)
    for figure in result["figures"]:
        edit(figure)
    os.mkdir(into)
    with open(os.path.join(into, "result.json"), "w") as f:
        json.dump(result, f)


@test_alone
def compare_says_worse_where_a_real_result_became_so_and_nowhere_else():
    with tempfile.TemporaryDirectory(prefix="weir-e2e-") as folder:
        before, after, slower = (os.path.join(folder, name) for name in ("before", "after", "slower"))
        for out in (before, after):
            ran = bench("micro", "--only", "decode/ipv4,hash", "--runs", 5, "--seconds", "100ms", "--output-dir", out)
            check_equal(ran.returncode, support.DONE, "status of micro (%s)" % ran.stderr.strip())

        def slow(figure):
            if (figure["cell"], figure["name"]) == ("decode/ipv4", "time"):
                figure["samples"] = [x + 9 * max(figure["samples"]) for x in figure["samples"]]

        change(before, slower, slow)
        ran = bench("compare", before, before)
        check_equal(ran.returncode, support.DONE, "status of a result and itself")
        check(" 0 worse, 0 better" in ran.stdout and ran.stderr == "", "a result and itself: %s%s" % (ran.stdout, ran.stderr))
        ran = bench("compare", before, after, "--noise", 90)
        check_equal(ran.returncode, support.DONE, "status of two runs of one build, where less than a factor of two is none: %s" % ran.stdout)
        ran = bench("compare", before, slower)
        check_equal(ran.returncode, support.ANSWER_IS_NO, "status of ten times the time")
        check(" 1 worse, 0 better" in ran.stdout and "decode/ipv4" in ran.stdout, "what is worse: " + ran.stdout)
        ran = bench("compare", slower, before, "--json")
        check_equal(ran.returncode, support.DONE, "status of a tenth of the time")
        said = json.loads(ran.stdout)
        check_equal((said["better"], said["worse"], said["figures"][0]["cell"]), (1, 0, "decode/ipv4"), "what is better")
        check(said["figures"][0]["relative"] < -0.8, "by how much: %r" % said["figures"][0])


@test
def compare_warns_of_another_kernel_and_refuses_what_is_no_result():
    def result(kernel):
        return json.dumps({"schema": 1, "what": "modes", "begun": "2026-01-01T00:00:00Z", "noise": None, "notes": [],
                           "conditions": {"machine": {"kernel": kernel}},
                           "figures": [{"cell": "normal", "name": "cpu", "unit": "s", "better": "lower", "samples": [1, 1, None, 1]}]})

    with support.Folder() as folder:
        one, other = folder.file("one.json", result("6.1").encode()), folder.file("other.json", result("6.2 <x>").encode())
        ran = bench("compare", one, other)
        check_equal(ran.returncode, support.DONE, "status")
        check("machine, kernel: 6.1 -> 6.2 <x>" in ran.stderr, "no warning: " + ran.stderr)
        for name, data in (("cut", result("6.1").encode()[:-20]), ("newer", result("6.1").replace('"schema": 1', '"schema": 9').encode()),
                           ("nan", result("6.1").replace("null", "NaN").encode()), ("log", b"stats - {}\n"), ("empty", b"")):
            bad = folder.file(name, data)
            ran = bench("compare", one, bad)
            check_equal(ran.returncode, support.SOURCE, "status of a result that is " + name)
            check(ran.stderr.count("\n") == 1 and bad in ran.stderr, "not one sentence that names it: %r" % ran.stderr)
        ran = bench("compare", one)
        check_equal(ran.returncode, support.USAGE, "status of one result")


class OnePage(html.parser.HTMLParser):
    """What a page would fetch, and whether its elements are closed."""

    def __init__(self):
        super().__init__()
        self.open, self.fetched, self.text = [], [], []

    def handle_starttag(self, tag, attrs):
        self.open.append(tag)
        self.handle_startendtag(tag, attrs)

    def handle_startendtag(self, tag, attrs):
        self.fetched += [value for name, value in attrs if name in ("src", "href", "srcset", "data") and not value.startswith("data:")]
        check(tag not in ("script", "link", "iframe", "object"), "the page has a <%s>" % tag)

    def handle_endtag(self, tag):
        check(self.open and self.open.pop() == tag, "</%s> closes something else" % tag)

    def handle_data(self, data):
        self.text.append(data)


@test
def the_page_of_a_result_fetches_nothing_and_is_xml():
    script = 'if [ $# = 0 ]; then printf "toy <b>&amp;\\tpacket\\t-\\ta \\"toy\\"\\n"; else echo "%s"; fi\n' % (FIGURES % ("40", "0", "0"))
    with instead_of_micro(script) as (environment, out):
        ran = bench("micro", "--runs", 3, "--output-dir", out, env=environment)
        check_equal(ran.returncode, support.DONE, "status (%s)" % ran.stderr.strip())
        with open(os.path.join(out, "report.html"), encoding="utf-8") as f:
            text = f.read()
        xml.dom.minidom.parseString(text)
        page = OnePage()
        page.feed(text)
        check_equal((page.open, page.fetched), ([], []), "what is open, and what is fetched")
        said = "".join(page.text)
        for word in ("toy <b>&amp;", "noise", "git revision", "kernel"):
            check(word in said, "%r is not on the page" % word)
        names = sorted(os.listdir(out))
        check(any(re.fullmatch(r"benchmark_summary_\d{8}_\d{6}\.txt", name) for name in names), "no summary in %r" % names)


# ---------------------------------------------------------------- modes


def need_lab():
    wire.need_root()
    wire.need("ip", "tc", "ethtool", "nginx")


def all_figures(folder):
    with open(folder + "/result.json") as f:
        document = json.load(f)
    return {(x["cell"], x["name"]): x["samples"] for x in document["figures"]}


@test_alone
def modes_measures_each_rung_and_keeps_its_log():
    need_lab()
    with support.Folder() as folder:
        out = folder.path + "/out"
        run = subprocess.Popen([weir_path(), "bench", "modes", "--runs", "1", "--seconds", "500ms", "--clients", "3", "--only",
                                "no_pcap,no_assembler", "--output-dir", out], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                               text=True, env=dict(support.environment(), WEIR_BENCHMARK_QPS="100"))
        _, said = run.communicate(timeout=support.patience(60))
        check_equal(run.returncode, support.DONE, "status (%s)" % said[-600:])
        check("min, into " + out in said, "it does not say how long it takes: %s" % said[:200])
        names = set(os.listdir(out))
        wanted = {"01_no_pcap_0.log", "02_no_assembler_0.log", "08_normal_0.log", "result.json", "report.html",
                  "system_info.txt", "baseline_performance.txt"}
        check(wanted <= names, "missing: %r" % (wanted - names))
        check(any(re.fullmatch(r"benchmark_summary_\d{8}_\d{6}\.txt", x) for x in names), "no benchmark_summary in %r" % names)
        found = all_figures(out)
        requests = found["normal", "requests"][0]
        check(250 <= found["normal", "rate"][0] <= 350, "%r requests a second" % found["normal", "rate"])
        check(found["normal", "pairs"][0] >= requests, "normal has paired %r of %r" % (found["normal", "pairs"], requests))
        check_equal(found["no_assembler", "pairs"], [0], "pairs without an assembler")
        for mode in ("none", "no_pcap", "no_assembler", "normal"):
            check(found[mode, "cpu"][0] > 0, "%s costs nothing" % mode)
            check(found[mode, "latency.p50"][0] > 1000, "the client of %s has no latency" % mode)
        prices = [cell for cell, name in found if name == "difference.machine"]
        check_equal(prices, ["price/rx + decode", "price/flow + reassembly + dissect + pair + emit + drain + format + write"],
                    "prices")
        check(0 < found["price/rx + decode", "counter"][0] < 1e7, "the counters of decode: %r" % found["price/rx + decode", "counter"])
        with open(out + "/08_normal_0.log") as f:
            log = f.read()
        check_equal(sum(int(x) for x in re.findall(r'"matchedPairs":(\d+)', log)), int(found["normal", "pairs"][0]),
                    "pairs of the stats lines")
        with open(out + "/02_no_assembler_0.log") as f:
            check(re.search(r"packet-source-stats: \[host-tap0: rec: [1-9]", f.read()), "no packets in the stats lines")
        with open(out + "/baseline_performance.txt") as f:
            check(re.search("P50 latency: [0-9.e+]+ us", f.read()), "the baseline has no latency")
        if shutil.which("gnuplot"):
            check({"graph.png", "graph.svg", "graph.html", "ladder.svg", "ladder.png"} <= names, "pictures: %r" % names)
        check_equal(left_behind(run.pid), [], "left behind")


@test_alone
def modes_ended_in_its_first_run_leaves_nothing():
    need_lab()
    with support.Folder() as folder:
        out = folder.path + "/out"
        with open(folder.path + "/err", "w") as err:
            process = subprocess.Popen([weir_path(), "bench", "modes", "--ladder", "tapper", "--seconds", "20s", "--output-dir", out],
                                       stdout=subprocess.DEVNULL, stderr=err, env=support.environment())
        end = time.monotonic() + support.patience(20)
        while not os.path.exists(out + "/08_normal.running"):
            check(time.monotonic() < end and process.poll() is None, "no capture was started")
            time.sleep(0.05)
        time.sleep(1)
        process.send_signal(signal.SIGINT)
        status = process.wait(support.patience(20))
        check_equal(status, 128 + signal.SIGINT, "status")
        check(not os.path.exists(out), "a folder without a measurement is left")
        check_equal(left_behind(process.pid), [], "left behind")


@test
def modes_refuses_what_it_cannot_do():
    def refused(words, *options, **env):
        run = bench("modes", "--output-dir", "/nonexistent/folder", *options, env=dict(support.environment(), **env))
        check_equal(run.returncode, support.USAGE, "status of %r" % (options,))
        check(words in run.stderr and run.stderr.count("\n") <= 2, "%r: %s" % (options, run.stderr))

    refused("there are: tapper, stages, both", "--ladder", "up")
    refused("there are: load, hey, wrk", "--client", "curl")
    refused("no such rung; there are: no_pcap", "--only", "no_pcap,no_such")
    refused("with --iface", "--url", "http://127.0.0.1/")
    refused("what is tcp?", "tcp", "--", "port", "80")
    refused("with --iface", WEIR_BENCHMARK_URL="http://127.0.0.1/")
    refused("WEIR_BENCHMARK_QPS=many", WEIR_BENCHMARK_QPS="many")
    refused("WEIR_BENCHMARK_CLIENT_PERIOD=0", WEIR_BENCHMARK_CLIENT_PERIOD="0")
    refused("install the package hey", "--client", "hey", PATH="/nonexistent")
    run = bench("modes", "--output-dir", "/nonexistent/folder")
    check_equal(run.returncode, support.OUTPUT, "status of a folder that cannot be made")
