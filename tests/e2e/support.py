"""support - what every end-to-end suite needs: find the programs and the captures, run, read what came out.

A suite is a file beside this one. Each of its tests is a function marked with
@test and named as a sentence, or one added by add_test() where there is one
test per capture. A test passes by returning (a string is printed beside its
name), fails by raising, and is skipped by raising Skip with the reason.
"""
import base64
import collections
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))

DONE, ANSWER_IS_NO, USAGE, LEDGER_OPEN, DAMAGED, SOURCE, OUTPUT = range(7)  # exit statuses


class Skip(Exception):
    """The test cannot run here; the text says what is missing."""


class Failure(Exception):
    """A promise is broken; the text says which, with the numbers."""


Test = collections.namedtuple("Test", "suite name function alone")
TESTS = []


def test(function):
    """Mark a function as a test."""
    add_test(function.__module__, function.__name__, function)
    return function


def test_alone(function):
    """Mark a test that kills or times processes and runs with nothing beside it."""
    add_test(function.__module__, function.__name__, function, alone=True)
    return function


def add_test(suite, name, function, alone=False):
    TESTS.append(Test(suite, name, function, alone))


def check(condition, text):
    if not condition:
        raise Failure(text)


def check_equal(found, wanted, what):
    check(found == wanted, "%s: found %r, wanted %r" % (what, found, wanted))


# ---------------------------------------------------------------- where things are


def build_folder():
    return os.path.abspath(os.environ.get("WEIR_BUILD", os.path.join(ROOT, "build", "release")))


def weir_path():
    path = os.environ.get("WEIR", os.path.join(build_folder(), "control", "weir", "weir"))
    if not os.access(path, os.X_OK):
        raise Skip("%s is not built" % path)
    return path


def sanitized():
    """Whether the programs under test carry a sanitizer: several times slower and larger."""
    return os.environ.get("WEIR_SANITIZED", "") not in ("", "0")


def full():
    """Whether everything is to be tried, however long it takes, and not a sample."""
    return os.environ.get("WEIR_FULL", "") not in ("", "0")


def patience(seconds):
    """A time limit, longer where a sanitizer watches."""
    return seconds * (6 if sanitized() else 1)


def in_the_end(seconds):
    """How long to wait for what has to come. Another program may have the processor for seconds; only a failure takes
    as long as this."""
    return patience(max(seconds, 20))


def processor_waited():
    """Seconds, since the machine was started, in which something had to wait for a processor; 0 if nobody counts them."""
    try:
        with open("/proc/pressure/cpu") as f:
            return int(re.search(r"^some .* total=(\d+)", f.read(), re.M).group(1)) / 1e6
    except (OSError, AttributeError):
        return 0.0


def waited_for_processor(pid):
    """Seconds in which a process of one thread could have run and did not; 0 if the kernel does not say."""
    try:
        with open("/proc/%d/schedstat" % pid) as f:
            return int(f.read().split()[1]) / 1e9
    except (OSError, IndexError):
        return 0.0


def captures_folder():
    """The folder of captures with independent verdicts, or None."""
    path = os.environ.get("WEIR_CAPTURES", os.path.join(ROOT, "..", "shared"))
    path = os.path.abspath(path)
    return path if os.path.isdir(os.path.join(path, "pcaps")) else None


def captures_missing():
    return "no captures: neither $WEIR_CAPTURES nor ../shared has a folder pcaps/"


def need_captures():
    folder = captures_folder()
    if folder is None:
        raise Skip(captures_missing())
    return folder


# ---------------------------------------------------------------- running weir


