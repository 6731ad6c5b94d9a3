"""shunt - of long bodies only the beginning is followed, and everything that can be told is still right.

Answers: are pairs, sizes and what follows the body the same with --shunt as
without, also where most of the body never comes, comes twice or in another
order; is the size that of the sequence numbers where the connection ends in the
middle; does the program in the kernel keep the rest of a body away from weir?
"""
import os
import sys

import packets
import support
import wire_support as wire
from packets import ACK, PSH, RST
from support import Folder, check, check_equal, read, test, test_alone
from wire_support import Lab, Nginx, capture

BODY, FOLLOWED, MSS = 3_000_000, "64k", 1400


class Talk(packets.Connection):
    """An exchange with a long body between two short ones. `long` are the indices of its segments."""

    def __init__(self, body=BODY, upload=False):
        super().__init__(1)
        self.frames = self.open()
        self.say(packets.get("/before"), packets.ok(b"x" * 100))
        at = len(self.frames)
        if upload:
            head = b"POST /long HTTP/1.1\r\nHost: a.test\r\nContent-Length: %d\r\n\r\n" % body
            self.send(self._up, head + b"l" * body, self._down)
            self.frames += self.response(packets.ok(b"taken"))
        else:
            self.frames += self.request(packets.get("/long"))
            self.send(self._down, packets.ok(b"l" * body), self._up)
        self.long = range(at, len(self.frames))

    def say(self, request, response):
        self.frames += self.request(request) + self.response(response) + self.acknowledge()

    def send(self, by, data, peer):
        for at in range(0, len(data), 2 * MSS):
            self.frames += [by(PSH | ACK, data[i:i + MSS]) for i in range(at, min(at + 2 * MSS, len(data)), MSS)]
            self.frames.append(peer(ACK))

    def finish(self):
        self.say(packets.get("/after"), packets.ok(b"y" * 200))
        self.frames += self.close()
        return self


def found(run):
    """What must not change."""
    return [(r["outcome"], r.get("request", {}).get("target"), r.get("request", {}).get("body_bytes"),
             r.get("response", {}).get("code"), r.get("response", {}).get("body_bytes")) for r in run.pairs]


def both(frames, *options):
    with Folder() as folder:
        path = folder.file("a.pcap", packets.capture(frames))
        plain = read(path, options=options).check_status(support.DONE).check_closed()
        return plain, read(path, options=("--shunt", FOLLOWED, *options)).check_status(support.DONE).check_closed()


def shunted(frames, *options):
    with Folder() as folder:
        path = folder.file("a.pcap", packets.capture(frames))
        return read(path, options=("--shunt", FOLLOWED, *options)).check_status(support.DONE).check_closed()


def check_flags(run, flagged=("/long",)):
    for r in run.pairs:
        flags = r.get("flags", [])
        check(("shunted" in flags) == (r["request"]["target"] in flagged), "flags of %r" % r)
        check("gap_in_body" not in flags, "a gap is told of where nothing was followed: %r" % r)


@test
def sizes_and_pairs_are_those_of_the_whole_body():
    for upload in (False, True):
        plain, run = both(Talk(upload=upload).finish().frames)
        check_equal(len(plain.pairs), 3, "pairs")
        check_equal(found(run), found(plain), "what was found")
        check_flags(run)
        for r, p in zip(run.pairs, plain.pairs):
            check_equal({k: v for k, v in r.items() if k not in ("run", "flags")},
                        {k: v for k, v in p.items() if k not in ("run", "flags")}, "the rest of the record")
        count = run.ledger.count
        check(count("payload:shunted") > BODY - (100 << 10), "shunted %d bytes" % count("payload:shunted"))
        check_equal(count("payload:captured"), plain.ledger.count("payload:captured"), "captured")
    return "%d of %d bytes not followed" % (count("payload:shunted"), BODY)


@test
def several_workers_and_a_kept_body_make_no_difference():
    for options in (("--workers", 4), ("--body-limit", 1000)):
        plain, run = both(Talk().finish().frames, *options)
        check_equal(found(run), found(plain), "with %r" % (options,))
    check_equal(run.pairs[1]["response"]["body"], "l" * 1000, "body kept")


@test
def a_body_that_is_not_longer_is_followed_to_its_end():
    for body, flagged in ((65536, ()), (65536 + 10 * MSS, ("/long",))):
        plain, run = both(Talk(body).finish().frames)
        check_equal(found(run), found(plain), "with %d bytes" % body)
        check_flags(run, flagged)


@test
def what_the_kernel_keeps_back_changes_nothing():
    """Segments of the body are missing, but neither acknowledgements nor the end; so it is when XDP drops them."""
    for upload in (False, True):
        talk = Talk(upload=upload).finish()
        middle = set(talk.long[200:-60])
        kept = [f for i, f in enumerate(talk.frames) if i not in middle or len(f) < 100]
        check(len(kept) < len(talk.frames) * 2 / 3, "too little is missing")
        run = shunted(kept)
        check_equal(found(run), found(both(talk.frames)[0]), "what was found")
        check_flags(run)
        check_equal(run.ledger.count("gap_bytes"), 0, "gaps")


