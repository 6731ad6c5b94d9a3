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

FULL = support.full()
SAMPLE_JOINS, FULL_JOINS = (1, 2, 3, 5, 8, 21), range(1, 201)
LARGEST_BYTES = 1 << 40 if FULL else 300_000

INLINE = ("an inline command of Redis is a line of text, as QUIT and AUTH are of POP3 with the same answers: joined in the middle "
          "nothing says that it is no other line")

# (part of a capture's name, what of it cannot hold, why, packets)
EXCEPTIONS = (
    ("http-connect-tls/input.pcap", ("join",), "that a 200 answers CONNECT, and has no body, is in the request only", "5 and 7"),
    ("bug-3286-02-linux-evasion/with_evasion_linux.pcap", ("ports",),
     "that the FIN was sent before the connection began is in its handshake only", "3, 5 and 9"),
    ("arkime/tests/pcap/tcp-reassembly-synthetic.pcap", ("ports",),
     "the same ports are used again, and that a connection began there is in its handshake only", "90 to 93"),
    ("tls-12-amazon-rds.pcap", ("join", "ports"),
     "TLS behind MySQL's greeting is found by who joins behind the greeting, and not by who saw it", "4 to 10"),
    ("redis/almost-resp.pcap", ("ports",), INLINE, "7 and 9"),
    ("redis/attr.pcap", ("ports",), INLINE, "19 and 33"),
    ("redis/excessive-pipelining.pcap", ("ports",), INLINE, "5 and 7"),
    ("redis/pipelining-example.pcap", ("ports",), INLINE, "5 and 7"),
    ("redis/pubsub.pcap", ("ports",), INLINE, "13, 29 and 43"),
    ("redis/reply-off-on.pcap", ("ports",), INLINE, "4 and 7"),
    ("tests/resp_1_benchmark.pcap", ("ports",), INLINE, "4 and 6"),
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

# All joins of a capture are one capture: each has a VLAN of its own, which is part of what makes a flow, and a
# time of its own, after everything before it has timed out.
BETWEEN_NS = 1000 * 1_000_000_000
LATEST_NS = (1 << 32) * 1_000_000_000


def tagged(link, data, vlan):
    """The packet behind a VLAN tag; None where there is nothing that a tag can stand before."""
    tag = b"\x81\x00" + struct.pack(">H", vlan)
    if link == 1:
        return data[:12] + tag + data[12:] if len(data) >= 14 else data
    at = ip_at(link, data)
    if at is None or len(data) <= at:
        return None
    kind = {4: b"\x08\x00", 6: b"\x86\xdd"}.get(data[at] >> 4)
    return bytes(12) + tag + kind + data[at:] if kind else None


def joined(link, packets, joins):
    """(packets of all joins, for each of them (how many are dropped, its number in the whole capture))."""
    times = [p[0] * 1_000_000_000 + p[1] for p in packets]
    step, made, origin = max(times) - min(times) + BETWEEN_NS, [], []
    for number, k in enumerate(joins):
        for index in range(k, len(packets)):
            new = tagged(link, packets[index][3], number + 1)
            if new is None:
                continue
            at = times[index] + number * step
            if at >= LATEST_NS:
                raise Skip("the capture lasts too long")
            made.append((at // 1_000_000_000, at % 1_000_000_000, packets[index][2] + 4, new))
            origin.append((k, index + 1))
    return made, origin


def first_copies(link, packets):
    """For each packet the number of the first with the same bytes in the same place: which copy is the first depends on the join."""
    seen, first = {}, []
    for number, (_, _, _, data) in enumerate(packets, 1):
        first.append(seen.setdefault(place_of(link, data) or number, number))
    return first


def place_of(link, data):
    """Addresses, ports, sequence number and payload of a segment or a datagram that is whole."""
    at = ip_at(link, data)
    l4 = l4_of(data, at) if at is not None and len(data) >= at + 20 else None
    if l4 is None or l4[3]:
        return None
    protocol, start, addresses = l4[:3]
    fixed = 8 if protocol == 6 else 4
    payload = start + ((data[start + 12] >> 4) * 4 if protocol == 6 else 8)
    return (protocol, addresses, data[start:start + fixed], data[payload:]) if len(data) > payload else None


def kept(record, part):
    """What a record says of a request or a response, without what depends on where the capture begins."""
    return {k: v for k, v in record[part].items() if k not in ("duration_ns", "again", "interim")}


# An answer to a request that upgraded to HTTP/2 bears the request's protocol, if that has been seen.
SPOKEN_BY = {"http2": "http", "grpc": "http"}


def halves(records, origin):
    """{(join, part, protocol, frames): what it says} and {join, protocol, frames of both: records} of pairs."""
    said, pairs = {}, {}
    for record in records:
        join = next(origin(f)[0] for f in record["frames"] if f)
        frames = tuple(origin(f)[1] if f else 0 for f in record["frames"])
        proto = SPOKEN_BY.get(record["proto"], record["proto"])
        for part, these in (("request", frames[:2]), ("response", frames[2:])):
            if part in record:
                said.setdefault((join, part, proto) + these, []).append((kept(record, part), record))
        if record["outcome"] == "paired":
            pairs.setdefault((join, proto) + frames, []).append(record)
    return said, pairs


def is_interim(part, frames, records):
    """An interim response whose request was before the capture, and who stands at its answer in the whole."""
    return part.get("code", "").startswith("1") and any(
        part["code"] in record.get("response", {}).get("interim", ()) and record["frames"][1] <= frames[0] <= record["frames"][2]
        for record in records)


def is_told(part, told):
    """Every value must be one of the whole capture's; where the start is needed to know it, it may be missing."""
    return any(all(whole.get(k) == v for k, v in part.items()) for whole, _ in told)


def whole(capture):
    return support.once.read(capture).check_status(DONE, DAMAGED).pairs


def join_late(capture, name):
    def pairs_of_late_joins_are_pairs_of_the_whole():
        link, packets = packets_of(capture)
        joins = [k for k in (FULL_JOINS if FULL else SAMPLE_JOINS) if k < len(packets)]
        first = first_copies(link, packets)
        records = whole(capture)
        whole_said, whole_pairs = halves(records, lambda f: (0, first[f - 1]))
        made, origin = joined(link, packets, joins)
        with Folder() as folder:
            run = read(folder.file("late.pcap", as_capture(1, made)), timeout=300).check_status(DONE, DAMAGED).check_closed()
        said, pairs = halves(run.pairs, lambda f: (origin[f - 1][0], first[origin[f - 1][1] - 1]))
        wrong = []
        for key, these in pairs.items():
            if len(these) > len(whole_pairs.get((0,) + key[1:], ())):
                wrong.append("without the first %d packets: a pair that the whole has not: %r: %r" % (key[0], key[1:], these[0]))
        for key, these in said.items():
            for part, record in these:
                wanted = whole_said.get((0,) + key[1:], ())
                if not ("hpack_unknown" in record.get("flags", ()) or is_told(part, wanted) or is_interim(part, key[3:], records)):
                    wrong.append("without the first %d packets: %r says %r, the whole %r" % (key[0], key[1:], part, wanted))
        why = exception(name, "join")
        check(not wrong or why, "%d wrong: %s" % (len(wrong), "; ".join(w[:600] for w in wrong[:3])))
        check(wrong or not why or not FULL, "there is no need for the exception any more: " + str(why))
        return "%d joins, %d pairs%s" % (len(joins), sum(map(len, pairs.values())), ", but " + why if why else "")

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


def l4_of(data, at):
    """(protocol, offset of its header, addresses, whether it is a fragment) of TCP and UDP over IP at `at`; else None."""
    version = data[at] >> 4
    if version == 4:
        protocol, start, addresses = data[at + 9], at + (data[at] & 15) * 4, bytes(data[at + 12:at + 20])
        fragment = struct.unpack(">H", data[at + 6:at + 8])[0] & 0x3FFF != 0
    elif version == 6 and len(data) >= at + 40:
        protocol, start, addresses = data[at + 6], at + 40, bytes(data[at + 8:at + 40])
        fragment = protocol == 44
    else:
        return None
    if fragment:
        return protocol, start, addresses, True
    if protocol not in (6, 17) or len(data) < start + (14 if protocol == 6 else 8):
        return None
    return protocol, start, addresses, False


def payload_of(data, at, l4):
    """Bytes that a segment carries by its IP header."""
    if data[at] >> 4 == 4:
        return struct.unpack(">H", data[at + 2:at + 4])[0] - (l4 - at) - (data[l4 + 12] >> 4) * 4
    return struct.unpack(">H", data[at + 4:at + 6])[0] - (data[l4 + 12] >> 4) * 4


def blinded(link, data, ports):
    """The packet with other ports; None to leave it out: a handshake. Raises Skip where that cannot be done."""
    at = ip_at(link, data)
    l4 = l4_of(data, at) if at is not None and len(data) >= at + 20 else None
    if l4 is None:
        return data
    protocol, start, addresses, fragment = l4
    if fragment:
        raise Skip("fragments")
    if protocol == 6 and data[start + 13] & 2:
        if payload_of(data, at, start) > 0:
            raise Skip("a handshake carries data")
        return None
    half = len(addresses) // 2
    from_port, to_port = struct.unpack(">HH", data[start:start + 4])
    return (data[:start] + struct.pack(">HH", ports.of(addresses[:half], from_port), ports.of(addresses[half:], to_port)) +
            data[start + 4:])


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
        wanted = told(whole(capture), lambda f: f, lambda e: (str(ipaddress.ip_address(e["ip"])), e["port"]))
        found = told(run.pairs, lambda f: numbers[f - 1], lambda e: (str(ipaddress.ip_address(e["ip"])), back[e["port"]]))
        missing, extra = judged.difference(wanted, found), judged.difference(found, wanted)
        why = exception(name, "ports")
        check(why or not missing and not extra, "of %d: missing %r; extra %r" % (len(wanted), missing[:3], extra[:3]))
        # What only cannot be found must not be found as something else.
        check(why is None or INLINE not in why or not extra, "extra %r" % extra[:3])
        check(not why or missing or extra, "there is no need for the exception any more: " + str(why))
        return "%d exchanges%s" % (len(wanted), ", but " + why if why else "")

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
