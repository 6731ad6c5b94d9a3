#!/usr/bin/env python3
"""xdp_drop - the least that receiving can cost: a program that drops every frame as XDP sees it.

    xdp_drop.py INTERFACE native|generic

Says "ready" and stays until it is ended. The program is two instructions and hangs on a link that
goes with this process, however it ends. Nobody else's program is replaced.
"""
import ctypes
import os
import signal
import socket
import struct
import sys

SYS_BPF = {"x86_64": 321, "aarch64": 280}
BPF_PROG_LOAD, BPF_LINK_CREATE = 5, 28
PROG_TYPE_XDP, ATTACH_XDP = 6, 37
MODES = {"generic": 1 << 1, "native": 1 << 2}  # XDP_FLAGS_SKB_MODE, XDP_FLAGS_DRV_MODE
XDP_DROP = 1

MOVE, EXIT = 0xb7, 0x95  # r0 = constant; leave with it
PROGRAM = struct.pack("<BBhi", MOVE, 0, 0, XDP_DROP) + struct.pack("<BBhi", EXIT, 0, 0, 0)


def bpf(command, attributes, what):
    """A descriptor from bpf(2), or the end with its reason."""
    libc = ctypes.CDLL(None, use_errno=True)
    buffer = ctypes.create_string_buffer(attributes, len(attributes))
    fd = libc.syscall(SYS_BPF[os.uname().machine], command, buffer, len(attributes))
    if fd < 0:
        sys.exit("xdp_drop: %s: %s" % (what, os.strerror(ctypes.get_errno())))
    return fd


def load():
    program, terms = ctypes.create_string_buffer(PROGRAM, len(PROGRAM)), ctypes.create_string_buffer(b"GPL")
    attributes = struct.pack("<IIQQIIQII16sII", PROG_TYPE_XDP, len(PROGRAM) // 8, ctypes.addressof(program),
                             ctypes.addressof(terms), 0, 0, 0, 0, 0, b"xdp_drop", 0, ATTACH_XDP)
    return bpf(BPF_PROG_LOAD, attributes, "the program is refused")


def main():
    if len(sys.argv) != 3 or sys.argv[2] not in MODES:
        sys.exit(__doc__.strip())
    try:
        index = socket.if_nametoindex(sys.argv[1])
    except OSError as error:
        sys.exit("xdp_drop: %s: %s" % (sys.argv[1], error))
    bpf(BPF_LINK_CREATE, struct.pack("<IIII", load(), index, ATTACH_XDP, MODES[sys.argv[2]]),
        "%s takes no %s program" % (sys.argv[1], sys.argv[2]))
    print("ready", flush=True)
    signal.sigwait({signal.SIGINT, signal.SIGTERM})


if __name__ == "__main__":
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    main()
