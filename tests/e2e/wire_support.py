"""wire_support - what the suites of live capture share: a lab per test, a capture that runs, traffic that is counted.

Every name carries the number of this process, traffic stays in namespaces made
for the test, and whatever was made goes when its with statement ends. What a
test needs from the machine is asked here; where it is not there, it skips.
"""
import collections
import contextlib
import ctypes
import functools
import itertools
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

import support
from support import Failure, Skip, check, check_equal

NUMBERS = itertools.count()
RUNTIME = "/run/weir"
SYSTEM_PATH = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"

# What a back end is called in a test's name, and how it is asked for on an interface.
BACK_ENDS = {
    "pcap": "pcap:%s",
    "af_packet": "af_packet:%s",
    "af_xdp_native": "af_xdp:%s,mode=native",
    "af_xdp_generic": "af_xdp:%s,mode=generic",
}


def over_each_back_end(mark):
    """Turn a function of a back end's name into one test per back end."""
    def make(function):
        for name in BACK_ENDS:
            test = functools.partial(function, name)
            test.__module__, test.__name__ = function.__module__, "%s: %s" % (name, function.__name__)
            mark(test)
        return function
    return make


# ---------------------------------------------------------------- what is needed


def need(*tools):
    for tool in tools:
        if shutil.which(tool, path=SYSTEM_PATH) is None:
            raise Skip("%s is not installed" % tool)


def need_root():
    if os.geteuid() != 0:
        raise Skip("namespaces and capture need root")


def usable_back_ends():
    """Names of those that this machine and build have; skips where there is none."""
    found, why = [], Skip("there is no back end")
    for name in BACK_ENDS:
        try:
            need_back_end(name)
            found.append(name)
        except Skip as reason:
            why = reason
    if not found:
        raise why
    return found


@functools.lru_cache(maxsize=None)
def listing():
    """What --list-rx says, or the reason why it cannot be asked."""
    run = support.weir("capture", "--list-rx").check_status(support.DONE)
    return run.output.decode()


def need_back_end(name):
    """That this build has it and that it could be used on some interface."""
    word = BACK_ENDS[name].split(":")[0]
    found = re.search(r"^%s\b.*\n\s+(usable|not usable): (.*)" % word, listing(), re.M)
    if found is None:
        raise Skip("this build has no back end %s" % word)
    if found.group(1) != "usable":
        raise Skip("%s: %s" % (word, found.group(2)))


def new_name():
    return "t%d-%d" % (os.getpid(), next(NUMBERS))


def until(condition, seconds, what):
    """Wait for something to become true, and return it."""
    end = time.monotonic() + support.in_the_end(seconds)
    while True:
        found = condition()
        if found:
            return found
        if time.monotonic() > end:
            raise Failure("after %g s still not: %s" % (support.in_the_end(seconds), what))
        time.sleep(0.02)


# ---------------------------------------------------------------- namespaces

CLONE_NEWNET = 0x40000000
LIBC = ctypes.CDLL(None, use_errno=True)


def in_namespace(name, function):
    """Call a function with its thread in a network namespace; its result or exception comes back."""
    found = []

    def go():
        try:
            with open("/run/netns/" + name) as f:
                if LIBC.setns(f.fileno(), CLONE_NEWNET) < 0:
                    raise OSError(ctypes.get_errno(), "setns")
            found.append((function(), None))
        except BaseException as why:  # raised again in the thread that asked
            found.append((None, why))

    thread = threading.Thread(target=go)
    thread.start()
    thread.join()
    result, why = found[0]
    if why is not None:
        raise why
    return result


