"""grpc_peers - a gRPC server, or a client of it, and what each of them counts.

    grpc_peers.py serve ADDRESS PORT     until standard input ends
    grpc_peers.py ask ADDRESS PORT

Prints at its end a list of [method, code, messages of the client, messages of the
server], one for each call, sorted. Messages are plain bytes: no protocol compiler is needed.
"""
import concurrent.futures
import json
import sys
import threading

import grpc

SERVICE = "weir.Test"
CALLS, LOCK = [], threading.Lock()


def note(method, code, sent, received):
    with LOCK:
        CALLS.append(["%s/%s" % (SERVICE, method), str(code.value[0]), sent, received])


# ---------------------------------------------------------------- the server


def one(request, context):
    note("One", grpc.StatusCode.OK, 1, 1)
    return request * 2


def down(request, context):
    number = int(request)
    note("Down", grpc.StatusCode.OK, 1, number)
    for k in range(number):
        yield b"%d" % k * 50


def up(requests, context):
    number = sum(1 for _ in requests)
    note("Up", grpc.StatusCode.OK, number, 1)
    return b"%d" % number


def both(requests, context):
    number = 0
    for request in requests:
        number += 1
        yield request
    note("Both", grpc.StatusCode.OK, number, number)


def fail(request, context):
    note("Fail", grpc.StatusCode.NOT_FOUND, 1, 0)
    context.abort(grpc.StatusCode.NOT_FOUND, "no such thing")


def fail_late(request, context):
    yield b"first"
    note("FailLate", grpc.StatusCode.DATA_LOSS, 1, 1)
    context.abort(grpc.StatusCode.DATA_LOSS, "in the middle")


def serve(address):
    server = grpc.server(concurrent.futures.ThreadPoolExecutor(8), compression=grpc.Compression.NoCompression)
    handlers = {"One": grpc.unary_unary_rpc_method_handler(one), "Down": grpc.unary_stream_rpc_method_handler(down),
                "Up": grpc.stream_unary_rpc_method_handler(up), "Both": grpc.stream_stream_rpc_method_handler(both),
                "Fail": grpc.unary_unary_rpc_method_handler(fail),
                "FailLate": grpc.unary_stream_rpc_method_handler(fail_late)}
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(SERVICE, handlers)])
    if server.add_insecure_port(address) == 0:
        sys.exit("%s cannot be listened on" % address)
    server.start()
    sys.stdin.read()
    server.stop(2).wait()


# ---------------------------------------------------------------- the client


def ask_one(channel, number):
    channel.unary_unary("/%s/One" % SERVICE)(b"x" * number)
    note("One", grpc.StatusCode.OK, 1, 1)


def ask_each(channel, compression):
    """A call of each kind."""
    path = "/%s/" % SERVICE
    with_it = {"compression": compression}
    channel.unary_unary(path + "One")(b"once and again " * 100, **with_it)
    note("One", grpc.StatusCode.OK, 1, 1)
    got = sum(1 for _ in channel.unary_stream(path + "Down")(b"25", **with_it))
    note("Down", grpc.StatusCode.OK, 1, got)
    channel.stream_unary(path + "Up")(iter([b"piece" * 300] * 17), **with_it)
    note("Up", grpc.StatusCode.OK, 17, 1)
    got = sum(1 for _ in channel.stream_stream(path + "Both")(iter([b"ping" * 10] * 9), **with_it))
    note("Both", grpc.StatusCode.OK, 9, got)
    for method, stream in (("Fail", False), ("FailLate", True), ("NoSuch", False)):
        got = 0
        try:
            if stream:
                for _ in channel.unary_stream(path + method)(b"?", **with_it):
                    got += 1
            else:
                channel.unary_unary(path + method)(b"?", **with_it)
        except grpc.RpcError as error:
            note(method, error.code(), 1, got)


def ask(address):
    for compression in (grpc.Compression.NoCompression, grpc.Compression.Gzip):
        with grpc.insecure_channel(address) as channel:
            ask_each(channel, compression)
    with grpc.insecure_channel(address) as channel, concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: ask_one(channel, number), range(1, 400)))


def main():
    job, host, port = sys.argv[1:4]
    {"serve": serve, "ask": ask}[job]("%s:%s" % (host, port))
    print(json.dumps(sorted(CALLS)), flush=True)


if __name__ == "__main__":
    main()
