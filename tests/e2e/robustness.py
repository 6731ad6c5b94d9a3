"""robustness - bad input and bad output: a clear error, and nothing else lost.

Answers: is a damaged file read up to the damage and the damage named; is an
output that fails reported as such; does every way to hand over the same bytes
(plain, compressed, standard input, a folder, in pieces) give the same records.
Makes its own captures; with the folder of captures present real ones are cut
short too.
"""
import gzip
import os
import random
import re
import shutil
import struct
import subprocess
import threading
import time

import packets
import support
from packets import sample
from support import Folder, Skip, check, check_equal, content, read, test, weir


def same_as_plain(inputs, plain, stdin=subprocess.DEVNULL):
    run = read(*inputs, stdin=stdin).check_status(support.DONE).check_closed()
    check_equal(content(run), content(plain), "records")


def compressed(data, tool):
    program = shutil.which(tool)
    if program is None:
        raise Skip("%s is not installed" % tool)
    return subprocess.run([program, "-q", "-c"], input=data, stdout=subprocess.PIPE, check=True).stdout


# ---------------------------------------------------------------- damage


@test
def every_pair_before_a_truncation_is_written():
    data, dice = sample(), random.Random(4)
    offsets = packets.offsets_of_records(data)
    with Folder() as folder:
        whole = read(folder.file("whole.pcap", data)).check_status(support.DONE)
        answered = sorted(r["frames"][3] for r in whole.pairs)
        for cut in sorted(dice.sample(range(25, len(data)), 24)):
            complete = sum(end <= cut for end in offsets[1:])
            run = read(folder.file("cut.pcap", data[:cut])).check_closed()
            run.check_status(support.DONE if cut in offsets else support.DAMAGED)
            found = sum(r["outcome"] == "paired" for r in run.pairs)
            check_equal(found, sum(last <= complete for last in answered), "pairs of a file cut at %d" % cut)


@test
def the_offset_of_a_truncation_is_named():
    data = sample()
    offsets = packets.offsets_of_records(data)
    with Folder() as folder:
        for begin, end in list(zip(offsets, offsets[1:]))[5:60:9]:
            for cut in (begin + 7, begin + 16, end - 1):
                path = folder.file("cut.pcap", data[:cut])
                run = read(path).check_status(support.DAMAGED)
                numbers = [int(n) for n in re.findall(r"\d+", run.stderr.replace(path, ""))]
                check(any(begin <= n <= cut for n in numbers),
                      "cut at %d in the record at %d: no such offset in %r" % (cut, begin, run.stderr[:300]))
                check("cut.pcap" in run.stderr, "the file is not named: %r" % run.stderr[:300])


@test
def damage_in_the_middle_keeps_what_was_before_it():
    data = bytearray(sample())
    offsets = packets.offsets_of_records(bytes(data))
    struct.pack_into("<I", data, offsets[90] + 8, 0x7FFFFFFF)  # an impossible captured length
    with Folder() as folder:
        run = read(folder.file("bad.pcap", bytes(data))).check_status(support.DAMAGED).check_closed()
        check_equal(run.ledger.count("packets:received"), 90, "packets before the damage")
        numbers = [int(n) for n in re.findall(r"\d+", run.stderr)]
        check(any(offsets[90] <= n <= offsets[90] + 16 for n in numbers), "offset %d is not in %r" %
              (offsets[90], run.stderr[:300]))


