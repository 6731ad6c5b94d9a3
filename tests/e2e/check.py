"""check - `weir check`: what it says, and that --fix and --undo leave a machine exactly as it was, also when they are killed.

Each test has a machine of its own: private network, /run, and processors made of files, so that the settings of the machine it
runs on are never touched.
"""
import json
import os
import re
import shutil
import signal
import subprocess

import support
import wire_support
from support import check, check_equal, test, test_alone

PROCESSORS = 24  # of the machine made of files; each has a governor, so that there is something to kill in between
CHANGES = PROCESSORS + 4
FILES = ("/sys/devices/system/cpu", "/sys/devices/system/clocksource/clocksource0")

MAKE = r"""
set -e
mount -t tmpfs -o mode=755 tmpfs /run
mount -t sysfs sysfs /sys
mount -t tmpfs tmpfs /sys/devices/system/cpu
mount -t tmpfs tmpfs /sys/devices/system/clocksource/clocksource0
cd /sys/devices/system/cpu
echo 0-$(($1 - 1)) > online
echo > isolated
for i in $(seq 0 $(($1 - 1))); do mkdir -p cpu$i/cpufreq; echo powersave > cpu$i/cpufreq/scaling_governor; done
cd ../clocksource/clocksource0
echo hpet > current_clocksource
echo 'tsc hpet acpi_pm' > available_clocksource
cd /
ip link set lo up
ip link add cap0 type veth peer name other0
ip link set cap0 up
ip link set other0 up
ethtool -K cap0 gro on rxvlan on
echo made
exec sleep 600
"""


class Machine:
    """Namespaces with an interface cap0 that wants mending, for the length of a with statement."""

    def __enter__(self):
        wire_support.need_root()
        wire_support.need("ip", "ethtool", "unshare", "nsenter")
        self.process = subprocess.Popen(
            ["unshare", "--mount", "--net", "--propagation", "private", "sh", "-c", MAKE, "sh", str(PROCESSORS)],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL)
        if self.process.stdout.readline() != b"made\n":
            reason = self.process.stderr.read().decode().strip()
            self.__exit__()
            raise support.Skip("no machine can be made here: " + reason)
        return self

    def __exit__(self, *unused):
        support.stop(self.process)

    def words(self, *command):
        return ["nsenter", "-t", str(self.process.pid), "-m", "-n", *map(str, command)]

    def run(self, *command, status=0):
        done = subprocess.run(self.words(*command), capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL,
                              env=support.environment(), timeout=support.patience(60))
        if status is not None:
            check_equal(done.returncode, status, "status of %s: %s%s" % (" ".join(map(str, command))[-100:], done.stdout[-300:],
                                                                         done.stderr[-300:]))
        return done

    def check(self, *options, status=None):
        done = self.run(support.weir_path(), "check", *options, status=status)
        check(done.returncode in (0, 1, 2, 5), "status %d: %s" % (done.returncode, done.stderr[-500:]))
        for word in ("Sanitizer", "runtime error:"):
            check(word not in done.stderr, done.stderr[-1000:])
        return done

    def json(self, *options):
        done = self.check("--json", *options)
        found = json.loads(done.stdout)
        check_equal(found["status"], done.returncode, "status in JSON")
        return found

    def state(self):
        """Everything that can be seen of the settings."""
        asked = ["for i in cap0 other0; do for o in -k -g -l -x; do echo $o $i; ethtool $o $i 2>&1; done; done",
                 "grep -r . %s | sort" % " ".join(FILES), "ip -d link show"]
        return self.run("sh", "-c", "; ".join(asked)).stdout.splitlines()

    def journals(self):
        return self.run("sh", "-c", "ls /run/weir/undo 2>/dev/null || true").stdout.split()

    def pending(self):
        return self.run("sh", "-c", "cat /run/weir/undo/* 2>/dev/null || true").stdout.count("+\t")

    def kill_at(self, marks, count, *options):
        """Start weir check and kill it when the journal has so many lines with a mark; whether some were left to come."""
        journal = "/proc/%d/root/run/weir/undo/check" % self.process.pid
        process = subprocess.Popen(self.words(support.weir_path(), "check", *options), stdin=subprocess.DEVNULL,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=support.environment())
        while process.poll() is None and lines(journal, marks) < count:
            pass
        # nsenter has become weir: what is killed is weir itself
        support.stop(process, signal.SIGKILL)
        return lines(journal, marks) < CHANGES


def lines(journal, marks):
    """Of a journal, those that begin with the mark; 0 where it is not there."""
    try:
        with open(journal) as f:
            return sum(line.startswith(marks) for line in f)
    except OSError:
        return 0


def fixable(found):
    return [f for f in found["findings"] if f["fixable"]]


