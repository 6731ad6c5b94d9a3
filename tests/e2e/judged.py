"""judged - records and verdicts brought into one form, protocol by protocol.

A verdict's row is `proto client server conn seq request response extra`. Each protocol here says how
such a row and a record of weir's become the same (request, response), where they say the same.
"""
import collections
import glob
import os

import support

def verdicts(kind):
    """(path of the capture, its name, path of the verdict) of every verdict of a kind."""
    folder = support.captures_folder()
    if folder is None:
        return
    for verdict in sorted(glob.glob(os.path.join(folder, "pcaps", "verdicts", "*." + kind))):
        name = os.path.basename(verdict)[:-len(kind) - 1].replace("~", "/")
        yield os.path.join(folder, "pcaps", name), name, verdict


def rows_of(path):
    with open(path, encoding="utf-8") as f:
        return [line.rstrip("\n").split("\t") for line in f if line.strip()]


# What one protocol needs to be judged: the verdicts' name, the names in records, and two functions.
# `by_connection` is false where verdict and weir do not agree on what a connection is: a flow of datagrams has no end.
Protocol = collections.namedtuple("Protocol", "name protos of_row of_record by_connection dissector")


def text(part, key):
    return support.escaped(support.exact(part, key))


# ---------------------------------------------------------------- http


def http_row(request, response, extra):
    return request, response


def http_record(record):
    request = support.request_text(record)
    if request != "-":
        request += " host=" + text(record["request"], "host")
    return request, support.code_of(record)


# ---------------------------------------------------------------- http2


# A call of gRPC is a record of its own protocol: the path and the status of gRPC are compared, and that its method is the path.


def http2_row(request, response, extra):
    words = extra.split(" ")
    if words[-1] == "grpc":
        status = [word for word in words if word.startswith("grpc-status=")]
        return request.replace("POST ", "grpc ", 1), status[0] if status else "-"
    return request.replace("(push)", ""), response


def http2_record(record):
    request, response = record.get("request"), record.get("response")
    told = support.request_text(record)
    if record["proto"] == "grpc" and request:
        path = text(request, "target")
        told = "grpc " + (path if path == "/" + text(request, "method") else told)
    if request:
        told += " host=" + text(request, "host")
    if not response or "code" not in response:
        return told, "-"
    return told, ("grpc-status=" if record["proto"] == "grpc" else "") + response["code"]


def upgrades_apart(records):
    """The request that upgrades to HTTP/2 is answered there, on stream 1. Verdicts call the 101 its answer, and the real one nobody's."""
    made = []
    for record in records:
        interim = record.get("response", {}).get("interim", [])
        if record["proto"] == "http" and record.get("stream") == 1 and interim[-1:] == ["101"]:
            made.append(dict(record, response={"code": "101"}))
            made.append({k: v for k, v in dict(record, proto="http2", outcome="orphan").items() if k != "request"})
        else:
            made.append(record)
    return made


# ---------------------------------------------------------------- dns

DNS_TYPES = {name: number for number, name in (
    (1, "A"), (2, "NS"), (5, "CNAME"), (6, "SOA"), (10, "NULL"), (11, "WKS"), (12, "PTR"), (13, "HINFO"), (14, "MINFO"), (15, "MX"),
    (16, "TXT"), (17, "RP"), (18, "AFSDB"), (28, "AAAA"), (29, "LOC"), (32, "NB"), (33, "SRV"), (35, "NAPTR"), (39, "DNAME"),
    (41, "OPT"), (43, "DS"), (46, "RRSIG"), (47, "NSEC"), (48, "DNSKEY"), (50, "NSEC3"), (65, "HTTPS"), (251, "IXFR"),
    (252, "AXFR"), (255, "ANY"))}
DNS_OPCODES = {"IQUERY": 1, "STATUS": 2, "NOTIFY": 4, "UPDATE": 5, "DSO": 6}
DNS_CODES = "NOERROR FORMERR SERVFAIL NXDOMAIN NOTIMP REFUSED YXDOMAIN YXRRSET NXRRSET NOTAUTH NOTZONE DSOTYPENI".split()


def number_of(word, names, prefix):
    return int(word[len(prefix):]) if word.startswith(prefix) and word[len(prefix):].isdigit() else names[word]


NETBIOS_NAMES = 137  # weir reads them as DNS, whose form they have; verdicts do not speak of them


def dns_row(request, response, extra):
    if "retx=" in extra:
        request += " " + extra[extra.index("retx="):].split()[0]
    return request, response


def dns_record(record):
    request, response, made = record.get("request"), record.get("response"), ["-", "-"]
    if request:
        name = text(request, "target").lower()
        made[0] = "id=0x%04x op=%d q=%s/%d" % (
            request["id"], number_of(request["opcode"], DNS_OPCODES, "OPCODE") if "opcode" in request else 0,
            "<Root>" if name == "." else name, number_of(request["method"], DNS_TYPES, "TYPE"))
        if "again" in request:
            made[0] += " retx=%d" % request["again"]
    if response:
        code = response["code"]
        made[1] = "rcode=%d answers=%d%s" % (
            DNS_CODES.index(code) if code in DNS_CODES else int(code.replace("RCODE", "")), response["answer_count"],
            " TC" if "tc" in response.get("flags", ()) else "")
    return tuple(made)


# ---------------------------------------------------------------- kafka

KAFKA_APIS = ("Produce Fetch ListOffsets Metadata LeaderAndIsr StopReplica UpdateMetadata ControlledShutdown OffsetCommit OffsetFetch "
              "FindCoordinator JoinGroup Heartbeat LeaveGroup SyncGroup DescribeGroups ListGroups SaslHandshake ApiVersions "
              "CreateTopics DeleteTopics DeleteRecords InitProducerId").split()


