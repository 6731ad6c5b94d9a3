"""lab - client, server and tap as namespaces: made whole or not at all, silent, and a mirror that misses nothing.

Answers: does the tap see every packet of both directions exactly once and
nothing else; are sizes and offloads as asked for; does a failure at any step,
a missing tool or a signal leave nothing behind; does the command refuse what it must.

Needs root and iproute2, ethtool; every test has a lab of its own name.
"""
import base64
import contextlib
import itertools
import json
import os
import re
import shutil
import signal
import struct
import subprocess
import sys
import time

import support
from support import Folder, Skip, check, check_equal, test, test_alone, weir

NUMBERS = itertools.count()


def need_lab():
    if os.geteuid() != 0:
        raise Skip("namespaces need root")
    for tool in ("ip", "tc", "ethtool"):
        if shutil.which(tool, path=os.environ["PATH"] + ":/usr/sbin:/sbin") is None:
            raise Skip("%s is not installed" % tool)
    probe = "weir-probe-%d-%d" % (os.getpid(), next(NUMBERS))
    made = subprocess.run(["ip", "netns", "add", probe], capture_output=True, text=True)
    subprocess.run(["ip", "netns", "del", probe], capture_output=True)
    if made.returncode != 0:
        raise Skip("no namespaces here: " + made.stderr.strip())


def new_name():
    return "e2e-%d-%d" % (os.getpid(), next(NUMBERS))


def namespaces(name):
    return sorted(x for x in os.listdir("/run/netns") if x.startswith("weir-%s-" % name))


def own_links():
    """Links that a lab could leave in the namespace of this program."""
    return {x for x in os.listdir("/sys/class/net") if x in ("wire0", "mirror0", "tap0")}


@contextlib.contextmanager
def name_of_a_lab_to_be():
    """A name; what has been made under it, though nothing should have been, goes afterwards."""
    name = new_name()
    try:
        yield name
    finally:
        if namespaces(name):
            weir("lab", "down", "--name", name)


class Lab:
    """A lab that is there for the length of a with statement, and leaves nothing behind."""

    def __init__(self, *options):
        self.name, self.options = new_name(), options

    def __enter__(self):
        need_lab()
        self.links = own_links()
        self.run = weir("lab", "up", "--name", self.name, *self.options)
        try:
            self.run.check_status(support.DONE).check_sane()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *unused):
        weir("lab", "down", "--name", self.name)
        check_equal(namespaces(self.name), [], "namespaces left behind")
        check(own_links() <= self.links, "links left behind: %r" % (own_links() - self.links))

    def words(self, host, *command):
        return [support.weir_path(), "lab", "exec", "--name", self.name, host, *command]

    def exec(self, host, *command):
        return weir(*self.words(host, *command)[1:])

    def script(self, host, text, *arguments):
        """Start a Python program there and wait for the line that says it is ready."""
        process = subprocess.Popen(self.words(host, sys.executable, "-c", text, *map(str, arguments)),
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=support.environment())
        check_equal(process.stdout.readline(), b"ready\n", "first line of a script on " + host)
        return process

    def finish(self, process):
        out, _ = process.communicate(timeout=support.patience(30))
        check_equal(process.returncode, 0, "status of a script")
        return out

    def interface(self, host, interface):
        """Its statistics and links as `ip` tells them."""
        text = subprocess.run(["ip", "-n", "weir-%s-%s" % (self.name, host), "-s", "-d", "-j", "link", "show",
                               interface], capture_output=True, check=True).stdout
        return json.loads(text)[0]

    def wire_packets(self):
        stats = self.interface("server", "wire0")["stats64"]
        return stats["rx"]["packets"] + stats["tx"]["packets"]


# ---------------------------------------------------------------- traffic

