"""packets - captures made on the spot, for the suites that must run on any machine.

Conversations are HTTP over TCP over IPv4 over Ethernet, without checksums
(captures on a sending machine have none either).
"""
import random
import struct

FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16
START_US = 1_700_000_000 * 1_000_000


def file_header(link=1, snaplen=262144):
    return struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, snaplen, link)


def file_record(frame, us, wire_bytes=None):
    return struct.pack("<IIII", us // 1_000_000, us % 1_000_000, len(frame),
                       wire_bytes or len(frame)) + frame


def address(number):
    return struct.pack("!I", number)


def segment(source, destination, sport, dport, seq, ack, flags, payload=b""):
    """An Ethernet frame with one TCP segment."""
    tcp = struct.pack("!HHIIBBHHH", sport, dport, seq & 0xFFFFFFFF, ack & 0xFFFFFFFF, 5 << 4, flags,
                      65535, 0, 0)
    ip = struct.pack("!BBHHHBBH", 0x45, 0, 40 + len(payload), 0, 0x4000, 64, 6, 0) + source + destination
    return b"\x02\0\0\0\0\x02\x02\0\0\0\0\x01\x08\0" + ip + tcp + payload


class Connection:
    """One TCP connection; every method returns the frames it makes."""

    def __init__(self, number, dport=8080):
        self.client = address(0x0A000001 + number // 20000)
        self.server = address(0x0A800001)
        self.sport, self.dport = 20000 + number % 20000, dport
        self.seq, self.ack = 1000 + number * 7919, 5000 + number * 104729

    def _up(self, flags, payload=b""):
        frame = segment(self.client, self.server, self.sport, self.dport, self.seq, self.ack, flags,
                        payload)
        self.seq += len(payload) + (1 if flags & (SYN | FIN) else 0)
        return frame

    def _down(self, flags, payload=b""):
        frame = segment(self.server, self.client, self.dport, self.sport, self.ack, self.seq, flags,
                        payload)
        self.ack += len(payload) + (1 if flags & (SYN | FIN) else 0)
        return frame

    def open(self):
        return [self._up(SYN), self._down(SYN | ACK), self._up(ACK)]

    def request(self, payload):
        return [self._up(PSH | ACK, payload)]

    def response(self, payload, mss=1400):
        return [self._down(PSH | ACK, payload[i:i + mss]) for i in range(0, len(payload), mss)]

    def acknowledge(self):
        return [self._up(ACK)]

    def close(self):
        return [self._up(FIN | ACK), self._down(FIN | ACK), self._up(ACK)]


def get(target, host="a.test", extra=""):
    return ("GET %s HTTP/1.1\r\nHost: %s\r\n%s\r\n" % (target, host, extra)).encode()


def ok(body=b"ok", code=200):
    return b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n" % (code, len(body)) + body


def conversation(connections=4, requests=5, body_bytes=300, number_from=0):
    """Frames of some keep-alive connections taking turns; connection c asks for /c/r in round r."""
    made = [Connection(number_from + c) for c in range(connections)]
    frames = [f for c in made for f in c.open()]
    body = b"b" * body_bytes
    for r in range(requests):
        for i, c in enumerate(made):
            frames += c.request(get("/%d/%d" % (number_from + i, r)))
            frames += c.response(ok(body))
    for c in made:
        frames += c.close()
    return frames


def capture(frames, step_us=10):
    """A pcap file of frames, `step_us` apart."""
    parts = [file_header()]
    for i, frame in enumerate(frames):
        parts.append(file_record(frame, START_US + i * step_us))
    return b"".join(parts)


def sample(connections=6, requests=8):
    """A small capture without anything odd: connections * requests pairs."""
    return capture(conversation(connections, requests))


def disturbed(frames, seed, lost=0.0, repeated=0.05, displaced=0.1):
    """The same frames as a bad network would bring them: some twice, some late, some never."""
    dice = random.Random(seed)
    placed = []
    for i, frame in enumerate(frames):
        if dice.random() < lost:
            continue
        placed.append((i + (dice.random() * 6 if dice.random() < displaced else 0), i, frame))
        if dice.random() < repeated:
            placed.append((i + dice.random() * 20, i, frame))
    return [frame for _, _, frame in sorted(placed, key=lambda p: p[:2])]


def offsets_of_records(data):
    """Where each packet record of a little-endian pcap begins, and the end of the last."""
    offsets, at = [], 24
    while at + 16 <= len(data):
        offsets.append(at)
        at += 16 + struct.unpack_from("<I", data, at + 8)[0]
    offsets.append(at)
    return offsets