def ip(*words):
    done = subprocess.run(["ip", *map(str, words)], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Failure("ip %s: %s" % (" ".join(map(str, words)), done.stderr.strip()))
    return done.stdout


class Lab:
    """Client, server and tap as namespaces, for the length of a with statement."""

    def __init__(self, *options):
        self.name, self.options = new_name(), options

    def __enter__(self):
        need_root()
        need("ip", "tc", "ethtool")
        run = support.weir("lab", "up", "--name", self.name, *self.options)
        if run.status == support.SOURCE:
            raise Skip("no lab can be made here: " + run.stderr.strip())
        run.check_status(support.DONE)
        self.wait_for_carriers()
        return self

    def __exit__(self, *unused):
        support.weir("lab", "down", "--name", self.name)
        left = [x for x in os.listdir("/run/netns") if x.startswith("weir-%s-" % self.name)]
        for name in left:
            subprocess.run(["ip", "netns", "del", name], check=False)
        check_equal(left, [], "namespaces that the lab left behind")

    def namespace(self, host):
        return "weir-%s-%s" % (self.name, host)

    def words(self, host, *command):
        """A command line that becomes `command` on a host: same process, its own status."""
        return [support.weir_path(), "lab", "exec", "--name", self.name, host, *map(str, command)]

    def run(self, host, *command, status=0, timeout=60):
        done = subprocess.run(self.words(host, *command), capture_output=True, text=True, check=False,
                              stdin=subprocess.DEVNULL, env=support.environment(), timeout=support.patience(timeout))
        if status is not None:
            check_equal(done.returncode, status, "status of %s: %s" % (" ".join(map(str, command))[:120],
                                                                       done.stderr[-300:]))
        return done

    def inside(self, host, function):
        return in_namespace(self.namespace(host), function)

    def link(self, host, *words):
        return ip("-n", self.namespace(host), "link", *words)

    def wait_for_carriers(self):
        """The kernel takes note of a carrier a little after the interface is up."""
        until(lambda: not any("NO-CARRIER" in link["flags"] for host in ("client", "server", "tap")
                              for link in json.loads(ip("-n", self.namespace(host), "-j", "link", "show"))),
              5, "every interface has a carrier")

    def links(self):
        """Every interface of every host, without what traffic alone changes."""
        found = {}
        for host in ("client", "server", "tap"):
            settings = self.poll_settings(host)
            for link in json.loads(ip("-n", self.namespace(host), "-j", "-d", "link", "show")):
                kept = {k: link.get(k) for k in ("flags", "mtu", "qdisc", "operstate", "promiscuity", "xdp", "address",
                                                 "gro_max_size", "num_rx_queues", "num_tx_queues")}
                found[host, link["ifname"]] = dict(kept, sysfs=settings.get(link["ifname"]))
        return found

    def poll_settings(self, host):
        """Interrupt deferral and threads, which captures may set for their time: {interface: lines}."""
        found = collections.defaultdict(list)
        said = self.run(host, "sh", "-c", "cd /sys/class/net && grep . */napi_defer_hard_irqs */gro_flush_timeout "
                        "*/threaded", status=None).stdout
        for line in sorted(said.splitlines()):
            found[line.split("/")[0]].append(line)
        return found

    def unix_sockets(self):
        """Paths of the unix sockets that weir has in the namespaces of the lab."""
        found = set()
        for host in ("client", "server", "tap"):
            for line in self.run(host, "cat", "/proc/net/unix").stdout.splitlines()[1:]:
                words = line.split()
                if len(words) > 7 and "weir" in words[7]:
                    found.add(words[7])
        return found

    def wire_drops(self):
        """Packets that the mirror lost before the tap's driver had them."""
        link = json.loads(ip("-n", self.namespace("server"), "-j", "-s", "link", "show", "mirror0"))[0]
        return link["stats64"]["tx"]["dropped"]

    # ---------------------------------------------------------------- traffic

    def send(self, *options, host="server", interface="mirror0", timeout=60):
        """`weir send` there to its end; its report."""
        done = self.run(host, support.weir_path(), "send", "--iface", interface, "--json", "--quiet", *options,
                        timeout=timeout)
        return json.loads(done.stdout)

    def begin_sending(self, *options, host="server", interface="mirror0"):
        return Sender(self.words(host, support.weir_path(), "send", "--iface", interface, "--json", "--quiet",
                                 *options))


class Sender:
    """A `weir send` that runs beside the test."""

    def __init__(self, words):
        self.process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, env=support.environment())

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        support.stop(self.process)

    def running(self):
        return self.process.poll() is None

    def report(self, seconds=60):
        out, err = self.process.communicate(timeout=support.patience(seconds))
        check_equal(self.process.returncode, 0, "status of weir send: %s" % err.decode()[-300:])
        return json.loads(out)