RECORDER = r"""
import base64, select, socket, sys
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
s.setsockopt(socket.SOL_SOCKET, 33, 64 << 20)  # SO_RCVBUFFORCE
s.setsockopt(263, 8, 1)                        # PACKET_AUXDATA: tags that were taken out of the frame
s.bind(("tap0", 0))
print("ready", flush=True)
frames, asked = [], False
while True:
    readable = select.select([s] if asked else [s, sys.stdin], [], [], 0.3 if asked else None)[0]
    if s in readable:
        data, ancillary = s.recvmsg(1 << 17, 256)[:2]
        aux = ancillary[0][2]
        if aux[0] & 0x10:                      # TP_STATUS_VLAN_VALID: put it back
            data = data[:12] + aux[18:20][::-1] + aux[16:18][::-1] + data[12:]
        frames.append(data)
    elif asked:
        break
    if not asked and sys.stdin in readable:
        asked = True
dropped = int.from_bytes(s.getsockopt(263, 6, 8)[4:], sys.byteorder)
print(dropped)
for f in frames:
    print(base64.b64encode(f).decode())
"""

SERVE = r"""
import socket, sys
family = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET
s = socket.create_server((sys.argv[1], 8000), family=family)
print("ready", flush=True)
c = s.accept()[0]
got = 0
while got < int(sys.argv[2]):
    got += len(c.recv(1 << 16))
c.sendall(b"r" * int(sys.argv[3]))
c.close()
"""

ASK = r"""
import socket, sys
c = socket.create_connection((sys.argv[1], 8000), timeout=20)
print("ready", flush=True)
c.sendall(b"q" * int(sys.argv[2]))
got = 0
while True:
    part = c.recv(1 << 16)
    if not part:
        break
    got += len(part)
assert got == int(sys.argv[3]), got
"""

SEND_NUMBERED = r"""
import socket, sys, time
print("ready", flush=True)
for address in sys.argv[2:]:
    s = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
    s.bind(("::" if ":" in address else "0.0.0.0", 7))
    for i in range(int(sys.argv[1])):
        s.sendto(b"%s %d " % (address.encode(), i), (address, 7))
        if i % 50 == 49:
            time.sleep(0.002)
    s.close()
"""

SEND_FRAMES = r"""
import base64, socket, sys
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
s.bind(("wire0", 0))
print("ready", flush=True)
for f in sys.argv[1:]:
    s.send(base64.b64decode(f))
"""


@contextlib.contextmanager
def recording(lab):
    """A list that holds the frames that tap0 saw, after the with statement."""
    frames = []
    process = lab.script("tap", RECORDER)
    try:
        yield frames
        lines = lab.finish(process).split()
    finally:
        process.kill()
        process.wait()
    check_equal(int(lines[0]), 0, "frames that the recorder lost")
    frames.extend(base64.b64decode(line) for line in lines[1:])


def talk(lab, address="10.83.0.2", request=1000, response=100000):
    server = lab.script("server", SERVE, address, request, response)
    try:
        lab.finish(lab.script("client", ASK, address, request, response))
        lab.finish(server)
    finally:
        server.kill()
        server.wait()


def ones_sum(data):
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return total


def tcp_checksum_is_right(frame):
    """Of an IPv4 or IPv6 frame without options."""
    if frame[12:14] == b"\x08\x00":
        length = struct.unpack("!H", frame[16:18])[0] - 20
        pseudo, segment = frame[26:34] + struct.pack("!HH", 6, length), frame[34:34 + length]
    else:
        length = struct.unpack("!H", frame[18:20])[0]
        pseudo, segment = frame[22:54] + struct.pack("!IHH", length, 0, 6), frame[54:54 + length]
    return ones_sum(pseudo + segment) == 0xffff


# ---------------------------------------------------------------- what the tap sees


@test
def an_idle_lab_is_silent():
    with Lab() as lab:
        with recording(lab) as frames:
            time.sleep(3)  # longer than router solicitations and multicast reports wait
        check_equal([f.hex()[:120] for f in frames[:4]], [], "frames")
        check_equal(lab.wire_packets(), 0, "packets on the wire")


@test
def every_packet_of_both_directions_is_seen_once_and_nothing_else():
    for address in ("10.83.0.2", "fd83::2"):
        with Lab() as lab:
            with recording(lab) as frames:
                talk(lab, address)
            check(len(frames) > 50, "only %d frames" % len(frames))
            check_equal(len(frames), lab.wire_packets(), "frames on the tap, against the server's own count")
            kind = b"\x86\xdd" if ":" in address else b"\x08\x00"
            check_equal({f[12:14] for f in frames}, {kind}, "kinds of frames: no ARP, no neighbour discovery")
            check_equal(len({f[6:12] for f in frames}), 2, "senders")
            check_equal(sum(f.count(b"q" * 1000) for f in frames), 1, "requests")
            check(sum(f.count(b"r") for f in frames) >= 100000, "a part of the response is missing")