@test
def fix_mends_and_undo_leaves_all_as_it_was():
    with Machine() as m:
        before = m.state()
        wanted = fixable(m.json("-i", "cap0"))
        check({"gro", "vlan", "governor", "clock"} <= {f["check"] for f in wanted}, "to mend: %r" % wanted)
        done = m.check("-i", "cap0", "--fix")
        check("set   cap0 rx-gro: on -> off" in done.stdout, done.stdout)
        after = m.json("-i", "cap0")
        check_equal(fixable(after), [], "what is left to mend")
        for name in "gro", "vlan", "governor", "clock":
            check_equal({f["level"] for f in after["findings"] if f["check"] == name}, {"ok"}, name)
        check(m.state() != before, "--fix changed nothing")
        check_equal(m.pending(), CHANGES, "lines of the journal")
        m.check("--undo", status=0)
        check_equal(m.state(), before, "the machine after --undo")
        check_equal(m.journals(), [], "journals")
        m.check("--undo", status=0)
        check_equal(m.state(), before, "the machine after a second --undo")


@test
def dry_run_shows_and_changes_nothing():
    with Machine() as m:
        before = m.state()
        done = m.check("-i", "cap0", "--fix", "--dry-run")
        check("would cap0 rx-gro: on -> off" in done.stdout, done.stdout)
        check_equal(m.state(), before, "the machine after --fix --dry-run")
        check_equal(m.journals(), [], "journals")
        m.check("-i", "cap0", "--fix")
        mended = m.state()
        done = m.check("--undo", "--dry-run")
        check("would cap0 rx-gro: off -> on" in done.stdout, done.stdout)
        check_equal(m.state(), mended, "the machine after --undo --dry-run")
        m.check("--undo", status=0)
        check_equal(m.state(), before, "the machine after --undo")