# ---------------------------------------------------------------- a server with a log, and who asks it

NGINX = """
daemon off; master_process off; worker_processes 1; error_log %(folder)s/error.log crit; pid %(folder)s/pid;
events { worker_connections 512; }
http {
  log_format pairs '$remote_port $server_port $request_method $request_uri $status';
  access_log %(folder)s/access.log pairs;
  client_body_temp_path %(folder)s/body; proxy_temp_path %(folder)s/proxy; fastcgi_temp_path %(folder)s/fastcgi;
  uwsgi_temp_path %(folder)s/uwsgi; scgi_temp_path %(folder)s/scgi;
  keepalive_requests 100000000;
  server {
    listen 10.83.0.2:80; listen 10.83.0.2:81; listen [fd83::2]:80;
    location / { return 200 "%(body)s"; }
    location /long { root %(folder)s; }
    location /none { return 204; }
    location /missing { return 404; }
    location /moved { return 301 http://10.83.0.2/; }
  }
}
"""


class Nginx:
    """nginx on the lab's server, with a log line per request that it answered."""

    def __init__(self, lab, body_bytes=1024):
        self.lab, self.body_bytes = lab, body_bytes

    def __enter__(self):
        need("nginx")
        self.folder = tempfile.mkdtemp(prefix="weir-nginx-")
        support.open_to_all(self.folder)
        conf = os.path.join(self.folder, "nginx.conf")
        with open(conf, "w") as f:
            f.write(NGINX % {"folder": self.folder, "body": "b" * self.body_bytes})
        self.process = subprocess.Popen(
            self.lab.words("server", shutil.which("nginx", path=SYSTEM_PATH), "-e", self.folder + "/error.log", "-p",
                           self.folder, "-c", conf), stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            until(self.listens, 10, "nginx listens")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *unused):
        support.stop(self.process)
        shutil.rmtree(self.folder, ignore_errors=True)

    def listens(self):
        check(self.process.poll() is None, "nginx left with status %r" % self.process.returncode)
        with open("/proc/%d/net/tcp6" % self.process.pid) as f:  # asking the port would be traffic
            return ":0050 " in f.read()

    def stop(self):
        """Let it end what it is at, and write the last line."""
        self.process.send_signal(signal.SIGQUIT)
        self.process.wait(support.patience(20))

    def answered(self):
        """(client port, server port, method, target, status): how often, as the log has it."""
        with open(os.path.join(self.folder, "access.log")) as f:
            return collections.Counter(tuple(line.split()) for line in f)


CLIENT = r"""
import http.client, sys
address, port, connections, rounds = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
made = [http.client.HTTPConnection(address, port, timeout=20) for _ in range(connections)]
done = 0
for r in range(rounds):
    for i, c in enumerate(made):
        method, target = [("GET", "/%d/%d"), ("POST", "/form/%d/%d"), ("HEAD", "/%d/%d"), ("GET", "/missing/%d/%d"),
                          ("GET", "/none/%d/%d"), ("GET", "/moved/%d/%d")][(r + i) % 6]
        c.request(method, target % (i, r), body=b"x" * (r % 7 * 700) if method == "POST" else None)
        c.getresponse().read()
        done += 1
for c in made:
    c.close()
print(done)
"""


def ask(lab, connections=8, rounds=40, address="10.83.0.2", port=80):
    """Requests of several kinds from the client, one after the other; how many were answered."""
    done = lab.run("client", sys.executable, "-c", CLIENT, address, port, connections, rounds)
    return int(done.stdout)


def said_by(pairs):
    """Records as nginx's log would have them; what has no request or no response stands for itself."""
    def line(r):
        request, response = r.get("request", {}), r.get("response", {})
        return (str(r["client"]["port"]), str(r["server"]["port"]), request.get("method", "-"),
                request.get("target", r["outcome"]), response.get("code", r["outcome"]))
    return collections.Counter(line(r) for r in pairs)