@test
def numbered_datagrams_arrive_each_once():
    with Lab() as lab:
        with recording(lab) as frames:
            lab.finish(lab.script("client", SEND_NUMBERED, 2000, "10.83.0.2", "fd83::2"))
        # Nobody listens, so the server answers some of them with ICMP that quotes them.
        texts = [f[42:] for f in frames if f[12:14] == b"\x08\x00" and f[23] == 17] + \
                [f[62:] for f in frames if f[12:14] == b"\x86\xdd" and f[20] == 17]
        wanted = {b"%s %d " % (a, i) for a in (b"10.83.0.2", b"fd83::2") for i in range(2000)}
        check_equal(len(texts), 4000, "datagrams")
        check(set(texts) == wanted, "%d datagrams are missing" % len(wanted - set(texts)))
        check_equal(len(frames), lab.wire_packets(), "frames on the tap, against the server's own count")


@test
def tagged_frames_keep_both_tags():
    frame = bytes.fromhex("025745495202" "025745495201" "88a80064" "8100000c" "88b5") + b"x" * 60
    with Lab() as lab:
        with recording(lab) as frames:
            lab.finish(lab.script("client", SEND_FRAMES, base64.b64encode(frame).decode()))
        check_equal(frames, [frame], "frames")
        for host, interface in (("server", "mirror0"), ("tap", "tap0")):
            text = lab.exec(host, "ethtool", "-k", interface).check_status(0).output.decode()
            for feature in ("rx-vlan-offload", "tx-vlan-offload", "tx-vlan-stag-hw-insert", "rx-vlan-stag-hw-parse"):
                check("%s: off" % feature in text, "%s on %s is not off" % (feature, interface))


@test
def without_offloads_packets_are_those_of_a_wire():
    with Lab() as lab:
        with recording(lab) as frames:
            talk(lab, request=200000, response=1000000)
        check_equal(max(len(f) for f in frames), 1514, "longest frame")
        wrong = [f.hex()[:120] for f in frames if not tcp_checksum_is_right(f)]
        check(not wrong, "%d of %d checksums are wrong: %s" % (len(wrong), len(frames), wrong[:1]))


@test
def with_offloads_packets_are_larger_than_the_mtu():
    with Lab("--offloads", "on") as lab:
        with recording(lab) as frames:
            talk(lab, response=3000000)
        check(max(len(f) for f in frames) > 1514, "no packet is larger than the MTU")
        check(any(not tcp_checksum_is_right(f) for f in frames), "every checksum was computed")
        text = lab.exec("tap", "ethtool", "-k", "tap0").check_status(0).output.decode()
        check("generic-receive-offload: off" in text, "tap0 puts packets together")


@test
def jumbo_frames_pass_whole():
    with Lab("--mtu", "9000") as lab:
        with recording(lab) as frames:
            talk(lab, response=1000000)
        check_equal(max(len(f) for f in frames), 9014, "longest frame")
        check_equal(len(frames), lab.wire_packets(), "frames")


@test
def the_mirror_has_the_queues_that_were_asked_for():
    for queues in (1, 2, 4):
        with Lab("--queues", str(queues)) as lab:
            for host, interface in (("server", "mirror0"), ("tap", "tap0")):
                names = lab.exec(host, "ls", "/sys/class/net/%s/queues" % interface).check_status(0).output.split()
                wanted = [b"%s-%d" % (way, i) for way in (b"rx", b"tx") for i in range(queues)]
                check_equal(sorted(names), wanted, "queues of " + interface)
            with recording(lab) as frames:
                lab.finish(lab.script("client", SEND_NUMBERED, 200, "10.83.0.2"))
            check_equal(sum(b"10.83.0.2 " in f[42:60] for f in frames), 200, "datagrams")


# ---------------------------------------------------------------- the command