def kafka_row(request, response, extra):
    return request, response.split()[0] if response != "-" else "-"


def kafka_record(record):
    request, response, made = record.get("request"), record.get("response"), ["-", "-"]
    if request:
        made[0] = "api=%d v=%s corr=%d client=%s" % (
            KAFKA_APIS.index(request["method"]), record.get("version"), request["correlation_id"], text(request, "client_id"))
    if response:
        made[1] = "corr=%d" % response["correlation_id"]
    return tuple(made)


# ---------------------------------------------------------------- redis

REDIS_KEYLESS = {"FAKE", "FAKE2", "AUTH", "CLIENT", "PING", "RESET", "HELLO", "INFO", "SELECT"}


def redis_row(request, response, extra):
    if request not in ("-", "(push)"):
        words = request.split(" ")
        request = words[0].upper()
        if request not in REDIS_KEYLESS and len(words) > 1:
            request += " " + words[1]
    if request == "(push)":
        return request, response.split(":")[0]
    kind = {":": "integer", "$": "bulk"}
    if response[:1] in "+-" and len(response) > 1:
        response = response[1:].split(" ")[0]
    elif response[:1] in kind:
        response = kind[response[0]]
    elif response.startswith("array"):
        response = "array"
    return request, response


def redis_record(record):
    request, response = "-", support.code_of(record)
    if record["outcome"] == "oneway":
        response = "(none)"
    if "request" in record:
        request = text(record["request"], "method").split(" ")[0]
        if "from_server" in record.get("flags", ()):
            return "(push)", "%s" % text(record["request"], "method")
        if request not in REDIS_KEYLESS and record["request"].get("target") is not None:
            request += " " + text(record["request"], "target").split(" ")[0]
    return request, response


# ---------------------------------------------------------------- amqp


def amqp_row(request, response, extra):
    return request.split(" ")[0], response.split(" ")[0]


def amqp_record(record):
    request = record.get("request")
    response = record.get("response")
    return (text(request, "method") if request else "-",
            "(one-way)" if record["outcome"] == "oneway" else text(response, "method") if response else "-")


# ---------------------------------------------------------------- tls

TLS_VERSIONS = {"1.3-draft18": "0x7f12", "1.0": "0x0301", "1.1": "0x0302", "1.2": "0x0303", "1.3": "0x0304", "SSL 3.0": "0x0300", "3.0": "0x0300"}


def tls_row(request, response, extra):
    return request, response


def tls_record(record):
    request, response, made = record.get("request"), record.get("response"), ["-", "-"]
    if request:
        made[0] = "CH sni=%s ja3=%s" % (text(request, "target"), request.get("ja3", ""))
    if response and response.get("cipher"):
        made[1] = "SH ver=%s cipher=%s ja3s=%s" % (
            TLS_VERSIONS.get(response["code"].split(" ")[0], response["code"]), response["cipher"], response.get("ja3s", ""))
    return tuple(made)


PROTOCOLS = (
    Protocol("http", ("http",), http_row, http_record, True, "http1"),
    Protocol("http2", ("http2", "grpc"), http2_row, http2_record, True, "http2"),
    Protocol("dns", ("dns",), dns_row, dns_record, False, "dns"),
    Protocol("kafka", ("kafka",), kafka_row, kafka_record, True, "kafka"),
    Protocol("resp", ("redis",), redis_row, redis_record, True, "redis"),
    Protocol("amqp", ("amqp",), amqp_row, amqp_record, True, "amqp"),
    Protocol("tls", ("tls",), tls_row, tls_record, True, "tls"),
)


# ---------------------------------------------------------------- both in one form


def ranked(rows):
    """Requests numbered anew on each connection, orphans without a number: tools differ in how they count those."""
    groups = collections.defaultdict(list)
    for client, server, conn, seq, request, response in rows:
        groups[client, server, conn].append((seq, request, response))
    made = []
    for key, group in groups.items():
        rank = 0
        for _, request, response in sorted(group, key=lambda row: row[0]):
            if request == "-":
                made.append(key + (-1, request, response))
            else:
                made.append(key + (rank, request, response))
                rank += 1
    return sorted(made)


def without_connections(rows):
    return sorted((client, server, 0, 0 if request != "-" else -1, request, response)
                  for client, server, _, _, request, response in rows)


def of_verdict(protocol, rows):
    made = [(r[1], r[2], int(r[3]), int(r[4])) + tuple(protocol.of_row(r[5], r[6], r[7] if len(r) > 7 else ""))
            for r in rows if r[0] == protocol.name]
    return ranked(made) if protocol.by_connection else without_connections(made)


def is_judged(protocol, record):
    if protocol.name == "dns" and NETBIOS_NAMES in (record["client"]["port"], record["server"]["port"]):
        return False
    return record["proto"] in protocol.protos


def of_records(protocol, records):
    rows, ordinals = [], collections.Counter()
    for group in support.by_connection([r for r in upgrades_apart(records) if is_judged(protocol, r)]):
        ends = support.endpoint(group[0]["client"]), support.endpoint(group[0]["server"])
        conn = ordinals[ends]
        ordinals[ends] += 1
        for position, record in enumerate(group):
            rows.append(ends + (conn, position) + tuple(protocol.of_record(record)))
    return ranked(rows) if protocol.by_connection else without_connections(rows)


def difference(these, those):
    left = collections.Counter(these)
    left.subtract(collections.Counter(those))
    return sorted(row for row, times in left.items() for _ in range(times))
