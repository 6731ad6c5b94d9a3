"""bench - the benchmarks: each once for real and short, what they write, what they refuse, what they leave behind.

Answers: are the figures those of what happened (a server that counts, one
that stalls); does what fails a promise fail the benchmark; is nothing left
behind, also after a signal.
"""
import contextlib
import http.server
import json
import os
import signal
import subprocess
import threading
import time

import support
from support import check, check_equal, test, test_alone, weir_path


def bench(*words, **more):
    """Run `weir bench WORDS` to its end."""
    return subprocess.run([weir_path(), "bench", *map(str, words)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          timeout=support.patience(more.pop("timeout", 60)), **more)


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
