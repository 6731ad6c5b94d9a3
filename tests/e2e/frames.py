"""frames - the same 10,000 built frames through every back end: the same records but for the time.

Answers: does a back end hand over every frame as it was on the wire - tags that
the kernel takes out, super-long frames, frames that end before their IP header
says so - or does it change what is found in them?

The frames are HTTP conversations, each dressed in another way, written into one
capture. `weir read` of that file says what has to come out; then it is sent on
the lab's mirror, once per back end.
"""
import collections
import json
import os
import struct

import packets
import support
import wire_support as wire
from packets import ACK, FIN, PSH, SYN
from support import Folder, check, check_equal, read, test
from wire_support import Lab, capture, over_each_back_end

FRAMES = 10000
RATE_PER_S = 8000
STEP_US = 1000000 // RATE_PER_S  # in the file as on the wire
MTU = 9000

TCP, UDP = 6, 17
HOP_BY_HOP, ROUTING, FRAGMENT, DESTINATION = 0, 43, 44, 60

# ---------------------------------------------------------------- headers


def ethernet(tags, ethertype, payload, up):
    macs = b"\x02\0\0\0\0\x02\x02\0\0\0\0\x01" if up else b"\x02\0\0\0\0\x01\x02\0\0\0\0\x02"
    return macs + b"".join(struct.pack("!HH", *tag) for tag in tags) + struct.pack("!H", ethertype) + payload


