"""expected - what other analysers say of the same captures, read from their own files, against weir's records.

Answers: do DeepFlow's `.result`, Zeek's logs and Suricata's expectations agree with weir? Each judge is a function from its
file to lines `(protocol, line)`; a line has only what both sides say, and the same line is made of each record. What is
compared, by judge and protocol:

    DeepFlow   redis     command and key; error text            kafka  API, version, correlation id, client, topic; code
               dns       id, type, name; code, answers          grpc   path, host; status, gRPC's status
               amqp      every method in order, with its channel
    Zeek       redis     command, success, the reply's word     dns    id, name, type; code         tls    server name
    Suricata   dns       number of requests and responses       tls    server name     websocket    messages by side and opcode

Left alone: what Suricata expects of HTTP/2 is signatures over headers and frames, and DNS inside HTTP/2.
"""
import collections
import glob
import json
import os
import re

import support
from judged import DNS_CODES, number_of, DNS_TYPES
from support import add_test, check

# (capture, judge, protocol, what is not the same and why, packets)
EXCEPTIONS = (
    ("ipv6-fragmented-dns.pcap", "Zeek", "dns", "a request that is repeated before its answer is one request here, which says how often", "3 to 5"),
    ("excessive-pipelining.pcap", "Zeek", "redis", "it gives up naming commands behind the fifth that waits", "5 and 7"),
    ("pubsub.pcap", "Zeek", "redis", "the array that confirms a subscription is its answer here and a push there", "3 and 7"),
    ("tls-12-amazon-rds.pcap", "Zeek", "tls", "TLS begins inside a connection of MySQL, which weir does not read", "4 to 10"),
    ("tcp-fastopen-10-syn-data-ignore/input.pcap", "Suricata", "tls", 
     "one connection with one ServerHello, as the verdict has it too; Suricata makes two flows of it", "18 and 25"),
)


def exception(capture, judge, protocol):
    return next(("%s (packets: %s)" % (why, packets) for part, who, what, why, packets in EXCEPTIONS
                 if part in capture and who == judge and what == protocol), None)


# ---------------------------------------------------------------- DeepFlow


def rust_value(line, key):
    """A field of a structure as Rust prints it: its text, number or name; None where it says None."""
    found = re.search(r'[ {]%s: (?:Some\()?(?:"((?:[^"\\]|\\.)*)"|(-?\w+))' % key, line)
    value = found and (found.group(1) if found.group(1) is not None else found.group(2))
    return None if value == "None" else value


def deepflow(path):
    with open(path, encoding="utf-8") as f:
        for line in f.read().splitlines():
            kind = line.split(" ")[0]
            told = None
            if kind in ("RedisInfo", "KafkaInfo", "AmqpInfo", "HttpInfo"):
                told = DEEPFLOW[kind](line)
            elif "is_dns" in line:
                told = deepflow_dns(json.loads(line[:line.rindex("}") + 1]))
            if told:
                yield told


def deepflow_redis(line):
    if rust_value(line, "request"):
        return "redis", "request " + rust_value(line, "request").upper()
    return "redis", "response %s" % rust_value(line, "error")


def deepflow_kafka(line):
    values = [rust_value(line, k) for k in ("api_key", "api_version", "correlation_id")]
    if rust_value(line, "msg_type") == "Request":
        return "kafka", "request %s v%s %s client=%s topic=%s" % (*values, rust_value(line, "client_id"), rust_value(line, "topic_name"))
    return "kafka", "response %s v%s %s code=%s" % (*values, rust_value(line, "status_code"))


def deepflow_amqp(line):
    if rust_value(line, "frame_type") != "Method":
        return None
    return "amqp", "%s %s.%s" % (rust_value(line, "channel_id"), rust_value(line, "class_id"), rust_value(line, "method_id"))


def deepflow_http(line):
    if rust_value(line, "proto") != "Grpc" or rust_value(line, "method") not in ("_RequestHeader", "_ResponseHeader"):
        return None
    if rust_value(line, "msg_type") == "Request":
        return "grpc", "request %s host=%s" % (rust_value(line, "path"), rust_value(line, "host"))
    status = rust_value(line, "grpc_status_code")
    return ("grpc", "response %s" % status) if status is not None else None


def deepflow_dns(said):
    text = "%s %d %s %s" % (said["msg_type"].lower(), said["request_id"], said["request_type"], said["request_resource"])
    if said["msg_type"] == "Response":
        text += " rcode=%d %s" % (said["response_code"], re.sub(r" TTL=\d+", "", said.get("response_result", "")))
    return "dns", text.rstrip()


DEEPFLOW = {"RedisInfo": deepflow_redis, "KafkaInfo": deepflow_kafka, "AmqpInfo": deepflow_amqp, "HttpInfo": deepflow_http}


def camel(method):
    """queue.bind-ok is Queue.BindOk."""
    return ".".join("".join(word.capitalize() for word in part.split("-")) for part in method.split("."))