def check_same(pairs, log, what):
    found, wanted = said_by(pairs), log
    check(found == wanted, "%s: %d pairs and %d lines of the server's log; only in pairs: %r; only in the log: %r" %
          (what, sum(found.values()), sum(wanted.values()), list((found - wanted).items())[:3],
           list((wanted - found).items())[:3]))


# ---------------------------------------------------------------- a capture


class Captured(support.Run):
    """What a `weir capture` has left."""

    @property
    def closing_line(self):
        return next((x for x in self.stderr.splitlines()
                     if x.startswith("weir capture:") and "ledger closed" in x), None)

    def paired(self):
        return [r for r in self.pairs if r["outcome"] == "paired"]

    def source(self, number=0):
        return Source(next(b for b in self.ledger.balances if b["scope"] == "source:%d" % number))

    def sources(self):
        return [Source(b) for b in self.ledger.balances if b["scope"].startswith("source:")]

    def lost(self):
        """All losses by name, of all sources."""
        return sum((s.lost for s in self.sources()), collections.Counter())

    def seqs(self):
        """(number of different records, of those that came twice, of holes below the largest seq) over all workers."""
        seen = collections.defaultdict(collections.Counter)
        for r in self.pairs:
            seen[r["run"], r["worker"]][r["seq"]] += 1
        different = sum(len(c) for c in seen.values())
        twice = sum(sum(c.values()) - len(c) for c in seen.values())
        holes = sum(max(c) + 1 - len(c) for c in seen.values())
        return different, twice, holes


class Source:
    """The balance of one source."""

    def __init__(self, balance):
        self.balance = balance
        self.offered = balance["in"].get("offered")
        self.received = balance["out"].get("received", 0)
        self.refused = balance["out"].get("refused", 0)
        self.lost = collections.Counter({k[5:]: v for k, v in balance["out"].items() if k.startswith("lost.")})

    def __repr__(self):
        return json.dumps(self.balance)


class Capture:
    """A `weir capture` that a test watches and disturbs. `lab` None: in this namespace."""

    def __init__(self, lab, *arguments, host="tap", name=None, output=None, wait=True, prefix=()):
        self.lab, self.name = lab, name or new_name()
        self.folder = tempfile.mkdtemp(prefix="weir-capture-")
        support.open_to_all(self.folder)
        self.output = output or os.path.join(self.folder, "out.jsonl")
        self.ledger = os.path.join(self.folder, "ledger.json")
        self.errors = open(os.path.join(self.folder, "stderr"), "w+b")
        words = [*prefix, support.weir_path(), "capture", *map(str, arguments), "--name", self.name, "--output",
                 self.output, "--ledger", self.ledger]
        self.wait_for_start = wait
        self.process = subprocess.Popen(lab.words(host, *words) if lab else words, stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=self.errors, env=support.environment(),
                                        start_new_session=True)
        self.pid = self.process.pid

    def __enter__(self):
        if self.wait_for_start:
            try:
                self.wait_until_it_runs()
            except BaseException:
                self.__exit__()
                raise
        return self

    def __exit__(self, *unused):
        left = list(support.children_of(self.pid))
        support.stop(self.process)
        for pid in support.wait_gone(left, 3):
            os.kill(pid, signal.SIGKILL)
        self.errors.close()
        shutil.rmtree(self.folder, ignore_errors=True)
        shutil.rmtree(os.path.join(RUNTIME, self.name), ignore_errors=True)

    def wait_until_it_runs(self):
        """Its sources are open by the time control has written the first line."""
        def started():
            check(self.process.poll() is None, "weir capture left with status %r: %s" %
                  (self.process.returncode, self.stderr()[-600:]))
            return os.path.exists(self.output) and b"\n" in self.bytes()
        until(started, 15, "weir capture writes its first line")

    def bytes(self):
        with open(self.output, "rb") as f:
            return f.read()

    def lines(self):
        """The lines that are complete by now."""
        return [json.loads(line) for line in self.bytes().split(b"\n")[:-1]]

    def stderr(self):
        self.errors.seek(0)
        return self.errors.read().decode("utf-8", "replace")

    def start_line(self):
        return self.lines()[0]

    def mode(self):
        """How it captures by its own word: "native, copy, ..."."""
        return ", ".join("%s: %s" % (c["backend"], c["mode"]) for c in self.start_line()["capture"])

    def dataplane(self):
        return support.child_named(self.pid, "weir-dataplane")

    def control(self):
        return support.child_named(self.pid, "weir-control")

    def ctl(self, *words):
        return support.weir("ctl", "--name", self.name, *words)

    def received(self):
        """Packets that the workers have taken by now."""
        run = self.ctl("ledger", "--json")
        if run.status != support.DONE:
            return 0
        return support.Ledger(json.loads(run.output)).count("packets:received")

    def wait(self, seconds=20):
        """Until it leaves by itself; what it left."""
        try:
            status = self.process.wait(support.in_the_end(seconds))
        except subprocess.TimeoutExpired:
            raise Failure("weir capture still runs after %g s; stderr ends: %s" %
                          (support.in_the_end(seconds), self.stderr()[-400:])) from None
        run = Captured(status, self.stderr(), self.bytes() if os.path.exists(self.output) else b"")
        run.ledger = self.books()
        return run

    def books(self):
        if not os.path.exists(self.ledger) or not os.path.getsize(self.ledger):
            return None
        with open(self.ledger, "rb") as f:
            return support.Ledger(json.load(f))

    def stop(self, with_signal=signal.SIGINT, seconds=20):
        self.process.send_signal(with_signal)
        return self.wait(seconds)

    def end(self):
        """Stop it as a person does: it must leave with 0 and closed books."""
        return self.stop().check_status(support.DONE).check_closed()