class Ledger:
    """What --ledger wrote: the balances, and every counter by its name."""

    def __init__(self, document):
        self.document = document
        self.closed = document["closed"]
        self.balances = document["balances"]
        self._counter = collections.Counter()
        for balance in self.balances:
            for side in ("in", "out"):
                for name, value in balance[side].items():
                    self._counter[balance["name"] + ":" + name] += value or 0
                    self._counter[name] += value or 0
        self._counter.update(document["beside"])

    def count(self, name):
        """The sum over workers of a counter: "to_flow", "malformed.link", or with its balance "packets:received"."""
        return self._counter[name]

    def sum(self, term):
        """All reasons of a term together."""
        return sum(v for k, v in self._counter.items() if k == term or k.startswith(term + "."))

    def check_closed(self):
        for balance in self.balances:
            residual = balance.get("residual")
            check(residual in (0, None), "balance %s of %s is off by %r" %
                  (balance["name"], balance["scope"], residual))
        check(self.closed is True, "the ledger says closed: %r" % self.closed)


class Run:
    """One finished run of weir."""

    def __init__(self, status, stderr, output, seconds=0.0, peak_kib=0):
        self.status = status
        self.stderr = stderr
        self.output = output  # bytes
        self.ledger = None
        self.seconds = seconds
        self.peak_kib = peak_kib  # of the daemon that was largest, as far as it was seen
        self._lines = None

    @property
    def lines(self):
        """Every line of the output as an object. The output must be JSON Lines in UTF-8."""
        if self._lines is None:
            self._lines = [json.loads(line.decode("utf-8")) for line in self.output.splitlines()]
        return self._lines

    @property
    def pairs(self):
        return [line for line in self.lines if line["type"] == "pair"]

    def check_status(self, *wanted):
        check(self.status in wanted, "exit status %d, wanted %s; stderr ends: %s" %
              (self.status, " or ".join(map(str, wanted)), self.stderr[-600:]))
        return self

    def check_sane(self):
        """No sanitizer spoke, no signal ended anything."""
        for word in ("AddressSanitizer", "LeakSanitizer", "ThreadSanitizer", "runtime error:",
                     "assertion", "ENSURE"):
            check(word not in self.stderr, "%s in stderr: %s" % (word, self.stderr[-2000:]))
        check(self.status >= 0, "ended by signal %d" % -self.status)
        return self

    def check_closed(self):
        """The ledger file, every residual and the closing line agree that the books are closed."""
        self.check_sane()
        check(self.ledger is not None, "no ledger was written; stderr ends: %s" % self.stderr[-600:])
        self.ledger.check_closed()
        check(self.closing_line, "no closing line says that the ledger closed: %r" % self.stderr[-300:])
        return self

    @property
    def closing_line(self):
        """The line that sums the run up, if it says that the ledger closed. Errors are repeated behind it."""
        return next((x for x in self.stderr.splitlines() if x.startswith("weir read:") and "ledger closed" in x), None)


def environment():
    env = dict(os.environ)
    env.setdefault("ASAN_OPTIONS", "detect_leaks=1:halt_on_error=1:exitcode=99")
    env.setdefault("UBSAN_OPTIONS", "halt_on_error=1:print_stacktrace=1:exitcode=99")
    return env


def weir(*arguments, stdin=subprocess.DEVNULL, stdout=None, timeout=60, limit=None):
    """Run weir to its end; bytes for `stdin` go through a pipe. `limit` is called in the child before the program starts.

    Both outputs go to files, so that nothing here has to be read while it runs."""
    begun = time.monotonic()
    feed = stdin if isinstance(stdin, bytes) else None
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        process = subprocess.Popen([weir_path(), *map(str, arguments)],
                                   stdin=subprocess.PIPE if feed is not None else stdin,
                                   stdout=out if stdout is None else stdout, stderr=err,
                                   env=environment(), preexec_fn=limit)
        if feed is not None:
            threading.Thread(target=pour, args=(process.stdin, feed), daemon=True).start()
        status, peak_kib = watch(process, patience(timeout))
        if status is None:
            raise Failure("weir %s did not end within %d s" %
                          (" ".join(map(str, arguments))[:200], patience(timeout)))
        seconds = time.monotonic() - begun
        out.seek(0)
        err.seek(0)
        return Run(status, err.read().decode("utf-8", "replace"), out.read(), seconds, peak_kib)


