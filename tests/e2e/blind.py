"""blind - what weir finds must not hang on seeing a connection's start, nor on its ports.

Answers: with the first k packets of a capture gone, is everything that is still found a part of what
the whole capture has - no wrong name, no wrong value, no shifted pair? And with the ports rewritten at
random and the handshakes taken out, is the same found, on the same sides?

A sample of the captures and of k; WEIR_FULL=1 takes all of them, and k up to 200.
"""
import gzip
import ipaddress
import os
import random
import struct

import judged
import support
from judged import rows_of, verdicts
from support import DAMAGED, DONE, Folder, Skip, add_test, check, read

FULL = os.environ.get("WEIR_FULL", "") not in ("", "0")
SAMPLE_JOINS, FULL_JOINS = (1, 2, 3, 5, 8, 21), range(1, 201)
LARGEST_BYTES = 1 << 40 if FULL else 300_000

# (part of a capture's name, what of it cannot hold, why, packets)
EXCEPTIONS = (
    ("ipv6-fragmented-dns.pcap", ("join",), "the request was sent twice: without the first, the second is the one that is answered", "3 to 5"),
    ("tls-12-amazon-rds.pcap", ("join", "ports"),
     "TLS behind MySQL's greeting is found by who joins behind the greeting, and not by who saw it", "4 to 10"),
    ("Traces/redis/", ("ports",), "Redis' inline commands are taken for such only where the port speaks for it too", "all"),
    ("redis/pubsub.pcap", ("join",),
     "the answer to SUBSCRIBE is an array that begins with that word: joined between them it is taken for a request", "3"),
    ("fuzz-2006-06-26-2594.pcap", ("join", "ports"), "broken messages are known by what came before on their flow, or not at all", "all"),
)


def exception(capture, what):
    return next(("%s (packets: %s)" % (why, packets) for part, parts, why, packets in EXCEPTIONS
                 if part in capture and what in parts), None)


# ---------------------------------------------------------------- captures as lists of packets


def packets_of(path):
    """(link type, [(seconds, nanoseconds, bytes on the wire, bytes)]). Raises Skip for what is neither pcap nor pcapng."""
    with open(path, "rb") as f:
        data = f.read()
    if data[:2] == b"\x1f\x8b":
        data = gzip.decompress(data)
    if data[:4] == b"\x0a\x0d\x0d\x0a":
        return pcapng_packets(data)
    for order in "<>":
        magic = struct.unpack(order + "I", data[:4])[0] if len(data) >= 24 else 0
        if magic in (0xA1B2C3D4, 0xA1B23C4D):
            return pcap_packets(data, order, 1 if magic == 0xA1B23C4D else 1000)
    raise Skip("no pcap and no pcapng")


def pcap_packets(data, order, nanoseconds):
    link, at, packets = struct.unpack(order + "I", data[20:24])[0] & 0xFFFF, 24, []
    while at + 16 <= len(data):
        seconds, part, caught, wire = struct.unpack(order + "IIII", data[at:at + 16])
        packets.append((seconds, part * nanoseconds, wire, data[at + 16:at + 16 + caught]))
        at += 16 + caught
    return link, packets