@test
def up_says_what_was_made_and_what_to_type_next():
    with Lab("--queues", "2", "--mtu", "3000") as lab:
        lines = lab.run.output.decode().splitlines()
        for host in ("client", "server", "tap"):
            check(any(x.startswith(host) and "weir-%s-%s" % (lab.name, host) in x for x in lines), host)
        text = "\n".join(lines)
        for words in ("2 queues", "mtu 3000", "offloads off", "weir lab exec --name %s tap" % lab.name,
                      "weir lab down --name " + lab.name):
            check(words in text, "%r is not in %r" % (words, text))
        check(max(map(len, lines)) <= 100, "lines over 100 columns")


@test_alone
def up_takes_less_than_two_seconds():
    """Once in five times is enough, and what anybody waits for a processor is not the lab's time."""
    said = []
    while len(said) < 5:
        waited = support.processor_waited()
        with Lab() as lab:
            waited = support.processor_waited() - waited
            said.append("%.2f s, %.2f s of them with too few processors" % (lab.run.seconds, waited))
            if lab.run.seconds - waited < support.patience(2) and lab.run.seconds < support.in_the_end(20):
                return said[-1]
    raise support.Failure("never: " + "; ".join(said))


@test
def labs_of_different_names_stand_side_by_side():
    with Lab() as one, Lab() as other:
        with recording(one) as frames, recording(other) as others:
            talk(one)
        check(len(frames) > 10 and others == [], "%d and %d frames" % (len(frames), len(others)))


@test
def a_second_lab_of_the_same_name_is_refused_and_the_first_one_lives():
    with Lab() as lab:
        run = weir("lab", "up", "--name", lab.name).check_status(support.USAGE).check_sane()
        check("weir lab down --name " + lab.name in run.stderr, "no remedy: %r" % run.stderr)
        check_equal(run.stderr.count("\n"), 1, "lines")
        talk(lab)


@test
def show_counts_what_was_mirrored():
    with Lab() as lab:
        talk(lab)
        packets = str(lab.wire_packets())
        rows = [x.split() for x in weir("lab", "show").check_status(0).output.decode().splitlines()
                if x.startswith(lab.name + " ")]
        check_equal([(r[1], r[2], r[3], r[5]) for r in rows],
                    [("mirror0", "sent", packets, "0"), ("tap0", "received", packets, "0")], "rows")


@test
def exec_has_the_status_and_the_words_of_the_command():
    with Lab() as lab:
        check_equal(lab.exec("tap", "sh", "-c", "exit 37").status, 37, "status")
        check_equal(lab.exec("client", "sh", "-c", "kill -TERM $$").status, -signal.SIGTERM, "signal")
        run = lab.exec("server", "printf", "%s|", "a b", "--name", "", "*").check_status(0)
        check_equal(run.output, b"a b|--name||*|", "words")
        run = lab.exec("server", "ls", "/sys/class/net").check_status(0)
        check(b"mirror0" in run.output and b"eth0" not in run.output, "interfaces: %r" % run.output)


@test
def exec_refuses_what_is_not_there():
    with Lab() as lab:
        run = weir("lab", "exec", "--name", lab.name, "sevrer", "true").check_status(support.USAGE)
        check("did you mean server" in run.stderr, run.stderr)
        weir("lab", "exec", "--name", lab.name, "server").check_status(support.USAGE)
        for program in ("no-such-program", "/no/such/program", "/", ""):
            run = lab.exec("tap", program).check_status(support.USAGE)
            check("is no program" in run.stderr, run.stderr)
    run = weir("lab", "exec", "--name", lab.name, "server", "true").check_status(support.USAGE)
    check("weir lab up --name " + lab.name in run.stderr, run.stderr)


@test
def down_of_a_lab_that_is_not_there_is_done_already():
    run = weir("lab", "down", "--name", new_name()).check_status(support.DONE)
    check(b"nothing to remove" in run.output and run.stderr == "", repr(run.output))


def command_of(pid):
    with open("/proc/%d/comm" % pid) as f:
        return f.read().strip()


