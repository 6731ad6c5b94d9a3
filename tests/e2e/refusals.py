"""refusals - what cannot be captured is said in one sentence with the remedy, and nothing stays behind.

Answers: has every way to fail at the start its exit status and its remedy; is
the interface afterwards as it was; does whoever captures there already go on.
"""
import os
import re
import signal
import socket
import subprocess

import support
import wire_support as wire
from support import DONE, Folder, OUTPUT, SOURCE, Skip, USAGE, check, check_equal, test, weir
from wire_support import NOBODY, Capture, Lab, Refusal, Snapshot, capture


def refused_on_tap(*cases):
    """Each case: (status, arguments, words of the sentence). The lab is afterwards as it was before."""
    with Lab() as lab:
        snapshot = Snapshot(lab)
        for status, arguments, words in cases:
            Refusal(lab, status, *arguments).names(*words)
        snapshot.check_the_same("refusals")


# ---------------------------------------------------------------- interfaces


@test
def no_such_interface_is_told_with_those_that_there_are():
    refused_on_tap(*((SOURCE, ("--rx", wire.BACK_ENDS[name] % "tap7"), ("tap7", "no such interface", "tap0"))
                     for name in wire.usable_back_ends()),
                   (SOURCE, ("-i", "tap7"), ("tap7", "no such interface", "tap0")))


@test
def an_interface_that_is_down_is_told_with_the_command_that_brings_it_up():
    with Lab() as lab:
        lab.link("tap", "set", "tap0", "down")
        for name in wire.usable_back_ends():
            Refusal(lab, SOURCE, "--rx", wire.BACK_ENDS[name] % "tap0").names("tap0", "down", "ip link set tap0 up")
        Refusal(lab, SOURCE, "-i", "tap0").names("ip link set tap0 up")


@test
def an_interface_named_twice_is_refused():
    refused_on_tap((USAGE, ("-i", "tap0", "-i", "tap0"), ("tap0", "twice")))


@test
def an_argument_without_an_interface_is_refused():
    refused_on_tap(*((USAGE, ("--rx", word + ":"), (word, "interface"))
                     for word in sorted({wire.BACK_ENDS[n].split(":")[0] for n in wire.usable_back_ends()})))


# ---------------------------------------------------------------- privilege


@test
def without_privilege_each_back_end_says_what_it_needs():
    wire.need("setpriv")
    with Lab() as lab:
        for arguments in (("-i", "tap0"), *(("--rx", wire.BACK_ENDS[n] % "tap0") for n in wire.usable_back_ends())):
            Refusal(lab, SOURCE, *arguments, prefix=NOBODY).names("CAP_NET", "root")
        left = [x for x in os.listdir("/tmp") if re.fullmatch(r"weir-\w{6}", x) and
                os.stat(os.path.join("/tmp", x)).st_uid == 65534]
        check_equal(left, [], "runtime folders of nobody")


@test
def without_privilege_the_list_says_that_nothing_is_usable():
    wire.need("setpriv")
    with Lab() as lab:
        done = lab.run("tap", *NOBODY, support.weir_path(), "capture", "--list-rx", "-i", "tap0", status=None)
        if done.returncode in (126, 127):
            raise Skip("the build folder is closed to other users")
        check_equal(done.returncode, DONE, "status: " + done.stderr)
        usable = re.findall(r"^ +(usable|not usable): ", done.stdout, re.M)
        check_equal(set(usable), {"not usable"}, "the list: %s" % done.stdout)


@test
def an_unknown_user_is_refused():
    refused_on_tap((USAGE, ("-i", "tap0", "--user", "nobody-of-this-name"), ("nobody-of-this-name", "no such user")))


# ---------------------------------------------------------------- somebody is there already


@test
def a_program_that_is_attached_already_is_left_alone():
    for first in ("af_xdp_native", "af_xdp_generic"):
        with Lab() as lab, capture(lab, first) as live:
            for second in ("af_xdp_native", "af_xdp_generic"):
                Refusal(lab, SOURCE, "--rx", wire.BACK_ENDS[second] % "tap0").names("tap0", "another weir", "af_packet:tap0")
            with Capture(lab, "-i", "tap0") as other:  # by the next best, and it says why
                check_equal(other.start_line()["capture"][0]["backend"], "af_packet", "back end")
                check("not af_xdp" in other.end().stderr, "no reason")
            lab.send("--count", 200, "--rate", "20k")
            check_equal(live.end().source().received, 200, "frames that the first one received")


@test
def a_name_that_is_taken_is_refused():
    with Lab() as lab, capture(lab, "af_packet") as live:
        Refusal(lab, USAGE, "--rx", "af_packet:tap0", "--name", live.name).names(live.name, "running")
        live.ctl("status").check_status(DONE)
        live.end()


@test
def a_port_of_metrics_that_is_in_use_is_told():
    with Lab() as lab:
        lab.link("tap", "set", "lo", "up")
        taken = lab.inside("tap", lambda: socket.create_server(("127.0.0.1", 9125)))
        with taken:
            refusal = Refusal(lab, OUTPUT, "--rx", "af_packet:tap0", "--metrics", "9125")
            refusal.names("--metrics", "9125", "in use")
        Refusal(lab, OUTPUT, "--rx", "af_packet:tap0", "--metrics", "192.0.2.1:9125").names("--metrics", "192.0.2.1")