def of_deepflow(record):
    request, response, proto = record.get("request"), record.get("response"), record["proto"]
    if proto == "redis":
        if request:
            yield proto, "request " + " ".join((request["method"] + " " + request.get("target", "")).upper().split())
        if response:
            yield proto, "response -" + response["reason"] if "reason" in response else "response None"
    if proto == "kafka":
        what = "%s v%s %d" % (request["method"], record["version"], request["correlation_id"])
        yield proto, "request %s client=%s topic=%s" % (what, request.get("client_id"), request.get("target", ""))
        if response:
            yield proto, "response %s code=%s" % (what, {"NONE": "0"}.get(response["code"], response["code"]))
    if proto == "amqp":
        for part in (request, response):
            if part and "method" in part:
                yield proto, "%d %s" % (record["stream"], camel(part["method"]))
    if proto == "grpc":
        yield proto, "request %s host=%s" % (request["target"], request["host"])
        if response:
            yield proto, "response %s" % response["code"]
    if proto == "dns":
        for word, part in (("request", request), ("response", response)):
            if part:
                told = "%s %d %s %s" % (word, part["id"], part["method"], part["target"])
                if part is response:
                    told += " rcode=%d %s" % (DNS_CODES.index(part["code"]), ", ".join(
                        "=".join(answer.split(" ")[1:3]) for answer in part.get("answers", ())))
                yield proto, told.rstrip()


# ---------------------------------------------------------------- Zeek


def zeek_rows(path):
    """The rows of a log as dictionaries."""
    names = []
    with open(path, encoding="utf-8") as f:
        for line in f.read().splitlines():
            if line.startswith("#fields"):
                names = line.split("\t")[1:]
            elif line[:1] != "#":
                yield dict(zip(names, line.split("\t")))


def ends(row):
    return " ".join(row["id." + k] for k in ("orig_h", "orig_p", "resp_h", "resp_p"))


def zeek(path):
    for row in zeek_rows(path):
        if os.path.basename(path).startswith("redis") and row["cmd.name"] != "-":
            reply = row["reply.value"]
            word = reply if re.fullmatch("[A-Z]+", reply) else "(none)" if reply == "-" else "(value)"
            yield "redis", "%s %s %s" % (ends(row), row["cmd.name"].upper(), word)
        elif os.path.basename(path).startswith("dns"):
            yield "dns", "%s %s %s/%s %s" % (ends(row), row["trans_id"], row["query"], row["qtype"],
                                            row["rcode"] if row["rcode"] != "-" else "(none)")
        elif "ssl" in os.path.basename(path):
            yield "tls", "%s sni=%s" % (ends(row), row["server_name"])


def of_zeek(record):
    request, response, proto = record.get("request"), record.get("response"), record["proto"]
    ports = "%s %d %s %d" % (record["client"]["ip"], record["client"]["port"], record["server"]["ip"], record["server"]["port"])
    if proto == "redis" and request and "from_server" not in record.get("flags", ()):
        code = response["code"] if response else "(none)"
        yield proto, "%s %s %s" % (ports, request["method"].split(" ")[0], code if re.fullmatch(r"[A-Z]+|\(none\)", code) else "(value)")
    if proto == "dns" and request:
        yield proto, "%s %d %s/%d %s" % (ports, request["id"], request["target"], number_of(request["method"], DNS_TYPES, "TYPE"),
                                         DNS_CODES.index(response["code"]) if response else "(none)")
    if proto == "tls" and request:
        yield proto, "%s sni=%s" % (ports, request.get("target") or "-")


# ---------------------------------------------------------------- Suricata


def suricata(path):
    """Events that are counted: by type and one more word where the expectation has one that weir says too."""
    count, wanted, inside, rules = 0, {}, False, {}
    if os.path.exists(os.path.join(os.path.dirname(path), "test.rules")):
        with open(os.path.join(os.path.dirname(path), "test.rules"), encoding="utf-8") as f:
            rules = {found.group(1): line for line in f for found in [re.search(r"sid: ?(\d+)", line)] if found}
    with open(path, encoding="utf-8") as f:
        lines = f.read().splitlines()
    for line in lines + ["- filter:"]:
        if line.strip().startswith("- filter:"):
            yield from suricata_event(wanted, count, rules.get(wanted.get("alert.signature_id"), ""))
            count, wanted, inside = 0, {}, False
        elif line.strip().startswith("count:"):
            count = int(line.split(":")[1])
        elif line.strip().startswith("lt-version:"):
            inside, wanted = False, {"older": "yes"}  # what versions of before said
        elif line.strip() == "match:":
            inside = not wanted
        elif inside and ":" in line:
            key, _, value = line.strip().partition(":")
            wanted[key.strip()] = value.strip().strip('"')