@test
def acknowledgements_may_be_missing_too():
    talk = Talk().finish()
    middle = set(talk.long[200:-60])
    run = shunted([f for i, f in enumerate(talk.frames) if i not in middle])
    check_equal(found(run), found(both(talk.frames)[0]), "what was found")
    check_flags(run)


@test
def copies_losses_and_another_order_inside_change_nothing():
    wanted = found(both(Talk().finish().frames)[0])
    for seed in range(12):
        talk = Talk().finish()
        edge = talk.long[90 if seed % 2 else 2:] if seed % 3 else talk.long[-300:]
        first, last = edge[0], edge[-1]
        # At the end of the body, before the next request, and around where following ends.
        disturbed = packets.disturbed(talk.frames[first:last], seed=seed, repeated=0.1, displaced=0.1)
        check_equal(found(shunted(talk.frames[:first] + disturbed + talk.frames[last:])), wanted, "seed %d" % seed)


@test
def a_hole_where_bytes_are_followed_is_still_a_gap():
    talk = Talk().finish()
    run = shunted([f for i, f in enumerate(talk.frames) if i != talk.long[10]])
    check_equal(found(run)[1], ("paired", "/long", 0, "200", BODY), "the long one")
    check("gap_in_body" in run.pairs[1]["flags"], "flags: %r" % run.pairs[1])
    check_equal(run.ledger.count("gap_bytes"), MSS, "gap")


@test
def a_connection_that_ends_in_the_body_has_the_size_that_sequence_numbers_say():
    for how in ("reset", "reset unseen", "fin", "capture ends"):
        talk = Talk()
        head = len(packets.ok(b"")) - 1 + len(str(BODY))
        whole = talk.long[0] + 1 + 900  # segments and acknowledgements
        seen = talk.frames[:whole]
        body = (900 // 3) * 2 * MSS - head
        talk.ack = 5000 + 104729 + 1 + len(packets.ok(b"x" * 100)) + (900 // 3) * 2 * MSS
        if how.startswith("reset"):
            seen.append(talk._down(RST | ACK))
        elif how == "fin":
            seen += talk.close()
        if how == "reset unseen":
            seen = seen[:talk.long[300]] + seen[-1:]
        run = shunted(seen)
        response = run.pairs[1]["response"]
        check_equal(response["body_bytes"], body, "body of the connection that ended by " + how)
        check("shunted" in run.pairs[1]["flags"], "flags: %r" % run.pairs[1])


# ---------------------------------------------------------------- on a wire

LONG = 100_000_000

ASK = r"""
import http.client
c = http.client.HTTPConnection("10.83.0.2", 80, timeout=60)
for target in ("/1", "/long", "/2", "/long", "/3"):
    c.request("GET", target)
    r = c.getresponse()
    while r.read(1 << 20):
        pass
"""


def cpu_seconds(pid):
    with open("/proc/%d/stat" % pid) as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def long_bodies(back_end, *options):
    """What a capture of long bodies between short ones, on one connection, finds and costs."""
    with Lab() as lab, Nginx(lab) as nginx:
        path = os.path.join(nginx.folder, "long")
        with open(path, "wb") as f:
            f.truncate(LONG)
        support.open_to_all(nginx.folder)
        with capture(lab, back_end, *options) as live:
            lab.run("client", sys.executable, "-c", ASK)
            nginx.stop()
            cpu = cpu_seconds(live.dataplane())
            run = live.end()
        return run, cpu


def check_long(run):
    check_equal([(r["outcome"], r["request"]["target"], r["response"]["body_bytes"]) for r in run.pairs],
                [("paired", "/1", 1024), ("paired", "/long", LONG), ("paired", "/2", 1024), ("paired", "/long", LONG),
                 ("paired", "/3", 1024)], "pairs")
    for r in run.pairs:
        check_equal(r.get("flags", []), ["shunted"] if r["request"]["target"] == "/long" else [], "flags")


@test_alone
def the_program_keeps_long_bodies_away_from_weir():
    whole, cpu_whole = long_bodies("af_xdp_native", "--headers", "none")
    figures = ["%d packets, %.2f CPU-s without" % (whole.source().received, cpu_whole)]
    for back_end in ("af_xdp_native", "af_xdp_generic"):
        run, cpu = long_bodies(back_end, "--headers", "none", "--shunt", FOLLOWED)
        check_long(run)
        source = run.source()
        kept = source.balance["out"]["shunted"]
        check(kept > 2 * LONG / 1500 * 0.9, "kept back %d packets: %r" % (kept, source))
        check(source.received < kept, "most packets came all the same: %r" % source)
        check_equal(run.ledger.count("gap_bytes"), 0, "gaps")
        figures.append("%s: %d of %d packets kept back, %.2f CPU-s" % (back_end, kept, source.offered, cpu))
    return "; ".join(figures)


@test_alone
def workers_that_share_a_queue_keep_back_their_own():
    run, _ = long_bodies("af_xdp_native", "--workers", 4, "--shunt", FOLLOWED)
    check_long(run)
    check(run.source().balance["out"]["shunted"] > 2 * LONG / 1500 * 0.9, "kept back: %r" % run.source())


@test_alone
def a_back_end_that_keeps_nothing_back_finds_the_same():
    run, _ = long_bodies("af_packet", "--shunt", FOLLOWED)
    check_long(run)
    check_equal(run.source().balance["out"].get("shunted", 0), 0, "kept back")