def capture(lab, back_end, *arguments, interface="tap0", **others):
    """A capture on the tap through a back end, by the name that it has in BACK_ENDS."""
    need_back_end(back_end)
    return Capture(lab, "--rx", BACK_ENDS[back_end] % interface, *arguments, **others)


def with_options(back_end, *options):
    """`--rx` of the tap with further options."""
    need_back_end(back_end)
    return ("--rx", ",".join([BACK_ENDS[back_end] % "tap0", *options]))


# ---------------------------------------------------------------- processes and the kernel


def status_of_threads(pid):
    """/proc's status of every thread of a process, as dictionaries."""
    found = []
    for thread in os.listdir("/proc/%d/task" % pid):
        with open("/proc/%d/task/%s/status" % (pid, thread)) as f:
            found.append(dict(line.rstrip("\n").split(":\t", 1) for line in f if ":\t" in line))
    return found


def cpu_seconds(pids):
    """Processor time of the threads of processes so far, to the nanosecond: the ticks of /proc/PID/stat count a short
    sleeper that another program's tick hits as if it had worked for 10 ms."""
    ns = 0
    for pid in pids:
        for task in os.listdir("/proc/%d/task" % pid):
            with open("/proc/%d/task/%s/schedstat" % (pid, task)) as f:
                ns += int(f.read().split()[0])
    return ns / 1e9


def bpf_objects(pids):
    """("prog" | "map" | "link", id) of all that these processes hold."""
    found = set()
    for pid in pids:
        for fd in os.listdir("/proc/%d/fdinfo" % pid):
            with contextlib.suppress(OSError):
                with open("/proc/%d/fdinfo/%s" % (pid, fd)) as f:
                    text = f.read()
                found.update((kind, int(number)) for kind, number in
                             re.findall(r"^(prog|map|link)_id:\s*(\d+)", text, re.M))
    return found


def bpf_left(objects, seconds=3):
    """Those of the objects that the kernel still has; it frees them a little after their last user has gone."""
    need("bpftool")

    def there(kind, number):
        done = subprocess.run([shutil.which("bpftool", path=SYSTEM_PATH), kind, "show", "id", str(number)],
                              capture_output=True, check=False)
        return done.returncode == 0

    end = time.monotonic() + support.patience(seconds)
    while True:
        left = sorted(o for o in objects if there(*o))
        if not left or time.monotonic() > end:
            return left
        time.sleep(0.05)