@test
def down_ends_no_process_but_names_it():
    with Lab() as lab:
        sleeper = subprocess.Popen(lab.words("server", "sleep", "600"))
        try:
            end = time.monotonic() + 10
            while command_of(sleeper.pid) != "sleep":
                check(time.monotonic() < end, "the sleeper does not start")
                time.sleep(0.01)
            run = weir("lab", "down", "--name", lab.name).check_status(support.DONE)
            check("%d (sleep on server)" % sleeper.pid in run.stderr, "warning: %r" % run.stderr)
            check_equal(namespaces(lab.name), [], "namespaces")
            with open("/proc/%d/net/dev" % sleeper.pid) as f:
                left = [x.split(":")[0].strip() for x in f.readlines()[2:]]
            check("wire0" not in left and "mirror0" not in left, "interfaces left: %r" % left)
            check_equal(sleeper.poll(), None, "the sleeper's status")
        finally:
            sleeper.kill()
            sleeper.wait()


@test
def mistakes_are_status_2_and_say_what_would_be_right():
    for words, names in ((("upp",), ("did you mean weir lab up",)), ((), ("up", "exec", "show", "down")),
                         (("up", "--queus", "2"), ("--queues",)), (("up", "--queues"), ("needs a value",)),
                         (("up", "--queues", "0"), ("1 to 64",)), (("up", "--queues", "65"), ("1 to 64",)),
                         (("up", "--queues", "two"), ("queues",)), (("up", "--mtu", "1279"), ("1280 to 9000",)),
                         (("up", "--mtu", "9001"), ("1280 to 9000",)), (("up", "--offloads", "maybe"), ("on",)),
                         (("up", "--name", "a/b"), ("letters",)), (("up", "--name", ""), ("letters",)),
                         (("up", "--name", "n" * 32), ("at most 31",)), (("down", "--mtu", "1500"), ("mtu",)),
                         (("up", "extra"), ("extra",)), (("show", "extra"), ("extra",))):
        run = weir("lab", *words).check_status(support.USAGE).check_sane()
        for name in names:
            check(name in run.stderr, "%r of %r: %r" % (name, words, run.stderr))
        check_equal(run.output, b"", "standard output")


@test
def help_is_on_standard_output_within_100_columns():
    for words in (("lab", "--help"), ("lab", "up", "--help"), ("help", "lab")):
        text = weir(*words).check_status(support.DONE).output.decode()
        for word in ("up", "exec", "show", "down", "--queues", "--mtu", "--offloads", "--name"):
            check(word in text, word)
        check(all(len(line) <= 100 for line in text.splitlines()), "lines over 100 columns")


# ---------------------------------------------------------------- failures

FAIL_ONCE = r"""#!/bin/sh
# The call whose number is in FAIL_AT fails; all others are those of the real program.
echo "$0 $*" >> "$CALLS"
[ "$(wc -l < "$CALLS")" = "$FAIL_AT" ] && { echo "broken on purpose" >&2; exit 2; }
exec %s "$@"
"""

SLOW = "#!/bin/sh\nsleep 0.05\nexec %s \"$@\"\n"


def instead_of(folder, text, programs=("ip", "tc", "ethtool")):
    """A folder for PATH, with scripts in place of the tools."""
    path = os.environ["PATH"] + ":/usr/sbin:/sbin"
    for program in programs:
        os.chmod(folder.file(program, (text % shutil.which(program, path=path)).encode()), 0o755)
    return folder.path + ":" + path


@test
def a_failure_at_any_step_leaves_nothing_and_names_the_step():
    need_lab()
    links = own_links()
    with Folder() as folder, name_of_a_lab_to_be() as name:
        env = dict(support.environment(), CALLS=os.path.join(folder.path, "calls"))
        env["PATH"] = instead_of(folder, FAIL_ONCE)
        for fail_at in range(1, 200):
            with open(env["CALLS"], "w"):
                pass
            env["FAIL_AT"] = str(fail_at)
            run = subprocess.run([support.weir_path(), "lab", "up", "--name", name], env=env, capture_output=True,
                                 text=True)
            if run.returncode == 0:
                break
            check_equal(run.returncode, support.SOURCE, "status of failure %d: %s" % (fail_at, run.stderr))
            check(run.stderr.count("\n") == 1 and "broken on purpose; it needs" in run.stderr and
                  "nothing was left behind" in run.stderr, "failure %d: %r" % (fail_at, run.stderr))
            check_equal(namespaces(name), [], "namespaces after failure %d" % fail_at)
            check(own_links() <= links, "links after failure %d" % fail_at)
        check(20 < fail_at < 199, "%d steps" % fail_at)
        return "%d steps" % (fail_at - 1)


