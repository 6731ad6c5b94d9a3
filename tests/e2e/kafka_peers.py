"""kafka_peers - librdkafka's mock brokers, a producer and a consumer in one process, and what librdkafka counts.

    kafka_peers.py MESSAGES ACKS

Prints {"brokers": ...} when the brokers can be reached, does its work, waits
for a line on standard input, and prints per client the last statistics that
librdkafka gave: requests sent by name, and how many responses it received.
"""
import ctypes
import json
import sys
import time

LIBRARY = "librdkafka.so.1"
PRODUCER, CONSUMER = 0, 1
PARTITION_ANY = -1
V_END, V_TOPIC, V_VALUE = 0, 1, 4  # of rd_kafka_producev()
STATISTICS_MS = 100

lib = ctypes.CDLL(LIBRARY)
for name in ("rd_kafka_conf_new", "rd_kafka_new", "rd_kafka_handle_mock_cluster", "rd_kafka_topic_partition_list_new",
             "rd_kafka_consumer_poll", "rd_kafka_topic_partition_list_add"):
    getattr(lib, name).restype = ctypes.c_void_p
lib.rd_kafka_mock_cluster_bootstraps.restype = ctypes.c_char_p
Statistics = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.POINTER(ctypes.c_char), ctypes.c_size_t,
                              ctypes.c_void_p)


class Message(ctypes.Structure):
    _fields_ = [("err", ctypes.c_int), ("topic", ctypes.c_void_p), ("partition", ctypes.c_int32)]


class Handle:
    """A client, or a client with brokers inside."""

    def __init__(self, kind, **settings):
        self.statistics = None
        conf = ctypes.c_void_p(lib.rd_kafka_conf_new())
        error = ctypes.create_string_buffer(512)
        settings = {"statistics.interval.ms": STATISTICS_MS, "log_level": 2, **settings}
        for key, value in settings.items():
            if lib.rd_kafka_conf_set(conf, key.replace("_", ".").encode(), str(value).encode(), error, 512) != 0 and \
                    lib.rd_kafka_conf_set(conf, key.encode(), str(value).encode(), error, 512) != 0:
                sys.exit("%s: %s" % (key, error.value.decode()))

        def take(_rk, text, length, _opaque):
            self.statistics = json.loads(ctypes.string_at(text, length))
            return 0

        self.callback = Statistics(take)
        lib.rd_kafka_conf_set_stats_cb(conf, self.callback)
        made = lib.rd_kafka_new(kind, conf, error, ctypes.c_size_t(512))
        if not made:
            sys.exit("rd_kafka_new: %s" % error.value.decode())
        self.rk = ctypes.c_void_p(made)

    def counted(self):
        """Requests by name and responses, once the numbers have stopped changing."""
        last = None
        for _ in range(100):
            for _ in range(4):
                lib.rd_kafka_poll(self.rk, STATISTICS_MS // 2)
            requests, responses = {}, 0
            for broker in (self.statistics or {"brokers": {}})["brokers"].values():
                responses += broker["rx"]
                for name, count in broker["req"].items():
                    if count:
                        requests[name] = requests.get(name, 0) + count
            if requests and (requests, responses) == last:
                break
            last = requests, responses
        return {"requests": requests, "responses": responses}


def produce(handle, topic, messages):
    for number in range(messages):
        value = b"message %d" % number + b"." * (number % 500)
        while lib.rd_kafka_producev(handle.rk, ctypes.c_int(V_TOPIC), ctypes.c_char_p(topic), ctypes.c_int(V_VALUE),
                                    ctypes.c_char_p(value), ctypes.c_size_t(len(value)), ctypes.c_int(V_END)) != 0:
            lib.rd_kafka_poll(handle.rk, 10)
    if lib.rd_kafka_flush(handle.rk, 20000) != 0:
        sys.exit("not everything could be sent")


def consume(handle, topic, messages):
    topics = ctypes.c_void_p(lib.rd_kafka_topic_partition_list_new(1))
    lib.rd_kafka_topic_partition_list_add(topics, topic, PARTITION_ANY)
    lib.rd_kafka_subscribe(handle.rk, topics)
    lib.rd_kafka_poll_set_consumer(handle.rk)
    got, until = 0, time.monotonic() + 30
    while got < messages and time.monotonic() < until:
        at = lib.rd_kafka_consumer_poll(handle.rk, 100)
        if not at:
            continue
        got += ctypes.cast(at, ctypes.POINTER(Message)).contents.err == 0
        lib.rd_kafka_message_destroy(ctypes.c_void_p(at))
    return got


def main():
    messages, acks = int(sys.argv[1]), int(sys.argv[2])
    producer = Handle(PRODUCER, **{"test.mock.num.brokers": 2, "client.id": "producer", "acks": acks, "linger.ms": 20})
    cluster = ctypes.c_void_p(lib.rd_kafka_handle_mock_cluster(producer.rk))
    brokers = lib.rd_kafka_mock_cluster_bootstraps(cluster).decode()
    print(json.dumps({"brokers": brokers}), flush=True)
    sys.stdin.readline()
    produce(producer, b"orders", messages)
    consumer = Handle(CONSUMER, **{"bootstrap.servers": brokers, "client.id": "consumer", "group.id": "readers",
                                   "auto.offset.reset": "earliest"})
    consumed = consume(consumer, b"orders", messages)
    print(json.dumps({"consumed": consumed}), flush=True)
    sys.stdin.readline()
    told = {"producer": producer.counted()}
    # A consumer's poll also serves its statistics.
    for _ in range(8):
        lib.rd_kafka_consumer_poll(consumer.rk, STATISTICS_MS)
    requests, responses = {}, 0
    for broker in consumer.statistics["brokers"].values():
        responses += broker["rx"]
        for name, count in broker["req"].items():
            if count:
                requests[name] = requests.get(name, 0) + count
    told["consumer"] = {"requests": requests, "responses": responses}
    print(json.dumps(told), flush=True)


if __name__ == "__main__":
    main()