def pcapng_packets(data):
    order = "<" if data[8:12] == b"\x4d\x3c\x2b\x1a" else ">"
    links, units, at, packets = [], [], 0, []
    while at + 12 <= len(data):
        kind, size = struct.unpack(order + "II", data[at:at + 8])
        body = data[at + 8:at + size - 4]
        if kind == 1:
            links.append(struct.unpack(order + "H", body[:2])[0])
            units.append(unit_of(body[8:], order))
        elif kind == 6:
            number, high, low, caught, wire = struct.unpack(order + "IIIII", body[:20])
            ticks = (high << 32 | low) * 1_000_000_000 // units[number]
            packets.append((ticks // 1_000_000_000, ticks % 1_000_000_000, wire, body[20:20 + caught]))
        at += max(size, 12)
    if len(set(links)) != 1:
        raise Skip("several link types")
    return links[0], packets


def unit_of(options, order):
    """Ticks per second of an interface: if_tsresol."""
    while len(options) >= 4:
        code, size = struct.unpack(order + "HH", options[:4])
        if code == 9:
            exponent = options[4]
            return 1 << (exponent & 0x7F) if exponent & 0x80 else 10 ** exponent
        if code == 0:
            break
        options = options[4 + (size + 3) // 4 * 4:]
    return 1_000_000


def as_capture(link, packets):
    made = [struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 262144, link)]
    for seconds, nanoseconds, wire, data in packets:
        made.append(struct.pack("<IIII", seconds, nanoseconds, len(data), max(wire, len(data))) + data)
    return b"".join(made)


# ---------------------------------------------------------------- late joins


def kept(record, part):
    """What a record says of a request or a response, without what depends on where the capture begins."""
    return {k: v for k, v in record[part].items() if k not in ("duration_ns", "again")}


def halves(records, shift):
    """{(part, protocol, frames): what it says} and {frames of both: flags} of pairs; frames counted as in the whole capture."""
    said, pairs = {}, {}
    for record in records:
        frames = tuple(f + shift if f else 0 for f in record["frames"])
        for part, these in (("request", frames[:2]), ("response", frames[2:])):
            if part in record:
                said.setdefault((part, record["proto"]) + these, []).append((kept(record, part), record))
        if record["outcome"] == "paired":
            pairs.setdefault((record["proto"],) + frames, []).append(record)
    return said, pairs


def is_told(part, told):
    """Every value must be one of the whole capture's; where the start is needed to know it, it may be missing."""
    return any(all(whole.get(k) == v for k, v in part.items()) for whole, _ in told)


def join_late(capture, name):
    def pairs_of_late_joins_are_pairs_of_the_whole():
        if exception(name, "join"):
            raise Skip(exception(name, "join"))
        link, packets = packets_of(capture)
        whole_said, whole_pairs = halves(read(capture).check_status(DONE, DAMAGED).pairs, 0)
        tried = found = 0
        for k in (k for k in (FULL_JOINS if FULL else SAMPLE_JOINS) if k < len(packets)):
            with Folder() as folder:
                run = read(folder.file("late.pcap", as_capture(link, packets[k:]))).check_status(DONE, DAMAGED).check_closed()
            said, pairs = halves(run.pairs, k)
            for key, these in pairs.items():
                check(len(these) <= len(whole_pairs.get(key, ())),
                      "without the first %d packets: a pair that the whole has not: %r: %r" % (k, key, these[0]))
            for key, these in said.items():
                for part, record in these:
                    if "hpack_unknown" in record.get("flags", ()):
                        continue
                    check(is_told(part, whole_said.get(key, ())),
                          "without the first %d packets: %r says %r, the whole %r" % (k, key, part, whole_said.get(key)))
            tried, found = tried + 1, found + len(pairs)
        return "%d joins, %d pairs" % (tried, found)

    return pairs_of_late_joins_are_pairs_of_the_whole


# ---------------------------------------------------------------- ports


class Ports:
    """Another port for each (address, port), the same for the same one. No two are given the same."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.given, self.taken = {}, set()

    def of(self, address, port):
        if (address, port) not in self.given:
            new = self.random.randrange(1024, 65536)
            while new in self.taken:
                new = self.random.randrange(1024, 65536)
            self.taken.add(new)
            self.given[address, port] = new
        return self.given[address, port]


def ip_at(link, data):
    """Offset of the IP header, None where there is none that is plain."""
    if link in (101, 12, 228, 229):
        return 0
    if link in (0, 108):
        return 4
    if link == 113:
        return 16 if data[14:16] in (b"\x08\x00", b"\x86\xdd") else None
    if link == 1:
        at = 12
        while data[at:at + 2] in (b"\x81\x00", b"\x88\xa8"):
            at += 4
        return at + 2 if data[at:at + 2] in (b"\x08\x00", b"\x86\xdd") else None
    return None


def blinded(link, data, ports):
    """The packet with other ports; None to leave it out: a handshake. Raises Skip where that cannot be done."""
    at = ip_at(link, data)
    if at is None or len(data) < at + 20:
        return data
    version = data[at] >> 4
    if version == 4:
        protocol, l4 = data[at + 9], at + (data[at] & 15) * 4
        source, target = bytes(data[at + 12:at + 16]), bytes(data[at + 16:at + 20])
        if struct.unpack(">H", data[at + 6:at + 8])[0] & 0x3FFF:
            raise Skip("fragments")
    elif version == 6 and len(data) >= at + 40:
        protocol, l4 = data[at + 6], at + 40
        source, target = bytes(data[at + 8:at + 24]), bytes(data[at + 24:at + 40])
        if protocol == 44:
            raise Skip("fragments")
    else:
        return data
    if protocol not in (6, 17) or len(data) < l4 + (14 if protocol == 6 else 8):
        return data
    if protocol == 6 and data[l4 + 13] & 2:
        size = struct.unpack(">H", data[at + 2:at + 4])[0] - (l4 - at) if version == 4 else struct.unpack(">H", data[at + 4:at + 6])[0]
        if size > (data[l4 + 12] >> 4) * 4:
            raise Skip("a handshake carries data")
        return None
    from_port, to_port = struct.unpack(">HH", data[l4:l4 + 4])
    return data[:l4] + struct.pack(">HH", ports.of(source, from_port), ports.of(target, to_port)) + data[l4 + 4:]


def told(records, frame_of, endpoint_of):
    """Every exchange with its side and its packets, in the terms of the capture as it was."""
    made = []
    for record in records:
        made.append((record["proto"], record["outcome"],
                     tuple(frame_of(f) if f else 0 for f in record["frames"]),
                     endpoint_of(record["client"]), endpoint_of(record["server"]),
                     support.request_text(record), support.code_of(record)))
    return sorted(made)


def port_blind(capture, name):
    def other_ports_and_no_handshake_change_nothing():
        if exception(name, "ports"):
            raise Skip(exception(name, "ports"))
        link, packets = packets_of(capture)
        ports, numbers, made = Ports(name), [], []
        for number, (seconds, nanoseconds, wire, data) in enumerate(packets, 1):
            new = blinded(link, data, ports)
            if new is not None:
                numbers.append(number)
                made.append((seconds, nanoseconds, wire, new))
        back = {new: old for (_, old), new in ports.given.items()}
        with Folder() as folder:
            run = read(folder.file("blind.pcap", as_capture(link, made))).check_status(DONE, DAMAGED).check_closed()
        wanted = told(read(capture).pairs, lambda f: f, lambda e: (str(ipaddress.ip_address(e["ip"])), e["port"]))
        found = told(run.pairs, lambda f: numbers[f - 1], lambda e: (str(ipaddress.ip_address(e["ip"])), back[e["port"]]))
        missing, extra = judged.difference(wanted, found), judged.difference(found, wanted)
        check(not missing and not extra, "of %d: missing %r; extra %r" % (len(wanted), missing[:3], extra[:3]))
        return "%d exchanges" % len(wanted)

    return other_ports_and_no_handshake_change_nothing


def register():
    for capture, name, verdict in verdicts("pairs"):
        if not rows_of(verdict) or os.path.getsize(capture) > LARGEST_BYTES:
            continue
        add_test("blind", "late_joins_find_nothing_else " + name, join_late(capture, name))
        add_test("blind", "other_ports_and_no_handshake_change_nothing " + name, port_blind(capture, name))
    if support.captures_folder() is None:
        for name in ("late_joins_find_nothing_else", "other_ports_and_no_handshake_change_nothing"):
            add_test("blind", name, support.need_captures)


register()