@test
def a_truncated_gzip_keeps_what_was_before_the_cut():
    data = gzip.compress(sample(20, 20), mtime=0)
    with Folder() as folder:
        run = read(folder.file("cut.pcap.gz", data[:len(data) // 2])).check_status(support.DAMAGED).check_closed()
        check(run.ledger.count("packets:received") > 0, "nothing of it was read")


@test
def real_captures_cut_short_close_their_ledger():
    folder_of_captures = os.path.join(support.need_captures(), "pcaps")
    names = ("zeek+zeek/testing/btest/Traces/http/http-body-match.pcap",
             "arkime+arkime/tests/pcap/tcp-reassembly-synthetic.pcap",
             "ntop+nDPI/tests/cfgs/default/pcap/kafka.pcapng")
    dice = random.Random(9)
    with Folder() as folder:
        for name in names:
            with open(os.path.join(folder_of_captures, name), "rb") as f:
                data = f.read()
            for cut in dice.sample(range(40, len(data)), 8):
                run = read(folder.file("cut", data[:cut]))
                run.check_status(support.DONE, support.DAMAGED).check_closed()


@test
def a_damaged_file_does_not_hide_the_next_one():
    data = sample()
    with Folder() as folder:
        cut = folder.file("1.pcap", data[:-5])
        other = folder.file("2.pcap", packets.capture(packets.conversation(2, 2, number_from=50)))
        run = read(cut, other).check_status(support.DAMAGED).check_closed()
        check(any("/50/0" in support.request_text(r) for r in run.pairs), "nothing of the second file was read")


# ---------------------------------------------------------------- link types


@test
def an_unknown_link_type_is_passed_over_and_counted():
    data = bytearray(sample())
    struct.pack_into("<I", data, 20, 9999)
    with Folder() as folder:
        run = read(folder.file("link.pcap", bytes(data))).check_status(support.DONE).check_closed()
        received = run.ledger.count("packets:received")
        check(received > 0, "no packet was received")
        check_equal(run.ledger.count("passed_over.link_type"), received, "packets of an unknown link type")


@test
def a_file_that_is_no_capture_is_refused_by_name():
    with Folder() as folder:
        run = read(folder.file("letter.txt", b"Dear Sir or Madam, this is no capture.\n" * 20))
        run.check_status(support.SOURCE, support.DAMAGED).check_sane()
        check("letter.txt" in run.stderr, "the file is not named: %r" % run.stderr[:300])


@test
def a_file_that_does_not_exist_is_refused_by_name():
    run = read("/nonexistent/capture.pcap").check_status(support.SOURCE).check_sane()
    check("/nonexistent/capture.pcap" in run.stderr, "the file is not named: %r" % run.stderr[:300])


# ---------------------------------------------------------------- files that change


@test
def a_file_that_shrinks_while_being_read_ends_as_damage():
    data = packets.capture(packets.conversation(40, 1500, body_bytes=1200))
    with Folder() as folder:
        path = folder.file("shrinks.pcap", data)

        def shrink():
            time.sleep(0.02)
            os.truncate(path, len(data) // 40 + 3)

        thread = threading.Thread(target=shrink)
        thread.start()
        try:
            run = read(path)
        finally:
            thread.join()
        run.check_status(support.DONE, support.DAMAGED).check_closed()
        return "status %d after %d packets" % (run.status, run.ledger.count("packets:received"))


@test
def a_file_that_grows_while_being_read_closes_its_ledger():
    frames = packets.conversation(40, 400)
    data = packets.capture(frames)
    with Folder() as folder:
        path = folder.file("grows.pcap", data)

        def grow():
            with open(path, "ab") as f:
                for _ in range(50):
                    f.write(data[24:24 + 80000])
                    f.flush()
                    time.sleep(0.002)

        thread = threading.Thread(target=grow)
        thread.start()
        try:
            run = read(path)
        finally:
            thread.join()
        run.check_status(support.DONE, support.DAMAGED).check_closed()
        check(run.ledger.count("packets:received") >= len(frames), "fewer packets than were there at the start")


# ---------------------------------------------------------------- ways to hand over the same bytes


@test
def gzip_and_zstd_equal_the_plain_file():
    data = sample()
    with Folder() as folder:
        plain = read(folder.file("plain.pcap", data)).check_status(support.DONE)
        check_equal(len(plain.pairs), 48, "pairs of the plain file")
        same_as_plain([folder.file("a.pcap.gz", gzip.compress(data))], plain)
        same_as_plain([folder.file("a.pcap.zst", compressed(data, "zstd"))], plain)


@test
def compression_is_seen_in_the_bytes_and_not_in_the_name():
    data = sample()
    with Folder() as folder:
        plain = read(folder.file("plain.pcap", data)).check_status(support.DONE)
        same_as_plain([folder.file("a.pcap", gzip.compress(data))], plain)
        same_as_plain([folder.file("b.gz", data)], plain)


@test
def gzip_members_one_after_another_are_one_file():
    data = sample()
    with Folder() as folder:
        plain = read(folder.file("plain.pcap", data)).check_status(support.DONE)
        third = len(data) // 3
        members = b"".join(gzip.compress(data[i:i + third]) for i in range(0, len(data), third))
        same_as_plain([folder.file("a.pcap.gz", members)], plain)


@test
def standard_input_equals_the_file():
    data = sample()
    with Folder() as folder:
        plain = read(folder.file("plain.pcap", data)).check_status(support.DONE)
        same_as_plain(["-"], plain, stdin=data)
        same_as_plain(["-"], plain, stdin=gzip.compress(data))


@test
def a_pipe_that_brings_one_byte_at_a_time_equals_the_file():
    data = sample(2, 2)
    with Folder() as folder:
        plain = read(folder.file("plain.pcap", data)).check_status(support.DONE)
        output, ledger = os.path.join(folder.path, "out"), os.path.join(folder.path, "ledger")
        process = subprocess.Popen([support.weir_path(), "read", "-", "--output", output, "--ledger", ledger],
                                   stdin=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0,
                                   env=support.environment())
        try:
            for i in range(len(data)):
                process.stdin.write(data[i:i + 1])
            process.stdin.close()
            process.stdin = None
            process.communicate(timeout=support.patience(20))
            check_equal(process.returncode, support.DONE, "exit status")
            with open(output, "rb") as f:
                found = support.Run(0, "", f.read())
            check_equal(content(found), content(plain), "records")
        finally:
            support.stop(process)


@test
def several_files_in_order_are_one_capture():
    data = sample()
    offsets = packets.offsets_of_records(data)
    with Folder() as folder:
        plain = read(folder.file("plain.pcap", data)).check_status(support.DONE)
        cuts = [24] + offsets[40:-1:70] + [len(data)]
        parts = [folder.file("part%02d.pcap" % i, data[:24] + data[a:b])
                 for i, (a, b) in enumerate(zip(cuts, cuts[1:]))]
        check(len(parts) >= 3, "the capture is too short to be cut")
        same_as_plain(parts, plain)


@test
def a_folder_is_its_files_in_the_order_of_their_names():
    data = sample()
    offsets = packets.offsets_of_records(data)
    with Folder() as folder:
        plain = read(folder.file("plain.pcap", data)).check_status(support.DONE)
        inside = os.path.join(folder.path, "captures")
        os.mkdir(inside)
        middle = offsets[len(offsets) // 2]
        folder.file("captures/b.pcap", data[:24] + data[middle:])
        folder.file("captures/a.pcap", data[:middle])
        same_as_plain([inside], plain)


# ---------------------------------------------------------------- outputs that fail


def need_to_fail(run):
    run.check_status(support.OUTPUT).check_sane()
    check(run.stderr.strip(), "nothing is said about it")


@test
def a_full_disk_is_status_6():
    if not os.path.exists("/dev/full"):
        raise Skip("no /dev/full")
    with Folder() as folder:
        run = weir("read", folder.file("a.pcap", sample(20, 50)), "--output", "/dev/full")
        need_to_fail(run)
        check("/dev/full" in run.stderr, "the output is not named: %r" % run.stderr[-300:])


@test
def a_closed_pipe_is_status_6():
    with Folder() as folder:
        path = folder.file("a.pcap", sample(20, 200))
        reading, writing = os.pipe()
        os.close(reading)
        try:
            need_to_fail(weir("read", path, "--output", "-", stdout=writing))
        finally:
            os.close(writing)


@test
def an_output_in_a_folder_that_does_not_exist_is_status_6():
    with Folder() as folder:
        run = weir("read", folder.file("a.pcap", sample()), "--output", os.path.join(folder.path, "no/such/out"))
        need_to_fail(run)


@test
def an_output_that_may_not_be_written_is_status_6():
    with Folder() as folder:
        run = weir("read", folder.file("a.pcap", sample()), "--output", folder.path)  # a folder, for everyone
        need_to_fail(run)


@test
def a_disk_that_fills_up_in_the_middle_is_status_6():
    with Folder() as folder:
        path, disk = folder.file("a.pcap", sample(20, 50)), os.path.join(folder.path, "disk")
        os.mkdir(disk)
        if os.geteuid() != 0 or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k,mode=777", "tmpfs", disk],
                                               stderr=subprocess.DEVNULL).returncode != 0:
            raise Skip("a small disk cannot be mounted here")
        try:
            need_to_fail(weir("read", path, "--output", os.path.join(disk, "out")))
        finally:
            subprocess.run(["umount", disk], check=True)


@test
def a_ledger_that_cannot_be_written_is_status_6():
    with Folder() as folder:
        run = weir("read", folder.file("a.pcap", sample()), "--output", os.path.join(folder.path, "out"),
                   "--ledger", os.path.join(folder.path, "no/such/ledger"))
        need_to_fail(run)


@test
def damage_and_a_failed_output_together_are_the_graver_status():
    with Folder() as folder:
        run = weir("read", folder.file("a.pcap", sample(20, 50)[:-5]), "--output", "/dev/full")
        need_to_fail(run)
