"""quickstart - the run itself: a lab, nginx, wrk, and weir on the mirror port, first as well as it can, then over libpcap.

    quickstart.py PATH_OF_WEIR

Called by ./deploy/quickstart, which installs and builds. Removes everything it made, however it ends.
"""
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

SECONDS = 3
CONNECTIONS = 10
PAIRS_SHOWN = 10
PORT = 8080
SERVER = "10.83.0.2"
LAB = "quickstart-%d" % os.getpid()

# Each thread has one connection and stops behind a whole response: so what wrk counts is what was answered in full.
WRK_SCRIPT = """
local asked, deadline = 0, 0

function init(args) deadline = os.time() + %d end

function request()
   asked = asked + 1
   if asked %% 10 == 3 then return wrk.format("POST", "/orders", nil, "item=" .. asked) end
   if asked %% 10 == 7 then return wrk.format("GET", "/large") end
   return wrk.format("GET", "/items/" .. asked)
end

function response()
   if os.time() > deadline then wrk.thread:stop() end
end
""" % SECONDS

NGINX_CONFIG = """
worker_processes 1;
daemon off;
pid {work}/nginx.pid;
error_log {work}/nginx-error.log;
events {{ worker_connections 256; }}
http {{
    access_log off;
    client_body_temp_path {work}/nginx; proxy_temp_path {work}/nginx; fastcgi_temp_path {work}/nginx;
    uwsgi_temp_path {work}/nginx; scgi_temp_path {work}/nginx;
    keepalive_requests 100000000;
    server {{
        listen {server}:{port};
        root {work}/www;
        location /items/ {{ default_type application/json; return 200 '{{"path":"$request_uri"}}'; }}
        location = /orders {{ return 200 "taken\\n"; }}
    }}
}}
"""


def say(text):
    print("quickstart: " + text, flush=True)


def die(text):
    sys.stdout.flush()
    print("quickstart: " + text, file=sys.stderr, flush=True)
    sys.exit(1)


def stop(process, number=signal.SIGTERM):
    if process is None or process.poll() is not None:
        return
    process.send_signal(number)
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def has_ended(process):
    """Without reaping it: what it used is asked for when it is waited for."""
    try:
        return os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
    except ChildProcessError:
        return True  # and has been waited for


def wait_for(what, condition, seconds=10):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return
        time.sleep(0.02)
    die("%s did not start" % what)


def show_pair(pair):
    request, response = pair["request"], pair.get("response", {})
    print("  %s  %s:%d -> %s:%d  %-4s %-16s %s  %6d bytes  %.3f ms" % (
        pair["ts"][11:26], pair["client"]["ip"], pair["client"]["port"], pair["server"]["ip"], pair["server"]["port"],
        request["method"], request["target"], response.get("code", "-"), response.get("body_bytes", 0),
        pair.get("latency_ns", 0) / 1e6), flush=True)


def follow(path, is_over):
    """Whole lines of a file that is being written, until `is_over`."""
    while not os.path.exists(path):
        if is_over():
            return
        time.sleep(0.01)
    with open(path, encoding="utf-8") as f:
        line = ""
        while True:
            line += f.readline()
            if line.endswith("\n"):
                yield line
                line = ""
            elif is_over():
                return
            else:
                time.sleep(0.01)


def machine_busy_seconds():
    """CPU-seconds that were not idle, of all cores together."""
    values = [int(x) for x in open("/proc/stat").readline().split()[1:9]]
    return (sum(values) - values[3] - values[4]) / os.sysconf("SC_CLK_TCK")