@test
def a_signal_in_the_middle_leaves_nothing():
    need_lab()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        with Folder() as folder, name_of_a_lab_to_be() as name:
            env = dict(support.environment(), PATH=instead_of(folder, SLOW))
            process = subprocess.Popen([support.weir_path(), "lab", "up", "--name", name], env=env,
                                       stdout=subprocess.DEVNULL)
            end = time.monotonic() + 20
            while len(namespaces(name)) < 2 and time.monotonic() < end:
                time.sleep(0.005)
            process.send_signal(number)
            process.wait(timeout=support.patience(20))
            check_equal(process.returncode, -number, "status")
            check_equal(namespaces(name), [], "namespaces")


@test
def half_a_lab_is_named_refused_and_removed():
    need_lab()
    name = new_name()
    with Folder() as folder:
        env = dict(support.environment(), PATH=instead_of(folder, SLOW))
        process = subprocess.Popen([support.weir_path(), "lab", "up", "--name", name], env=env,
                                   stdout=subprocess.DEVNULL)
        end = time.monotonic() + 20
        while not namespaces(name) and time.monotonic() < end:
            time.sleep(0.005)
        process.kill()
        process.wait()
        time.sleep(0.3)  # the last tool may still be at it
    try:
        check(namespaces(name), "there is no half of a lab")
        run = weir("lab", "up", "--name", name).check_status(support.USAGE)
        check("half a lab" in run.stderr and "weir lab down --name " + name in run.stderr, run.stderr)
        text = weir("lab", "show").check_status(0).output.decode()
        check(re.search(r"^%s +half-made: weir lab down --name %s$" % (name, name), text, re.M), text)
    finally:
        run = weir("lab", "down", "--name", name)
    run.check_status(support.DONE)
    check_equal(namespaces(name), [], "namespaces")


@test
def a_namespace_that_has_the_name_already_is_not_touched_by_up():
    need_lab()
    name = new_name()
    taken = "weir-%s-tap" % name
    subprocess.run(["ip", "netns", "add", taken], check=True)
    try:
        weir("lab", "up", "--name", name).check_status(support.USAGE)
        check_equal(namespaces(name), [taken], "namespaces")
    finally:
        subprocess.run(["ip", "netns", "del", taken], check=True)


@test
def a_missing_tool_is_refused_with_its_package_before_anything_is_made():
    need_lab()
    if not os.path.islink("/sbin"):
        raise Skip("/sbin is a folder of its own")
    hide = 'mount -t tmpfs none /usr/sbin && for t in $KEEP; do printf "#!/bin/sh\\n" > /usr/sbin/$t; ' \
           'chmod +x /usr/sbin/$t; done && PATH=/nonexistent && export PATH && exec "$0" lab up --name "$1"'
    for keep, tool, package in (("", "ip", "iproute2"), ("ip", "tc", "iproute2"), ("ip tc", "ethtool", "ethtool")):
        name = new_name()
        run = subprocess.run(["unshare", "-m", "sh", "-c", hide, support.weir_path(), name], capture_output=True,
                             text=True, env=dict(support.environment(), KEEP=keep))
        if "unshare" in run.stderr or "mount" in run.stderr:
            raise Skip("no mount namespaces here: " + run.stderr.strip())
        check_equal(run.returncode, support.SOURCE, "status: " + run.stderr)
        check(run.stderr.startswith("weir lab up: %s is" % tool) and "apt install %s\n" % package in run.stderr,
              run.stderr)
        check_equal(namespaces(name), [], "namespaces")


@test
def an_ordinary_user_is_told_to_use_sudo():
    need_lab()

    def become_nobody():
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)

    with Lab() as lab:
        for words in (("up", "--name", new_name()), ("down", "--name", lab.name),
                      ("exec", "--name", lab.name, "tap", "true"), ("show",)):
            try:
                run = weir("lab", *words, limit=become_nobody)
            except PermissionError:
                raise Skip("the build folder is closed to other users") from None
            run.check_status(support.SOURCE)
            check("sudo" in run.stderr, run.stderr)
        check_equal(len(namespaces(lab.name)), 3, "namespaces")
