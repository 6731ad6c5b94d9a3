"""websocket_peer - a server and clients of websockets in one process, on the loopback: python3 websocket_peer.py CONNECTIONS MESSAGES.

Waits for a line, does everything, prints as JSON what each side has received and sent, by kind. Every second connection is
compressed; every third message goes in pieces.
"""
import asyncio
import collections
import json
import sys

import websockets

CONNECTIONS, MESSAGES = int(sys.argv[1]), int(sys.argv[2])
sent = {"client": collections.Counter(), "server": collections.Counter()}


def kind(message):
    return "BINARY" if isinstance(message, bytes) else "TEXT"


async def serve(connection, path=None):
    try:
        async for message in connection:
            sent["server"][kind(message)] += 1
            await connection.send(message)
    except websockets.exceptions.ConnectionClosed as end:
        sent["server"]["CLOSE"] += end.sent is not None


async def speak(number):
    uri = "ws://127.0.0.1:8765/room/%d?q=1" % number
    async with websockets.connect(uri, compression="deflate" if number % 2 else None, subprotocols=["chat"],
                                  ping_interval=None) as connection:
        for i in range(MESSAGES):
            message = "message %d " % i * (1 + i % 50) if i % 4 else bytes(range(256)) * (1 + i)
            pieces = [message[:5], message[5:], message[:0]] if i % 3 == 0 else message
            sent["client"][kind(message)] += 1
            await connection.send(pieces)
            assert await connection.recv() == message
        await (await connection.ping())
        sent["client"]["PING"] += 1
        sent["server"]["PONG"] += 1
        await connection.close(code=3000 + number, reason="done %d" % number)
        sent["client"]["CLOSE"] += 1


async def main():
    async with websockets.serve(serve, "127.0.0.1", 8765, subprotocols=["chat"], ping_interval=None):
        print("ready", flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
        await asyncio.gather(*(speak(n) for n in range(CONNECTIONS)))
    print(json.dumps(sent), flush=True)


asyncio.run(main())