def ones_complement(data):
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def ipv4(source, destination, protocol, payload, options=b"", number=0, more=False, offset=0, says_more=0):
    """One packet; `offset` in bytes; `says_more` is added to the length that it claims."""
    head = struct.pack("!BBHHHBBH4s4s", 0x45 + len(options) // 4, 0, 20 + len(options) + len(payload) + says_more, number,
                       (0x2000 if more else 0) | offset // 8, 64, protocol, 0, source, destination) + options
    return head[:10] + struct.pack("!H", ones_complement(head)) + head[12:] + payload


def ipv6(source, destination, following, payload, says_more=0):
    return struct.pack("!IHBB16s16s", 6 << 28, len(payload) + says_more, following, 64, source, destination) + payload


def options_header(following, bytes_):
    """Hop-by-hop or destination options: nothing but padding."""
    return struct.pack("!BBBB", following, bytes_ // 8 - 1, 1, bytes_ - 4) + bytes(bytes_ - 4)


def routing_header(following):
    return struct.pack("!BBBB4x", following, 0, 4, 0)  # segment routing, no segments left


def fragment_header(following, offset, more, number):
    return struct.pack("!BxHI", following, offset | (1 if more else 0), number)


def parts(data, size):
    """(offset, bytes, whether more follow); `size` is a multiple of 8."""
    return [(at, data[at:at + size], at + size < len(data)) for at in range(0, len(data), size)]


# ---------------------------------------------------------------- how a segment may be dressed

# Each takes (conversation, whether the client sends it, TCP segment) and gives the frames that carry it.


def plain(c, up, tcp):
    return [c.frame(up, c.packet(up, tcp))]


def tagged(*tags):
    return lambda c, up, tcp: [c.frame(up, c.packet(up, tcp), tags)]


def padded(c, up, tcp):
    """Bytes behind the end of the packet, as short frames have."""
    return [c.frame(up, c.packet(up, tcp)) + b"\xaa" * 18]


def with_ipv4_options(c, up, tcp):
    source, destination = c.ends(up)
    return [c.frame(up, ipv4(source, destination, TCP, tcp, options=b"\x01" * 11 + b"\0"))]


def extended(*headers):
    def dress(c, up, tcp):
        made, following = tcp, TCP
        for kind in reversed(headers):
            made = (routing_header(following) if kind == ROUTING else options_header(following, 16)) + made
            following = kind
        return [c.frame(up, ipv6(*c.ends(up), following, made))]
    return dress


def in_fragments(backwards, tags=()):
    """Datagrams of more than 600 bytes in parts, in their order or from the last to the first."""
    def dress(c, up, tcp):
        if len(tcp) <= 600:
            return [c.frame(up, c.packet(up, tcp), tags)]
        c.datagram += 1
        made = [c.frame(up, c.fragment(up, *part), tags) for part in parts(tcp, 552)]
        return made[::-1] if backwards else made
    return dress


def atomic(c, up, tcp):
    """A fragment header on what is no fragment (RFC 6946)."""
    c.datagram += 1
    return [c.frame(up, c.fragment(up, 0, tcp, False))]


def cut(c, up, tcp):
    """Of every third long segment the frame ends early: the header of IP says more than there is."""
    missing = 200 if len(tcp) > 600 and c.cuts() else 0
    if missing == 0:
        return plain(c, up, tcp)
    kept = tcp[:-missing]
    return [c.frame(up, c.packet(up, kept, says_more=missing))]


# name: (IP version, largest segment, how it is dressed)
DRESSES = {
    "plain": (4, 1460, plain),
    "plain, IPv6": (6, 1440, plain),
    "VLAN": (4, 1460, tagged((0x8100, 12))),
    "VLAN 0 with a priority": (4, 1460, tagged((0x8100, 5 << 13))),
    "VLAN, IPv6": (6, 1440, tagged((0x8100, 4094))),
    "QinQ": (4, 1460, tagged((0x88A8, 100), (0x8100, 12))),
    "QinQ of two equal types": (4, 1460, tagged((0x8100, 100), (0x8100, 13))),
    "QinQ with VLAN 0 inside, IPv6": (6, 1440, tagged((0x88A8, 101), (0x8100, 0))),
    "padding": (4, 1460, padded),
    "IPv4 options": (4, 1448, with_ipv4_options),
    "hop by hop": (6, 1400, extended(HOP_BY_HOP)),
    "all extension headers": (6, 1400, extended(HOP_BY_HOP, DESTINATION, ROUTING, DESTINATION)),
    "IPv4 fragments": (4, 1460, in_fragments(False)),
    "IPv4 fragments, last first": (4, 1460, in_fragments(True)),
    "IPv6 fragments": (6, 1440, in_fragments(False)),
    "IPv6 fragments, last first, tagged": (6, 1440, in_fragments(True, [(0x8100, 77)])),
    "atomic fragments": (6, 1440, atomic),
    "9000 bytes": (4, 8960, plain),
    "9000 bytes, IPv6, tagged": (6, 8940, tagged((0x8100, 9))),
    "9000 bytes, QinQ": (4, 8952, tagged((0x88A8, 200), (0x8100, 9))),
    "cut": (4, 1460, cut),
    "cut, IPv6": (6, 1440, cut),
}


class Conversation:
    """One TCP connection of its own addresses and ports; its frames gather in `frames`."""

    def __init__(self, number, dress):
        self.version, self.mss, self.dress = DRESSES[dress]
        self.client, self.server = self.addresses(number)
        self.sport, self.dport = 20000 + number, 8080
        self.sent = {True: 1000 + 7919 * number, False: 9000 + 104729 * number}
        self.datagram, self.asked_to_cut = number << 8, 0
        self.frames = []

    def addresses(self, number):
        if self.version == 4:
            return struct.pack("!BBH", 10, 1, number), b"\x0a\x02\x00\x01"
        return b"\xfd\x83" + bytes(12) + struct.pack("!H", number), b"\xfd\x83\x00\x01" + bytes(11) + b"\x01"

    def ends(self, up):
        return (self.client, self.server) if up else (self.server, self.client)

    def cuts(self):
        self.asked_to_cut += 1
        return self.asked_to_cut % 3 == 0

    def frame(self, up, packet, tags=()):
        return ethernet(tags, 0x0800 if self.version == 4 else 0x86DD, packet, up)

    def packet(self, up, tcp, says_more=0):
        if self.version == 4:
            return ipv4(*self.ends(up), TCP, tcp, says_more=says_more)
        return ipv6(*self.ends(up), TCP, tcp, says_more=says_more)

    def fragment(self, up, offset, data, more):
        if self.version == 4:
            return ipv4(*self.ends(up), TCP, data, number=self.datagram & 0xFFFF, more=more, offset=offset)
        return ipv6(*self.ends(up), FRAGMENT, fragment_header(TCP, offset, more, self.datagram) + data)

    def segment(self, up, flags, payload=b""):
        ports = (self.sport, self.dport) if up else (self.dport, self.sport)
        tcp = struct.pack("!HHIIBBHHH", *ports, self.sent[up] & 0xFFFFFFFF, self.sent[not up] & 0xFFFFFFFF, 5 << 4, flags,
                          65535, 0, 0) + payload
        self.sent[up] += len(payload) + (1 if flags & (SYN | FIN) else 0)
        self.frames += self.dress(self, up, tcp)

    def say(self, up, data):
        for at in range(0, len(data), self.mss):
            self.segment(up, PSH | ACK, data[at:at + self.mss])
        self.segment(not up, ACK)

    def open(self):
        self.segment(True, SYN)
        self.segment(False, SYN | ACK)
        self.segment(True, ACK)

    def exchange(self, r):
        """Requests and responses of many lengths; the longest take two segments of 9000 bytes."""
        if r % 5 == 4:
            body = b"f" * (1 + r * 300 % 2000)
            head = "POST /form/%d/%d HTTP/1.1\r\nHost: a.test\r\nContent-Length: %d\r\n\r\n" % (self.sport, r, len(body))
            self.say(True, head.encode() + body)
        else:
            self.say(True, packets.get("/%d/%d" % (self.sport, r)))
        length = (0, 300, 1500, 3000, 12000)[r % 5]
        self.say(False, packets.ok(b"b" * length, code=(200, 404, 200, 500, 201)[r % 5]))

    def close(self):
        self.segment(True, FIN | ACK)
        self.segment(False, FIN | ACK)
        self.segment(True, ACK)


def others():
    """Frames without HTTP: every back end must count them alike too."""
    source, destination = b"\x0a\x03\x00\x01", b"\x0a\x03\x00\x02"
    udp = struct.pack("!HHHH", 5000, 5001, 8 + 100, 0) + bytes(100)
    return [
        ethernet((), 0x0806, bytes(46), True),                                      # ARP
        ethernet((), 0x88CC, bytes(46), True),                                      # LLDP
        ethernet((), 0x0800, ipv4(source, destination, UDP, udp), True),
        ethernet([(0x8100, 12)], 0x0800, ipv4(source, destination, UDP, udp), True),
        ethernet((), 0x0800, ipv4(source, destination, 47, bytes(40)), True),       # GRE of nothing known
        ethernet((), 0x0800, ipv4(source, destination, TCP, bytes(12)), True),      # too short for TCP
        ethernet((), 0x0800, b"\x45" + bytes(30), True),                            # too short for what it says
        ethernet((), 0x86DD, b"\x60" + bytes(30), True),                            # too short for IPv6
        ethernet((), 0x0800, ipv4(source, destination, UDP, udp[:80], more=True, number=9), True),  # never completed
        ethernet([(0x88A8, 1), (0x8100, 2), (0x8100, 3)], 0x0800, ipv4(source, destination, UDP, udp), True),
    ]


def built_frames():
    """Exactly FRAMES of them: connections of all dresses taking turns, and from time to time something else."""
    made, number, extra = [], 0, others()
    while len(made) < FRAMES:
        talks = [Conversation(number + i, dress) for i, dress in enumerate(DRESSES)]
        number += len(talks)
        for talk in talks:
            talk.open()
        for r in range(10):
            for talk in talks:
                talk.exchange(r)
        for talk in talks:
            talk.close()
        while any(talk.frames for talk in talks):
            for talk in talks:
                made += talk.frames[:3]
                del talk.frames[:3]
            made.append(extra[len(made) % len(extra)])
    return made[:FRAMES]


def as_capture(frames):
    return packets.file_header() + b"".join(packets.file_record(frame, packets.START_US + i * STEP_US)
                                            for i, frame in enumerate(frames))


# ---------------------------------------------------------------- what must be the same

# What depends on the moment, on the source or on the run, and nothing else.
NOT_COMPARED = ("ts", "latency_ns", "frames", "run", "seq", "iface", "conn", "worker")


def essence(run):
    """Records without what depends on the time: text, how often."""
    made = collections.Counter()
    for record in run.pairs:
        kept = {k: v for k, v in record.items() if k not in NOT_COMPARED}
        for side in ("request", "response"):
            if side in kept:
                kept[side] = {k: v for k, v in kept[side].items() if k != "duration_ns"}
        made[json.dumps(kept, sort_keys=True)] += 1
    return made


def way_of_packets(run):
    """What has become of the packets, as the ledger says."""
    return {b["name"]: (b["in"], b["out"]) for b in run.ledger.balances
            if b["name"] in ("packets", "payload", "requests", "responses")}


class Wanted:
    """The frames, and what `weir read` finds in them; made once for all tests of this suite."""
    made = None

    def __init__(self):
        self.capture = as_capture(built_frames())
        with Folder() as folder:
            self.run = read(folder.file("built.pcap", self.capture)).check_status(support.DONE).check_closed()
        self.records = essence(self.run)
        self.ways = way_of_packets(self.run)

    @classmethod
    def get(cls):
        cls.made = cls.made or cls()
        return cls.made


@test
def the_built_frames_hold_what_they_are_to_show():
    wanted = Wanted.get()
    pairs, count = wanted.run.pairs, wanted.run.ledger.count
    check_equal(count("packets:received"), FRAMES, "frames in the file")
    vlans = {tuple(r.get("vlan", ())) for r in pairs}
    check({(), (12,), (4094,), (100, 12), (100, 13)} <= vlans, "tags in the records: %r" % vlans)
    for name in ("datagrams_completed", "fragment_kept"):
        check(count("packets:" + name) > 100, "%s: %d" % (name, count("packets:" + name)))
    check(wanted.run.ledger.sum("packets:malformed") > 3, "no malformed packet")
    check_equal(count("gap_bytes") % 200, 0, "bytes missing, 200 per cut frame")
    check(sum("gap_in_body" in r.get("flags", ()) for r in pairs) > 20, "no record tells of the cut frames")
    lengths = [len(f) for f in built_frames()]
    check_equal(max(lengths), MTU + 14 + 4, "longest frame")
    paired = sum(r["outcome"] == "paired" for r in pairs)
    check(paired > 1000, "%d pairs" % paired)
    return "%d frames of %d bytes, %d pairs, %d other records, tags %r" % (
        len(lengths), sum(lengths), paired, len(pairs) - paired, sorted(vlans))


@over_each_back_end(test)
def the_same_frames_are_the_same_records(back_end):
    wire.need_back_end(back_end)
    wanted = Wanted.get()
    with Lab("--mtu", str(MTU)) as lab, Folder() as folder:
        path = folder.file("built.pcap", wanted.capture)
        with capture(lab, back_end) as live:
            mode = live.mode()
            report = lab.send(path, "--rate", RATE_PER_S)
            check_equal((report["frames"], report["dropped"], report["unsendable"]), (FRAMES, 0, 0), "frames sent")
            run = live.end()
    source = run.source()
    check_equal((source.offered, source.received), (FRAMES, FRAMES), "frames that came: %r" % source)
    found = essence(run)
    check(found == wanted.records, "%d records are missing, %d are others; missing %r; others %r" % (
        sum((wanted.records - found).values()), sum((found - wanted.records).values()),
        list((wanted.records - found))[:2], list((found - wanted.records))[:2]))
    ways = way_of_packets(run)
    for name, way in wanted.ways.items():
        check_equal(ways[name], way, "balance " + name)
    return mode


@test
def workers_that_share_queues_find_the_same_records():
    """Fragments have no ports, so they come to other workers than their connections, and are handed over."""
    wire.need_back_end("af_xdp_native")
    wanted = Wanted.get()
    with Lab("--mtu", str(MTU), "--queues", "2") as lab, Folder() as folder:
        path = folder.file("built.pcap", wanted.capture)
        with capture(lab, "af_xdp_native", "--workers", 4) as live:
            lab.send(path, "--rate", RATE_PER_S)
            run = live.end()
    found, handed = essence(run), run.ledger.count("packets:handed_in")
    check(found == wanted.records, "%d records are missing, %d are others" % (
        sum((wanted.records - found).values()), sum((found - wanted.records).values())))
    check(0 < handed < FRAMES // 5, "handed over: %d" % handed)
    return "%d packets handed over" % handed