class Quickstart:
    def __init__(self, weir):
        self.weir = os.path.abspath(weir)
        self.work = tempfile.mkdtemp(prefix="weir-quickstart-")
        os.chmod(self.work, 0o755)
        self.nginx = self.capture = None
        self.lab_is_up = False

    # ---- what is made, and unmade

    def lab(self, *arguments, **how):
        return subprocess.run([self.weir, "lab", *arguments], **how)

    def inside(self, host):
        return [self.weir, "lab", "exec", "--name", LAB, host]

    def set_up(self):
        self.lab_is_up = True  # also when it fails half-way
        if self.lab("up", "--name", LAB, stdout=subprocess.DEVNULL).returncode != 0:
            die("the lab could not be made")
        www = os.path.join(self.work, "www")
        os.mkdir(www)
        os.mkdir(os.path.join(self.work, "nginx"))
        os.chmod(os.path.join(self.work, "nginx"), 0o777)
        with open(os.path.join(www, "large"), "w", encoding="ascii") as f:
            f.write("x" * 40000)
        with open(os.path.join(self.work, "nginx.conf"), "w", encoding="ascii") as f:
            f.write(NGINX_CONFIG.format(work=self.work, server=SERVER, port=PORT))
        with open(os.path.join(self.work, "load.lua"), "w", encoding="ascii") as f:
            f.write(WRK_SCRIPT)
        self.nginx = subprocess.Popen(self.inside("server") + [
            "nginx", "-e", self.work + "/nginx-error.log", "-p", self.work, "-c", self.work + "/nginx.conf"])
        wait_for("nginx", lambda: os.path.exists(self.work + "/nginx.pid") and os.path.getsize(self.work + "/nginx.pid"))

    def tear_down(self):
        stop(self.capture, signal.SIGINT)
        stop(self.nginx)
        if self.lab_is_up:
            self.lab("down", "--name", LAB, stdout=subprocess.DEVNULL)
        shutil.rmtree(self.work, ignore_errors=True)

    # ---- one run: capture, load, books

    def load(self):
        """Returns the number of responses the client received in full."""
        done = subprocess.run(self.inside("client") + [
            "wrk", "-t", str(CONNECTIONS), "-c", str(CONNECTIONS), "-d", "%ds" % (SECONDS + 1),
            "-s", self.work + "/load.lua", "http://%s:%d/" % (SERVER, PORT)], stdout=subprocess.PIPE, text=True, check=False)
        found = re.search(r"(\d+) requests in", done.stdout)
        if found is None or "Socket errors" in done.stdout or "Non-2xx" in done.stdout:
            die("wrk failed: " + done.stdout)
        return int(found.group(1))

    def run(self, source, shown):
        """Capture with `source` while the client works. Returns what became of it."""
        out = tempfile.mkdtemp(dir=self.work)
        os.chmod(out, 0o777)  # capture does not run as root
        ledger, pairs = os.path.join(out, "ledger.json"), os.path.join(out, "pairs.jsonl")
        self.capture = subprocess.Popen(
            self.inside("tap") + [self.weir, "capture", *source, "tcp", "port", str(PORT), "--output", pairs, "--headers", "none",
                                  "--ring", "64m", "--ledger", ledger, "--stats-interval", "1h"],
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        capture = self.capture
        result = {"matched": 0, "start": None, "stderr": []}
        begun = threading.Event()

        def read_records():
            """The first ones as they come. The file takes the rest: a live capture waits for nobody, least of all for a script."""
            left = shown
            for line in follow(pairs, lambda: has_ended(capture)):
                record = json.loads(line)
                if record["type"] == "start":
                    result["start"] = record
                    begun.set()
                elif record["type"] == "pair" and record["outcome"] == "paired" and left > 0:
                    show_pair(record)
                    left -= 1
                if begun.is_set() and left == 0:
                    return

        def read_messages():
            for line in capture.stderr:
                result["stderr"].append(line.decode().rstrip())

        readers = [threading.Thread(target=read_records), threading.Thread(target=read_messages)]
        for reader in readers:
            reader.start()
        wait_for("weir capture", lambda: begun.is_set() or has_ended(self.capture))
        busy, wall = machine_busy_seconds(), time.monotonic()
        result["received"] = 0 if has_ended(self.capture) else self.load()
        result["busy"] = (machine_busy_seconds() - busy) / (time.monotonic() - wall)
        if not has_ended(self.capture):
            os.kill(self.capture.pid, signal.SIGINT)
        _, status, used = os.wait4(self.capture.pid, 0)
        self.capture.returncode = os.waitstatus_to_exitcode(status)
        for reader in readers:
            reader.join()
        result["status"] = self.capture.returncode
        result["cpu"] = used.ru_utime + used.ru_stime
        result["ledger"] = json.load(open(ledger, encoding="ascii")) if os.path.exists(ledger) else None
        self.capture = None
        if os.path.exists(pairs):
            with open(pairs, "rb") as f:
                result["matched"] = sum(b'"outcome":"paired"' in line for line in f)
        return result


def packets(result):
    return sum(b["in"].get("received", 0) for b in result["ledger"]["balances"] if b["name"] == "packets")


def check_run(result):
    if result["ledger"] is None or result["start"] is None:
        die("weir captured nothing:\n  " + "\n  ".join(result["stderr"]))


def say_cost(name, result):
    print("  %-10s %8.2f us of CPU per packet in weir's two daemons; %.2f cores busy in all, client and server included; "
          "%d packets" % (name, result["cpu"] / packets(result) * 1e6, result["busy"], packets(result)))


def without_root(weir):
    say("this user is not root: interfaces cannot be made, and packets not be captured; run it with sudo")
    say("the next best: weir reads traffic that it makes up itself")
    done = subprocess.run([weir, "read", "--rx", "synth:pairs=100000", "--output", "", "--ledger", "/dev/stdout"],
                          stdout=subprocess.PIPE, check=False)
    ledger = json.loads(done.stdout)
    matched = sum(b["out"].get("paired", 0) for b in ledger["balances"] if b["name"] == "requests")
    good = done.returncode == 0 and matched == 100000 and ledger["closed"]
    say("synth made 100000, weir matched %d over synth, ledger %s" % (matched, "closed" if good else "NOT closed"))
    sys.exit(0 if good else 1)


def main():
    weir = sys.argv[1]
    if os.geteuid() != 0:
        without_root(weir)
    quickstart = Quickstart(weir)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        quickstart.set_up()
        say("a client and a server, %d connections for %d s; the first pairs as they come:" % (CONNECTIONS, SECONDS))
        best = quickstart.run(["-i", "tap0"], PAIRS_SHOWN)
        check_run(best)
        say("what weir says: how it captured, its stats line, its ledger:")
        for line in best["stderr"]:
            print("  " + line)
        say("the same load once more, over libpcap:")
        plain = quickstart.run(["--rx", "pcap:tap0"], 0)
        check_run(plain)
    finally:
        quickstart.tear_down()
    how = best["start"]["capture"][0]
    say_cost(how["backend"], best)
    say_cost("pcap", plain)
    if how["backend"] != "af_xdp":
        say("AF_XDP could not be used here; why is said above, where weir began to capture")
    closed = best["status"] == 0 and best["ledger"]["closed"] is True
    say("client received %d, weir matched %d over %s (%s), ledger %s" % (
        best["received"], best["matched"], how["backend"], ", ".join(how["mode"].split(", ")[:2]),
        "closed" if closed else "NOT closed"))
    sys.exit(0 if closed and best["received"] == best["matched"] > 0 else 1)


if __name__ == "__main__":
    main()