def pour(pipe, data):
    """Write all of it; the reader may have seen enough before."""
    try:
        pipe.write(data)
        pipe.close()
    except OSError:
        pass


def watch(process, seconds):
    """Returns (exit status or minus the signal, None if it had to be killed; largest memory of a child in KiB).

    The children are looked at while they run: what the kernel reports at their
    end counts the memory of this program too, from before their exec."""
    end, nap, peak_kib = time.monotonic() + seconds, 0.001, 0
    while process.poll() is None:
        if time.monotonic() > end:
            process.kill()
            process.wait()
            return None, peak_kib
        peak_kib = max([peak_kib] + [resident_peak_kib(pid) for pid in children_now(process.pid)])
        time.sleep(nap)
        nap = min(nap * 1.5, 0.02)
    return process.returncode, peak_kib


def children_now(pid):
    try:
        with open("/proc/%d/task/%d/children" % (pid, pid)) as f:
            return [int(child) for child in f.read().split()]
    except OSError:
        return []


def resident_peak_kib(pid):
    try:
        with open("/proc/%d/comm" % pid) as f:
            if not f.read().startswith("weir-"):
                return 0  # not yet what it is going to be
        with open("/proc/%d/status" % pid) as f:
            return next((int(line.split()[1]) for line in f if line.startswith("VmHWM:")), 0)
    except OSError:
        return 0


def read(*inputs, options=(), filter=(), stdin=subprocess.DEVNULL, timeout=60):
    """`weir read` of some inputs into a file, with its ledger."""
    with tempfile.TemporaryDirectory(prefix="weir-e2e-") as folder:
        output, ledger = os.path.join(folder, "out"), os.path.join(folder, "ledger")
        open_to_all(folder)
        run = weir("read", *inputs, *options, "--output", output, "--ledger", ledger, *filter,
                   stdin=stdin, timeout=timeout)
        if os.path.exists(output):
            with open(output, "rb") as f:
                run.output = f.read()
        if os.path.exists(ledger) and os.path.getsize(ledger):
            with open(ledger, "rb") as f:
                run.ledger = Ledger(json.load(f))
        return run


class Once:
    """One run of weir for all tests that ask the same of the same capture, whichever comes first. The newest are kept."""

    KEPT = 16

    def __init__(self):
        self.lock, self.runs = threading.Lock(), collections.OrderedDict()

    def read(self, capture, options=()):
        with self.lock:
            found = self.runs.setdefault((capture, options), [threading.Lock(), None])
            while len(self.runs) > self.KEPT:
                self.runs.popitem(last=False)
        with found[0]:
            if found[1] is None:
                found[1] = read(capture, options=options)
            return found[1]


once = Once()


def open_to_all(folder):
    """The daemons may run as another user than the test: outputs are opened after that change."""
    os.chmod(folder, 0o777)


# ---------------------------------------------------------------- files


class Folder:
    """A temporary folder that daemons running as another user can read."""

    def __enter__(self):
        self.path = tempfile.mkdtemp(prefix="weir-e2e-")
        open_to_all(self.path)
        return self

    def __exit__(self, *unused):
        shutil.rmtree(self.path, ignore_errors=True)

    def file(self, name, data):
        path = os.path.join(self.path, name)
        with open(path, "wb") as f:
            f.write(data)
        return path


# ---------------------------------------------------------------- what records say


def exact(part, key):
    """A value's exact text; bytes that are not UTF-8 become surrogates."""
    raw = part.get(key + "_b64")
    if raw is not None:
        return base64.b64decode(raw).decode("utf-8", "surrogateescape")
    return part.get(key) or ""