# ---------------------------------------------------------------- what the machine does not have


@test
def without_huge_pages_those_who_insist_are_told_how_to_get_some():
    wire.need_back_end("af_xdp_native")
    if wire.huge_pages()["HugePages_Free"] > 0:
        raise Skip("this machine has huge pages to spare")
    refused_on_tap((SOURCE, ("--rx", "af_xdp:tap0,huge=on"), ("huge", "nr_hugepages")))


@test
def queues_that_are_not_there_are_out_of_range():
    wire.need_back_end("af_xdp_native")
    refused_on_tap((USAGE, ("--rx", "af_xdp:tap0,queue=7"), ("tap0", "queue=7", "1 receive queue")),
                   (USAGE, ("--rx", "af_xdp:tap0,queues=3"), ("tap0", "queues=3", "1 receive queue")),
                   (USAGE, ("--rx", "af_xdp:tap0,spread=off", "--workers", 2, "--quiet"),
                    ("tap0", "1 receive queue", "2 workers", "leave out spread=off", "--workers 1")))


@test
def a_driver_without_zero_copy_is_told():
    wire.need_back_end("af_xdp_native")
    refused_on_tap((SOURCE, ("--rx", "af_xdp:tap0,copy=zerocopy"), ("tap0", "zero-copy", "leave out")))


@test
def frames_too_large_for_the_mode_are_told_where_it_was_asked_for():
    wire.need_back_end("af_xdp_native")
    with Lab("--mtu", "9000") as lab:
        snapshot = Snapshot(lab)
        Refusal(lab, SOURCE, "--rx", "af_xdp:tap0,mode=native,frags=off").names("tap0", "MTU", "frags=off")
        snapshot.check_the_same("native without parts")


# ---------------------------------------------------------------- outputs


@test
def an_output_that_cannot_be_written_ends_it_with_6():
    wire.need_back_end("af_packet")
    with Lab() as lab, Folder() as folder:
        closed = os.path.join(folder.path, "closed")
        os.mkdir(closed, 0o700)
        arguments = ("--rx", "af_packet:tap0", "--user", "nobody")
        Refusal(lab, OUTPUT, *arguments, output=closed + "/out.jsonl").names(closed, "--user")
        Refusal(lab, OUTPUT, *arguments, output=folder.path + "/no/out.jsonl").names(folder.path + "/no/out.jsonl")


# ---------------------------------------------------------------- settings


@test
def unknown_names_and_values_are_refused_with_those_that_there_are():
    wire.usable_back_ends()
    cases = [
        (USAGE, ("--rx", "af_paket:tap0"), ("af_paket", "--list-rx")),
        (USAGE, ("--rx", "synth:"), ("synth", "weir read")),
        (USAGE, ("--rx", "file:x.pcap"), ("weir read",)),
        (USAGE, ("-i", "tap0", "--duration", "soon"), ("--duration",)),
        (USAGE, ("-i", "tap0", "--metrics", "port"), ("--metrics", "9100")),
        (USAGE, ("-i", "tap0", "port", "portt"), ("portt", "pcap-filter(7)")),
        (USAGE, ("-i", "tap 0"), ("interface",)),
        (USAGE, ("--only", "both", "-i", "tap0"), ("--only", "dataplane or control")),
    ]
    for name in wire.usable_back_ends():
        spec = wire.BACK_ENDS[name] % "tap0"
        cases.append((USAGE, ("--rx", spec + ",colour=red"), ("colour", "there are")))
    if "af_packet" in wire.usable_back_ends():
        cases.append((USAGE, ("--rx", "af_packet:tap0,blocks=1"), ("blocks=1", "from 2")))
        cases.append((USAGE, ("--rx", "af_packet:tap0,timeout=fast"), ("timeout=fast",)))
    if "af_xdp_native" in wire.usable_back_ends():
        cases.append((USAGE, ("--rx", "af_xdp:tap0,ring=1000"), ("ring=1000", "power of two")))
        cases.append((USAGE, ("--rx", "af_xdp:tap0,mode=fast"), ("mode=fast", "native")))
    refused_on_tap(*cases)


@test
def nothing_to_capture_from_is_told_with_what_to_type():
    run = weir("capture").check_status(USAGE).check_sane()
    check("-i IFACE" in run.stderr and "--list-rx" in run.stderr, "it said: %r" % run.stderr)


@test
def ctl_of_a_capture_that_is_not_there_is_5():
    for word in ("status", "stats", "ledger", "settings", "stop"):
        run = weir("ctl", "--name", wire.new_name(), word).check_status(SOURCE).check_sane()
        check("no capture" in run.stderr, "it said: %r" % run.stderr)
    run = weir("ctl", "sttaus").check_status(USAGE)
    check("did you mean weir ctl status" in run.stderr, "it said: %r" % run.stderr)