@test_alone
def killed_at_any_moment_undo_still_leaves_all_as_it_was():
    with Machine() as m:
        before = m.state()
        on_the_way = 0
        for count in range(0, CHANGES + 1, 2):
            on_the_way += m.kill_at("+", count, "-i", "cap0", "--fix")
            m.check("--undo", status=0)
            check_equal(m.state(), before, "the machine after a kill at line %d" % count)
            check_equal(m.journals(), [], "journals after a kill at line %d" % count)
        check(on_the_way >= CHANGES // 4, "only %d were killed in time" % on_the_way)
        return "%d of %d were killed between two changes" % (on_the_way, CHANGES // 2 + 1)


@test_alone
def an_undo_that_is_killed_goes_on_later():
    with Machine() as m:
        before = m.state()
        on_the_way = 0
        for count in range(0, CHANGES, 2):
            m.check("-i", "cap0", "--fix")
            m.kill_at("-", count, "--undo")
            on_the_way += 0 < m.pending()
            m.check("--undo", status=0)
            check_equal(m.state(), before, "the machine after a kill at line %d" % count)
            check_equal(m.journals(), [], "journals after a kill at line %d" % count)
        check(on_the_way >= CHANGES // 8, "only %d were killed in time" % on_the_way)
        return "%d of %d were killed between two changes" % (on_the_way, CHANGES // 2)


@test
def an_interface_that_vanished_is_said_and_forgotten():
    with Machine() as m:
        m.check("-i", "cap0", "--fix")
        m.run("ip", "link", "del", "cap0")
        done = m.check("--undo", status=0)
        check("gone  cap0 rx-gro" in done.stdout, done.stdout)
        check_equal(m.journals(), [], "journals")


@test
def an_interface_that_was_renamed_is_found():
    with Machine() as m:
        m.check("-i", "cap0", "--fix")
        m.run("ip", "link", "set", "cap0", "down")
        m.run("ip", "link", "set", "cap0", "name", "cap9")
        done = m.check("--undo", status=0)
        check("back  cap9 rx-gro: off -> on" in done.stdout, done.stdout)
        check("generic-receive-offload: on" in m.run("ethtool", "-k", "cap9").stdout, "GRO is not back")


@test
def from_another_network_namespace_an_interface_is_left_and_said():
    with Machine() as m:
        before = m.state()
        m.check("-i", "cap0", "--fix")
        done = m.run("unshare", "--net", support.weir_path(), "check", "--undo", status=1)
        check("left  cap0 rx-gro: is in another network namespace" in done.stdout, done.stdout)
        check_equal(m.pending(), 3, "lines of the journal: those of the interface")
        m.check("--undo", status=0)
        check_equal(m.state(), before, "the machine after --undo")


@test
def a_capture_in_between_takes_nothing_from_undo():
    with Machine() as m:
        before = m.state()
        m.check("-i", "cap0", "--fix")
        m.run("touch", "-d", "1 hour ago", "/run/weir/undo")  # older than what a killed capture leaves
        m.run(support.weir_path(), "capture", "--rx", "af_packet:cap0", "--duration", "100ms", "--output", "", "--quiet")
        m.check("--undo", status=0)
        check_equal([x for x in m.state() if x not in before], [], "what differs after --undo")


@test
def an_interface_with_an_address_is_left_unless_it_is_named():
    with Machine() as m:
        m.run("ip", "address", "add", "10.9.0.1/24", "dev", "cap0")
        done = m.check("--fix")
        check("left  cap0 rx-gro: this host has an address there" in done.stdout, done.stdout)
        check("generic-receive-offload: on" in m.run("ethtool", "-k", "cap0").stdout, "GRO was changed")
        m.check("--fix", "-i", "cap0")
        check("generic-receive-offload: off" in m.run("ethtool", "-k", "cap0").stdout, "GRO was not changed")
        m.check("--undo", status=0)


@test
def each_line_is_level_check_text_and_remedy():
    with Machine() as m:
        done = m.check("-i", "cap0", status=1)
        for line in done.stdout.splitlines():
            check(re.fullmatch(r"(ok  |info|warn|fail)  [a-z-]{2,13} +\S.*", line), line)
            if line.startswith(("warn", "fail")):
                check("  fix: " in line, "no remedy: " + line)
        columns = {line.index("  fix: ") for line in done.stdout.splitlines() if "  fix: " in line and len(line) < 150}
        check(len(columns) <= 2, "remedies in columns %r" % columns)
        check("\033" not in done.stdout, "colour without a terminal")
        check(re.search(r"^warn  gro            cap0: on; super-packets of 64 KB reach AF_XDP as several frames +"
                        r"fix: ethtool -K cap0 gro off$", done.stdout, re.M), done.stdout)
        check_equal(m.check("-i", "cap0", "--quiet").stdout,
                    "".join(x for x in done.stdout.splitlines(True) if x[:4] in ("warn", "fail")), "--quiet")
        listed = [line.split()[0] for line in m.check("--list", status=0).stdout.splitlines()]
        check(len(listed) == len(set(listed)) > 20, "--list: %r" % listed)
        check({line[6:19].strip() for line in done.stdout.splitlines()} <= set(listed), "a check that --list does not have")


@test
def the_remedy_that_is_shown_is_one():
    """What is to be typed for the interface, typed: the line is ok then."""
    with Machine() as m:
        for f in m.json("-i", "cap0")["findings"]:
            if f["fixable"] and f["fix"].startswith("ethtool "):
                m.run(*f["fix"].split())
        check_equal([f for f in fixable(m.json("-i", "cap0")) if "interface" in f], [], "left to mend at the interface")


@test
def json_has_the_same_lines():
    with Machine() as m:
        found = m.json("-i", "cap0", "-i", "other0")
        lines = m.check("-i", "cap0", "-i", "other0").stdout.splitlines()
        check_equal(len(found["findings"]), len(lines), "findings")
        check_equal({f.get("interface") for f in found["findings"]}, {None, "cap0", "other0"}, "interfaces")
        changed = m.json("-i", "cap0", "--fix")["changes"]
        check_equal(len(changed), CHANGES, "changes")
        check_equal({c["what"] for c in changed}, {"set"}, "what became of them")
        check_equal({c["what"] for c in m.json("--undo")["changes"]}, {"back"}, "what --undo says")


@test
def without_privilege_it_looks_and_changes_nothing():
    wire_support.need("setpriv")
    with Machine() as m:
        nobody = ("setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups")
        weir = shutil.copy(support.weir_path(), "/tmp/weir-check-%d" % os.getpid())
        try:
            os.chmod(weir, 0o755)
            before = m.state()
            done = m.run(*nobody, weir, "check", "-i", "cap0", status=1)
            check("info  rights         this user lacks CAP_NET_RAW" in done.stdout, done.stdout)
            check("warn  gro " in done.stdout, "what anybody may read is looked at: " + done.stdout)
            done = m.run(*nobody, weir, "check", "--fix", status=1)
            check("only root may: use sudo" in done.stderr, done.stderr)
            check_equal(m.state(), before, "the machine")
        finally:
            os.unlink(weir)


@test
def what_is_typed_wrong_is_refused_before_anything_is_looked_at():
    for options, words in (
            (("--fix", "--undo"), "exclude each other"),
            (("--dry-run",), "--dry-run goes with"),
            (("--undo", "-i", "lo"), "-i does not go with it"),
            (("eth0",), "named with -i"),
            (("--fixx",), "did you mean --fix?"),
            (("--workers", "0"), "from 1 to 64, or auto"),
            (("--workers", "65"), "from 1 to 64, or auto"),
            (("--cores", "3-1"), "a list such as"),
            (("-i",), "needs a value"),
            (("-i", ""), "needs the name"),
            (("--json=yes",), "takes no value"),
            (("-z",), "no such option")):
        done = support.weir("check", *options)
        check_equal(done.status, support.USAGE, "status of %r: %s" % (options, done.stderr))
        check(words in done.stderr, "%r: %s" % (options, done.stderr))
        check_equal(done.output, b"", "output of %r" % (options,))


@test
def an_interface_that_is_not_there_is_said():
    done = support.weir("check", "-i", "weir-none")
    check_equal(done.status, support.SOURCE, "status: " + done.stderr)
    check("weir-none: there is no such interface" in done.stderr, done.stderr)


@test
def help_names_every_option_and_status():
    done = support.weir("check", "--help").check_status(support.DONE)
    for word in ("--iface", "--workers", "--cores", "--fix", "--undo", "--dry-run", "--json", "--quiet", "--list", "warn", "fail"):
        check(word.encode() in done.output, word)