def escaped(text):
    """As verdicts write it: control characters and backslashes in printable form."""
    made = []
    for char in text:
        code = ord(char)
        if 0xdc80 <= code <= 0xdcff:
            made.append("\\x%02x" % (code - 0xdc00))
        elif char == "\\":
            made.append("\\\\")
        elif char < " " or char == "\x7f":
            made.append("\\x%02x" % code)
        else:
            made.append(char)
    return "".join(made)


def endpoint(side):
    return ("[%s]:%d" if ":" in side["ip"] else "%s:%d") % (side["ip"], side["port"])


def request_text(record):
    request = record.get("request")
    return escaped("%s %s" % (exact(request, "method"), exact(request, "target"))) if request else "-"


def code_of(record):
    response = record.get("response")
    return response.get("code", "-") if response else "-"


def by_connection(records):
    """Lists of records, one list per connection in the order of their first packet; in it by `index`, orphans last."""
    groups = collections.defaultdict(list)
    for record in records:
        groups[record["conn"]].append(record)

    def first(group):
        return min((min((f for f in r.get("frames", []) if f), default=1 << 62), r["ts"]) for r in group)

    def place(record):
        return (record["outcome"] == "orphan", record.get("index", 0), record["ts"])

    return [sorted(group, key=place) for group in sorted(groups.values(), key=first)]


def content(run):
    """What the records say, without what depends on the file they came from or on the run."""
    made = []
    for group in by_connection(run.pairs):
        made.append([(r["ts"], r["outcome"], endpoint(r["client"]), request_text(r),
                      code_of(r), r.get("latency_ns")) for r in group])
    return sorted(made)


# ---------------------------------------------------------------- processes


def children_of(pid):
    """Process ids and names of the children of `pid`."""
    found = {}
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            with open("/proc/%s/stat" % entry) as f:
                stat = f.read()
        except OSError:
            continue
        name = stat[stat.index("(") + 1:stat.rindex(")")]
        state, parent = stat[stat.rindex(")") + 2:].split()[:2]
        if int(parent) == pid and state != "Z":
            found[int(entry)] = name
    return found


def child_named(pid, name, seconds=5.0):
    """The child of `pid` whose name begins so, waiting for it. Names are cut to 15 bytes by the kernel."""
    end = time.monotonic() + patience(seconds)
    while time.monotonic() < end:
        for child, found in children_of(pid).items():
            if found.startswith(name[:15]):
                return child
        time.sleep(0.01)
    raise Failure("weir has no child %s after %g s" % (name, seconds))


def alive(pid):
    try:
        with open("/proc/%d/stat" % pid) as f:
            stat = f.read()
    except OSError:
        return False
    return stat[stat.rindex(")") + 2] != "Z"


def wait_gone(pids, seconds):
    """Those of `pids` that live on; `seconds` and more are left to them."""
    end = time.monotonic() + in_the_end(seconds)
    while time.monotonic() < end and any(alive(pid) for pid in pids):
        time.sleep(0.02)
    return [pid for pid in pids if alive(pid)]


def sockets_of(pid):
    """Paths of the unix sockets that a process listens on."""
    inodes = set()
    try:
        for fd in os.listdir("/proc/%d/fd" % pid):
            try:
                target = os.readlink("/proc/%d/fd/%s" % (pid, fd))
            except OSError:
                continue
            if target.startswith("socket:["):
                inodes.add(target[8:-1])
    except OSError:
        return []
    paths = []
    with open("/proc/net/unix") as f:
        for line in f.readlines()[1:]:
            words = line.split()
            if len(words) >= 8 and words[6] in inodes:
                paths.append(words[7])
    return paths


def stop(process, with_signal=signal.SIGKILL):
    """End a process that the test started, whatever state it is in."""
    if process.poll() is None:
        process.send_signal(with_signal)
    process.wait()
    for stream in (process.stdin, process.stdout, process.stderr):
        if stream:
            try:
                stream.close()
            except OSError:
                pass