def suricata_event(wanted, count, rule):
    opcode = re.search(r"flow:established,(\w+); websocket\.opcode:(\w+);", rule)
    if opcode:
        yield from [("websocket", " ".join(opcode.groups()))] * count
    if wanted.get("dns.type") in ("request", "response") and set(wanted) <= {"event_type", "dns.type"}:
        yield from [("dns", wanted["dns.type"])] * count
    if wanted.get("event_type") == "tls" and "tls.sni" in wanted:
        yield from [("tls", "sni=" + wanted["tls.sni"])] * count


def of_suricata(record):
    if record["proto"] == "dns":
        yield from [("dns", part) for part in ("request", "response") if part in record]
    if record["proto"] == "websocket":
        yield "websocket", "%s %s" % ("to_client" if "from_server" in record.get("flags", ()) else "to_server",
                                      record["request"]["method"].lower())
    if record["proto"] == "tls" and "request" in record:
        yield "tls", "sni=" + record["request"].get("target", "")


# ---------------------------------------------------------------- who judges which capture

# An expectation of Suricata speaks of some events only; the others list all there are.
Judge = collections.namedtuple("Judge", "name expected of_record speaks_of")
DEEPFLOW_JUDGE, ZEEK_JUDGE, SURICATA_JUDGE = (
    Judge("DeepFlow", deepflow, of_deepflow, lambda told, wanted: True), Judge("Zeek", zeek, of_zeek, lambda told, wanted: True),
    Judge("Suricata", suricata, of_suricata, lambda told, wanted: told in wanted))

# Which capture a log of Zeek is of, is in the script of its test.
ZEEK_CAPTURES = re.compile(r"\$TRACES/(\S+)")


def agrees(judge, path, capture, name):
    def another_judge_says_the_same():
        wanted = list(judge.expected(path))
        protocols = {protocol for protocol, _ in wanted}
        records = support.once.read(capture).check_status(support.DONE, support.DAMAGED).pairs
        found = [told for record in records for told in judge.of_record(record) if told[0] in protocols]
        notes, failures = [], []
        for protocol in sorted(protocols):
            missing = collections.Counter(t for p, t in wanted if p == protocol)
            extra = collections.Counter(t for p, t in found if p == protocol and judge.speaks_of(t, missing))
            both = sum((missing & extra).values())
            why = exception(name, judge.name, protocol)
            notes.append("%s  %s %d  found %d  exact %d%s" % (protocol, judge.name, sum(missing.values()), sum(extra.values()), both,
                                                             ": " + why if why else ""))
            if missing != extra and not why:
                failures.append("missing %r; extra %r" % (list((missing - extra).elements())[:3], list((extra - missing).elements())[:3]))
            check(missing != extra or not why, "there is no need for the exception any more: " + str(why))
        check(not failures, "; ".join(notes + failures))
        return "; ".join(notes)

    return another_judge_says_the_same


def judgements():
    """(judge, its file, capture, name) of all there are."""
    folder = os.path.join(support.captures_folder() or "/nonexistent", "pcaps")
    expected = os.path.join(folder, "expected")
    for path in sorted(glob.glob(os.path.join(expected, "deepflow*", "**", "*.result"), recursive=True)):
        yield DEEPFLOW_JUDGE, path, os.path.join(folder, os.path.relpath(path, expected))[:-len("result")] + "pcap"
    for path in sorted(glob.glob(os.path.join(expected, "OISF*", "**", "test.yaml"), recursive=True)):
        for capture in sorted(glob.glob(os.path.join(folder, os.path.relpath(os.path.dirname(path), expected), "*.pcap*"))):
            yield SURICATA_JUDGE, path, capture
    base = os.path.join(expected, "zeek+zeek", "testing", "btest")
    for path in sorted(glob.glob(os.path.join(base, "Baseline", "*", "*.log"))):
        test = os.path.basename(os.path.dirname(path)).split(".")
        for script in glob.glob(os.path.join(base, *test[:-1], test[-1] + ".*")):
            with open(script, encoding="utf-8", errors="replace") as f:
                captures = sorted(set(ZEEK_CAPTURES.findall(f.read())))
            if len(captures) > 1:  # the log's name begins as its capture's
                word = os.path.basename(path).split(".")[0]
                captures = [c for c in captures if os.path.basename(c).startswith(word)]
            if len(captures) == 1:
                yield ZEEK_JUDGE, path, os.path.join(folder, "zeek+zeek", "testing", "btest", "Traces", captures[0])


def register():
    for judge, path, capture in judgements():
        if os.path.exists(capture) and next(iter(judge.expected(path)), None):
            name = os.path.relpath(capture, os.path.join(support.captures_folder(), "pcaps"))
            add_test("conformance", "%s_says_the_same %s" % (judge.name, name), agrees(judge, path, capture, name))
    if support.captures_folder() is None:
        add_test("conformance", "other_judges_say_the_same", support.need_captures)


register()