def huge_pages():
    with open("/proc/meminfo") as f:
        return {line.split(":")[0]: int(line.split()[1]) for line in f if line.startswith("HugePages_")}


class Snapshot:
    """What a capture could leave behind, as it was before there was one."""

    def __init__(self, lab):
        self.objects, self.pids = set(), set()
        self.parts = {"links": lab.links, "sockets": lab.unix_sockets, "huge pages": huge_pages, "namespaces":
                      lambda: {x for x in os.listdir("/run/netns") if x.startswith("weir-%s-" % lab.name)}}
        self.before = {part: look() for part, look in self.parts.items()}

    def note(self, *pids):
        """Processes of the capture: what they hold is to be gone with them."""
        self.pids |= set(pids)
        self.objects |= bpf_objects(pids)

    def check_the_same(self, what, links=True):
        check_equal(support.wait_gone(self.pids, 5), [], what + ": processes that stayed")
        check_equal(bpf_left(self.objects), [], what + ": BPF objects left behind")
        for part, look in self.parts.items():
            if part == "links" and not links:
                continue
            found, end = look(), time.monotonic() + support.in_the_end(3)
            while found != self.before[part] and time.monotonic() < end:
                time.sleep(0.1)  # what the kernel frees late
                found = look()
            check_equal(*differences(found, self.before[part]), "%s: %s" % (what, part))


def differences(found, wanted):
    """Two things to compare, of dictionaries only what is not the same."""
    if not isinstance(found, dict):
        return found, wanted
    same = [k for k in found if found[k] == wanted.get(k)]
    return tuple({k: v for k, v in x.items() if k not in same} for x in (found, wanted))


def runtime_folders(name=None):
    """What there is under /run/weir, or of one name only."""
    there = os.listdir(RUNTIME) if os.path.isdir(RUNTIME) else []
    return [x for x in there if name in (None, x)]


# ---------------------------------------------------------------- refusals

NOBODY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--bounding-set=-all", "--inh-caps=-all")


class Refusal:
    """A `weir capture` on the tap that must leave by itself, at once, with one sentence."""

    def __init__(self, lab, status, *arguments, host="tap", prefix=(), output=None):
        self.name = new_name()
        with support.Folder() as folder:
            words = [*prefix, support.weir_path(), "capture", *map(str, arguments)]
            if "--name" not in arguments:
                words += ["--name", self.name]
            words += ["--output", output or os.path.join(folder.path, "out.jsonl")]
            process = subprocess.Popen(lab.words(host, *words), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                       stderr=subprocess.PIPE, env=support.environment())
            try:
                self.finish(process, status, " ".join(map(str, arguments)))
            finally:
                support.stop(process)

    def finish(self, process, status, what):
        try:
            out, err = process.communicate(timeout=support.patience(8))
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGINT)
            _, err = process.communicate(timeout=support.patience(8))
            raise Failure("%s: still running after %d s; it said: %s" %
                                  (what, support.patience(8), err.decode()[-400:])) from None
        self.stderr = err.decode()
        if "Permission denied" in self.stderr and process.returncode in (126, 127):
            raise Skip("the build folder is closed to other users")
        check_equal(process.returncode, status, "%s: status; it said: %s" % (what, self.stderr[-400:]))
        check_equal(out, b"", what + ": standard output")
        self.sentence = self.only_sentence(what)
        check_equal(runtime_folders(self.name), [], what + ": runtime folders")

    def only_sentence(self, what):
        """The line that says what is wrong. Mistakes on the command line may have a second one, about the option."""
        found = [x for x in self.stderr.splitlines() if "error: " in x or re.match(r"weir capture: (?!\d)", x)]
        check_equal(len(found), 1, "%s: sentences in %r" % (what, self.stderr))
        return found[0]

    def names(self, *words):
        for word in words:
            check(word in self.sentence, "%r is not in %r" % (word, self.sentence))
        return self
