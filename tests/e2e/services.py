"""services - what services say to each other, by real servers and clients: the pairs are those that they count themselves.

Answers, per protocol: is every exchange that the server (or client) counts a
pair with the same name, whatever the load and the way of speaking; is nothing
a pair that is none.

A protocol adds its server as a Server (words, a port to wait for) and compares
counted() of the records with the server's own count.
"""
import base64
import collections
import contextlib
import glob
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile

import support
from support import check, check_equal, test
from wire_support import SYSTEM_PATH, Lab, capture, check_same, need, until

ADDRESS = "10.83.0.2"  # of the lab's server
TIMEOUT = 90

# ---------------------------------------------------------------- servers and counts


class Server:
    """A server in the lab, in a folder of its own, ready when it listens on its port."""

    def __init__(self, lab, words, port, host="server", files=()):
        self.lab, self.words, self.port, self.host, self.files = lab, words, port, host, dict(files)

    def __enter__(self):
        need(self.words[0])
        self.folder = tempfile.mkdtemp(prefix="weir-service-")
        support.open_to_all(self.folder)
        for name, text in self.files.items():
            with open(os.path.join(self.folder, name), "w") as f:
                f.write(text.replace("FOLDER", self.folder))
        words = [word.replace("FOLDER", self.folder) for word in self.words]
        self.log = open(os.path.join(self.folder, "log"), "w+")
        self.process = subprocess.Popen(
            self.lab.words(self.host, shutil.which(words[0], path=SYSTEM_PATH), *words[1:]), stdin=subprocess.DEVNULL,
            stdout=self.log, stderr=self.log, cwd=self.folder)
        try:
            until(self.listens, 20, "%s listens" % words[0])
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *unused):
        support.stop(self.process)
        self.log.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def listens(self):
        if self.process.poll() is not None:
            self.log.seek(0)
            check(False, "%s left with status %r: %s" % (self.words[0], self.process.returncode, self.log.read()[-400:]))
        return listens_in(self.process.pid, self.port)


def listens_in(pid, port, kind="tcp"):
    """Does somebody listen on the port, where this process lives? By /proc: asking the port would be traffic."""
    for name in (kind, kind + "6"):
        with open("/proc/%d/net/%s" % (pid, name)) as f:
            if any(line.split()[1].endswith(":%04X" % port) and line.split()[3] in ("0A", "07") for line in f.readlines()[1:]):
                return True
    return False


def has_python(module):
    """The interpreter that has a module of Debian's: this one, or the system's; skipped where there is none."""
    for python in (sys.executable, "/usr/bin/python3"):
        if subprocess.run([python, "-c", "import " + module], stderr=subprocess.DEVNULL).returncode == 0:
            return python
    raise support.Skip("Python has no module " + module)


def counted(records, proto, key=lambda r: r["request"]["method"]):
    """How often each name (or whatever `key` says) among the records of a protocol that have a request."""
    return collections.Counter(key(r) for r in records if r["proto"] == proto and "request" in r)


def check_counts(found, wanted, what):
    check(found == wanted, "%s: %d records and %d counted by the other side; only here: %r; only there: %r" %
          (what, sum(found.values()), sum(wanted.values()), dict((found - wanted).items()), dict((wanted - found).items())))


def without_loss(run):
    """What is compared number by number must have been seen whole."""
    source = run.source()
    check(source.offered == source.received and not source.lost, "packets were lost: %r" % source)
    return run


def outcomes(records, proto):
    return collections.Counter(r["outcome"] for r in records if r["proto"] == proto)


# ---------------------------------------------------------------- Redis

REDIS = ("redis-server", "--port", "6379", "--bind", ADDRESS, "--save", "", "--protected-mode", "no", "--dir", "FOLDER",
         "--repl-diskless-sync-delay", "0")


def redis(lab, *words, host="client", text=None):
    """What redis-cli prints; `text`: commands, one a line, on one connection."""
    command = lab.words(host, shutil.which("redis-cli", path=SYSTEM_PATH), "-h", ADDRESS, *words)
    done = subprocess.run(command, input=text, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=TIMEOUT, text=True)
    check_equal(done.returncode, 0, "status of redis-cli %r: %s" % (words, done.stdout[-300:]))
    return done.stdout


def redis_counts(lab):
    """Calls by name, as the server counts them. Asked on the server itself, where nothing is captured."""
    text = redis(lab, "INFO", "commandstats", host="server")
    return collections.Counter({m.group(1).upper().replace("|", " "): int(m.group(2)) + int(m.group(3))
                                for m in re.finditer(r"cmdstat_([^:]+):calls=(\d+),.*?rejected_calls=(\d+)", text)})


@contextlib.contextmanager
def redis_captured():
    """(lab, captured): the lab with a server and a capture; captured() ends it and has (run, calls meanwhile)."""
    with Lab() as lab, Server(lab, REDIS, 6379), capture(lab, "af_packet") as live:
        need("redis-cli", "redis-benchmark")
        before = redis_counts(lab)

        def captured():
            run = without_loss(live.end())
            calls = redis_counts(lab) - before
            calls.subtract({"INFO": 1})
            return run, +calls

        yield lab, captured


@test
def every_command_that_redis_counts_is_a_pair():
    """Pipelines of 16 on 20 connections, small and large values."""
    with redis_captured() as (lab, captured):
        for size, number in ((3, 4000), (5000, 400)):
            lab.run("client", "redis-benchmark", "-h", ADDRESS, "-P", 16, "-c", 20, "-n", number, "-d", size, "-q", "-t",
                    "ping,set,get,incr,lpush,rpop,sadd,hset,spop,zadd,lrange_100,mset", timeout=TIMEOUT)
        run, calls = captured()
        check_counts(counted(run.pairs, "redis"), calls, "redis-benchmark")
        check_equal(set(outcomes(run.pairs, "redis")), {"paired"}, "outcomes")
        check(not any("anomaly" in r.get("flags", ()) for r in run.pairs), "anomalies in what redis-benchmark says")
        return "%d commands" % sum(calls.values())


@test
def every_kind_of_reply_has_its_code():
    script = ("SET a 1", "INCR a", "GET a", "GET none", "LPUSH a x", "NOSUCH", "HSET h f v", "HGETALL h", "SADD s m",
              "SMEMBERS s", "ZADD z 1.5 m", "ZSCORE z m", "MULTI", "SET b 2", "LPUSH a x", "EXEC", "CLIENT GETNAME",
              "EVAL \"return {1,{2,'x'}}\" 1 key", "EVAL \"return redis.error_reply('OWN it')\" 0", "DEBUG SLEEP 0")
    codes = {"2": ["OK", "integer", "bulk", "nil", "WRONGTYPE", "ERR", "integer", "array", "integer", "array", "integer",
                   "bulk", "OK", "QUEUED", "QUEUED", "array", "nil", "array", "OWN", None],
             "3": ["OK", "integer", "bulk", "nil", "WRONGTYPE", "ERR", "integer", "map", "integer", "set", "integer",
                   "double", "OK", "QUEUED", "QUEUED", "array", "nil", "array", "OWN", None]}
    for version in ("2", "3"):
        with redis_captured() as (lab, captured):
            redis(lab, "-" + version, text="\n".join(script) + "\n")
            run, calls = captured()
            pairs = [r for r in run.pairs if r["proto"] == "redis"]
            said = [r for r in pairs if r["request"]["method"] not in ("COMMAND DOCS", "COMMAND", "HELLO")]
            check_equal([r["request"]["method"].split()[0] for r in said], [s.split()[0] for s in script], "commands")
            for record, code, line in zip(said, codes[version], script):
                check_equal(record["response"]["code"], code or record["response"]["code"], "RESP%s, %s" % (version, line))
                check_equal(record.get("error", False), code in ("WRONGTYPE", "ERR", "OWN") or record["response"]["code"] == "ERR",
                            "error of %s" % line)
            check_equal(said[15]["response"]["errors"], 1, "errors inside EXEC's array")
            check_counts(counted([r for r in run.pairs if r["request"]["method"] not in ("NOSUCH",)], "redis"),
                         calls - collections.Counter(), "RESP" + version)


@test
def what_is_published_is_oneway_and_shifts_nothing():
    for version in ("-2", "-3"):
        with redis_captured() as (lab, captured):
            words = lab.words("client", shutil.which("redis-cli", path=SYSTEM_PATH), "-h", ADDRESS, version, "SUBSCRIBE", "a",
                              "b", "c")
            subscriber = subprocess.Popen(words, stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
            try:
                until(lambda: redis(lab, "PUBSUB", "NUMSUB", "c", host="server").split() == ["c", "1"], 10,
                      "somebody is subscribed")
                received = [int(redis(lab, "PUBLISH", channel, "message")) for channel in ("a", "b", "a", "none", "c")]
            finally:
                support.stop(subscriber)
            run, _ = captured()
            pushed = [r["request"]["target"] for r in run.pairs if r["outcome"] == "oneway"]
            check_equal(sorted(pushed), ["a", "a", "b", "c"], "channels of messages pushed to %s" % version)
            check_equal(sum(received), len(pushed), "messages that PUBLISH counted")
            asked = counted([r for r in run.pairs if r["outcome"] == "paired"], "redis")
            check_equal((asked["SUBSCRIBE"], asked["PUBLISH"]), (1, 5), "SUBSCRIBE and PUBLISH")
            check_equal(set(outcomes(run.pairs, "redis")), {"paired", "oneway"}, "outcomes")


@test
def a_master_speaks_to_its_replica():
    with redis_captured() as (lab, captured):
        replica = ("redis-server", "--port", "6380", "--save", "", "--dir", "FOLDER", "--replicaof", ADDRESS, "6379")
        redis(lab, "SET", "before", "1", host="server")
        with Server(lab, replica, 6380, host="client"):
            until(lambda: "state=online" in redis(lab, "INFO", "replication", host="server"), 30, "the replica is online")
            for number in range(20):
                redis(lab, "SET", "key%d" % number, "v" * 700, host="server")
            until(lambda: redis(lab, "WAIT", "1", "1000", host="server").strip() == "1", 10, "the replica has everything")
            run, _ = captured()
        sent = [r["request"]["target"] for r in run.pairs if r["outcome"] == "oneway" and r["request"]["method"] == "SET"]
        check_equal(sent, ["key%d" % n for n in range(20)], "commands of the master")
        asked = counted([r for r in run.pairs if r["outcome"] == "paired"], "redis")
        check_equal(asked["PSYNC"], 1, "PSYNC")
        check_equal(counted(run.pairs, "redis")["RDB"], 1, "snapshots")
        check(not any("anomaly" in r.get("flags", ()) for r in run.pairs), "anomalies")


# ---------------------------------------------------------------- HTTP/2

CERTIFICATE = ("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days",
               "2", "-subj", "/CN=server.example", "-keyout", "key.pem", "-out", "cert.pem")

NGINX_HTTP2 = """
daemon off; master_process off; worker_processes 1; error_log FOLDER/error.log crit; pid FOLDER/pid;
events { worker_connections 512; }
http {
  log_format pairs '$remote_port $server_port $request_method $request_uri $status';
  access_log FOLDER/access.log pairs;
  client_body_temp_path FOLDER/body; proxy_temp_path FOLDER/proxy; fastcgi_temp_path FOLDER/fastcgi;
  uwsgi_temp_path FOLDER/uwsgi; scgi_temp_path FOLDER/scgi;
  keepalive_requests 1000000;
  server {
    listen 10.83.0.2:8080 http2; listen 10.83.0.2:8081; MORE
    location / { return 200 "%s"; }
    location /missing { return 404; }
    location /moved { return 301 http://10.83.0.2/; }
  }
}
""" % ("b" * 2000)


@contextlib.contextmanager
def nginx(lab, more="", files=()):
    """nginx that speaks HTTP/2 on 8080; logged() ends it and has its log as pairs would say it."""
    with support.Folder() as made:
        for name, data in dict(files).items():
            made.file(name, data)
        words = ("nginx", "-e", "FOLDER/error.log", "-p", "FOLDER", "-c", "FOLDER/nginx.conf")
        conf = NGINX_HTTP2.replace("MORE", more.replace("CERTIFICATES", made.path))
        with Server(lab, words, 8080, files={"nginx.conf": conf}) as server:
            def logged():
                server.process.send_signal(signal.SIGQUIT)
                server.process.wait(support.patience(20))
                with open(os.path.join(server.folder, "access.log")) as f:
                    return collections.Counter(tuple(line.split()) for line in f)

            yield logged


def h2load(lab, *words):
    """(requests that succeeded, bytes of their bodies) as h2load counts them."""
    text = lab.run("client", "h2load", *words, timeout=TIMEOUT).stdout
    found = re.search(r"requests: \d+ total, \d+ started, (\d+) done, (\d+) succeeded, 0 failed", text)
    check(found and found.group(1) == found.group(2), "h2load: %s" % text[-600:])
    return int(found.group(2)), int(re.search(r"\((\d+)\) data$", text, re.M).group(1))


def check_nothing_odd(records):
    odd = [r for r in records if {"anomaly", "hpack_unknown"} & set(r.get("flags", ()))]
    check(not odd, "anomalies, or lines that are not known: %r" % odd[:1])


@test
def every_stream_that_h2load_counts_is_a_pair():
    need("h2load", "nghttpd")
    with Lab() as lab, support.Folder() as folder:
        folder.file("some", b"s" * 3000)
        folder.file("upload", b"u" * 5000)
        with Server(lab, ("nghttpd", "--no-tls", "-d", folder.path, "--address", ADDRESS, "8080"), 8080):
            with capture(lab, "af_packet") as live:
                requests, data = h2load(lab, "-n", 4000, "-c", 8, "-m", 32, "http://%s:8080/some" % ADDRESS)
                sent, _ = h2load(lab, "-n", 200, "-c", 2, "-m", 8, "-d", folder.path + "/upload",
                                 "http://%s:8080/some" % ADDRESS)
                run = without_loss(live.end())
    pairs = [r for r in run.pairs if r["proto"] == "http2"]
    check_equal(set(outcomes(pairs, "http2")), {"paired"}, "outcomes")
    check_counts(counted(pairs, "http2"), collections.Counter(GET=requests, POST=sent), "h2load")
    check_equal({r["response"]["code"] for r in pairs}, {"200"}, "codes")
    check_equal(sum(r["response"]["body_bytes"] for r in pairs if r["request"]["method"] == "GET"), data, "bytes of bodies")
    check_equal({r["request"]["body_bytes"] for r in pairs if r["request"]["method"] == "POST"}, {5000}, "bytes sent")
    check_nothing_odd(pairs)
    return "%d streams" % (requests + sent)


@test
def every_line_of_nginx_s_log_is_a_pair_of_http2():
    need("h2load", "curl", "nghttp")
    base = "http://%s:8080/" % ADDRESS
    with Lab() as lab, nginx(lab) as logged, capture(lab, "af_packet") as live:
        for target in ("one", "missing/two", "moved"):
            lab.run("client", "curl", "-s", "--http2-prior-knowledge", "-o", "/dev/null", base + target)
        lab.run("client", "curl", "-s", "--http2-prior-knowledge", "-o", "/dev/null", "-X", "DELETE", "-H",
                "X-Long: " + "l" * 7000, base + "long?a=b")
        lab.run("client", "nghttp", "-n", *(base + "nghttp%d" % k for k in range(20)))
        h2load(lab, "-n", 1500, "-c", 5, "-m", 10, base + "load")
        log = logged()
        run = without_loss(live.end())
    pairs = [r for r in run.pairs if r["proto"] == "http2"]
    check_same(pairs, log, "nginx")
    check_nothing_odd(pairs)
    return "%d streams" % len(pairs)


@test
def a_connection_that_upgrades_to_http2_is_followed():
    """nghttpx upgrades; behind it nginx speaks HTTP/1.1."""
    need("nghttpx", "curl", "nghttp")
    words = ("nghttpx", "--frontend=%s,3000;no-tls" % ADDRESS, "--backend=%s,8081" % ADDRESS, "--no-ocsp", "--workers=1",
             "--conf=/dev/null")
    base = "http://%s:3000/" % ADDRESS
    with Lab() as lab, nginx(lab), Server(lab, words, 3000), capture(lab, "af_packet") as live:
        lab.run("client", "curl", "-s", "--http2", "-o", "/dev/null", base + "first", "-o", "/dev/null", base + "second")
        lab.run("client", "nghttp", "-nu", *(base + "more%d" % k for k in range(5)))
        run = without_loss(live.end())
    check_equal(set(r["outcome"] for r in run.pairs), {"paired"}, "outcomes")
    found = sorted((r["proto"], r["request"]["target"], r["response"]["code"]) for r in run.pairs)
    targets = ["/first", "/second"] + ["/more%d" % k for k in range(5)]
    check_equal(sorted(t for _, t, _ in found), sorted(targets), "targets")
    check_equal({p for p, t, _ in found if t not in ("/first", "/more0")}, {"http2"}, "protocol behind the upgrade")
    check_equal({c for _, _, c in found}, {"200"}, "codes")


@test
def what_a_server_pushes_is_oneway():
    need("nghttpd", "nghttp")
    with Lab() as lab, support.Folder() as folder:
        folder.file("page", b"p" * 100)
        folder.file("style", b"s" * 777)
        words = ("nghttpd", "--no-tls", "-d", folder.path, "-p/page=/style", "--address", ADDRESS, "8080")
        with Server(lab, words, 8080), capture(lab, "af_packet") as live:
            lab.run("client", "nghttp", "-n", "http://%s:8080/page" % ADDRESS)
            run = without_loss(live.end())
    found = sorted((r["outcome"], r["request"]["target"]) for r in run.pairs)
    check_equal(found, [("oneway", "/style"), ("paired", "/page")], "exchanges")
    pushed = next(r for r in run.pairs if r["outcome"] == "oneway")
    check_equal((pushed["request"].get("pushed"), pushed["request"]["body_bytes"], "from_server" in pushed["flags"]),
                ("200", 777, True), "status, bytes, and who began")


# ---------------------------------------------------------------- gRPC


@test
def every_grpc_call_has_the_messages_and_the_code_that_both_sides_count():
    python, peers = has_python("grpc"), os.path.join(support.HERE, "grpc_peers.py")
    with Lab() as lab:
        server = subprocess.Popen(lab.words("server", python, peers, "serve", ADDRESS, 50051), stdin=subprocess.PIPE,
                                  stdout=subprocess.PIPE, text=True)
        try:
            until(lambda: listens_in(server.pid, 50051), 20, "the gRPC server listens")
            with capture(lab, "af_packet") as live:
                asked = json.loads(lab.run("client", python, peers, "ask", ADDRESS, 50051, timeout=TIMEOUT).stdout)
                run = without_loss(live.end())
            told, _ = server.communicate("", timeout=support.patience(20))
        finally:
            support.stop(server)
    answered = json.loads(told)
    records = [r for r in run.pairs if r["proto"] in ("grpc", "http2")]
    check_equal({(r["proto"], r["outcome"]) for r in records}, {("grpc", "paired")}, "protocols and outcomes")
    found = sorted([r["request"]["method"], r["response"]["code"], r["request"]["messages"], r["response"]["messages"]]
                   for r in records)
    check_equal(found, asked, "calls, as the client counts them")
    served = [call for call in found if not call[0].endswith("/NoSuch")]
    check_equal(served, answered, "calls, as the server counts them")
    failed = {r["request"]["method"].split("/")[1] for r in records if r.get("error")}
    check_equal(failed, {"Fail", "FailLate", "NoSuch"}, "calls that failed")
    check_equal({r["response"].get("message") for r in records if r["request"]["method"].endswith("/Fail")}, {"no such thing"},
                "what the server said")
    packed = [r for r in records if r["request"].get("compressed")]
    check_equal(sorted(r["request"]["method"].split("/")[1] for r in packed if r["request"]["messages"] > 1), ["Both", "Up"],
                "streams of compressed messages")
    check_nothing_odd(records)
    return "%d calls" % len(found)


# ---------------------------------------------------------------- DNS

UNBOUND = """
server:
  interface: 10.83.0.2
  access-control: 10.83.0.0/24 allow
  do-daemonize: no
  use-syslog: no
  chroot: ""
  username: ""
  directory: "FOLDER"
  pidfile: ""
  module-config: "iterator"
  num-threads: 1
  incoming-num-tcp: 100
  local-zone: "example." static
remote-control:
  control-enable: no
"""
NAMES = 200


def unbound_conf():
    data = ["  local-data: 'host%d.example. 60 IN A 192.0.2.%d'\n  local-data: 'host%d.example. 60 IN AAAA 2001:db8::%x'" %
            (k, k % 250 + 1, k, k) for k in range(NAMES)]
    data += ["  local-data: 'example. 60 IN MX 10 mail.example.'", "  local-data: 'example. 60 IN TXT \"%s\"'" % ("t" * 200)]
    return UNBOUND.replace("remote-control:", "\n".join(data) + "\nremote-control:")


def dns_questions():
    made = [("host%d.example" % k, "A") for k in range(NAMES)] + [("host%d.example" % k, "AAAA") for k in range(NAMES)]
    return made + [("none%d.example" % k, "A") for k in range(50)] + [("example", "MX"), ("example", "TXT")]


def dns_over(mode):
    rounds, questions = 5, dns_questions()
    need("unbound", "dnsperf")
    with Lab() as lab, support.Folder() as folder:
        asked = folder.file("questions", "".join("%s %s\n" % q for q in questions).encode())
        words = ("unbound", "-d", "-p", "-c", "FOLDER/unbound.conf")
        with Server(lab, words, 53, files={"unbound.conf": unbound_conf()}), capture(lab, "af_packet") as live:
            text = lab.run("client", "dnsperf", "-s", ADDRESS, "-d", asked, "-n", rounds, "-m", mode, "-c", 4, "-q", 50, "-Q",
                           3000, timeout=TIMEOUT).stdout
            run = without_loss(live.end())
    completed = int(re.search(r"Queries completed:\s+(\d+)", text).group(1))
    codes = collections.Counter({m[0]: int(m[1]) for m in re.findall(r"([A-Z]+) (\d+) \(", re.search(
        r"Response codes:(.*)", text).group(1))})
    pairs = [r for r in run.pairs if r["proto"] == "dns"]
    check_equal(completed, rounds * len(questions), "answers that dnsperf has: " + text[-500:])
    check_equal(set(outcomes(pairs, "dns")), {"paired"}, "outcomes")
    check_counts(counted(pairs, "dns", lambda r: (r["request"]["target"].rstrip("."), r["request"]["method"])),
                 collections.Counter({q: rounds for q in questions}), "names and types")
    check_counts(counted(pairs, "dns", lambda r: r["response"]["code"]), codes, "codes")
    return "%d answers" % completed


@test
def every_answer_that_dnsperf_counts_over_udp_is_a_pair():
    return dns_over("udp")


@test
def every_answer_that_dnsperf_counts_over_tcp_is_a_pair():
    return dns_over("tcp")


# ---------------------------------------------------------------- TLS


def certificate(folder):
    need("openssl")
    done = subprocess.run(CERTIFICATE, cwd=folder.path, capture_output=True, text=True, check=False)
    check_equal(done.returncode, 0, "status of openssl req: %s" % done.stderr[-300:])
    for name in ("key.pem", "cert.pem"):
        os.chmod(os.path.join(folder.path, name), 0o644)
    return os.path.join(folder.path, "cert.pem"), os.path.join(folder.path, "key.pem")


def s_client(lab, *words, status=0):
    command = lab.words("client", shutil.which("openssl", path=SYSTEM_PATH), "s_client", "-connect", ADDRESS + ":8443", "-ign_eof",
                        *words)
    done = subprocess.run(command, input="GET / HTTP/1.0\r\n\r\n", capture_output=True, text=True, check=False,
                          timeout=support.patience(TIMEOUT))
    check_equal(done.returncode != 0, status != 0, "s_client %r: %s" % (words, done.stderr[-300:]))
    return done.stdout


@test
def a_handshake_says_what_openssl_says_of_it():
    with Lab() as lab, support.Folder() as folder:
        cert, key = certificate(folder)
        session = os.path.join(folder.path, "session")
        words = ("openssl", "s_server", "-accept", "8443", "-cert", cert, "-key", key, "-www", "-alpn", "http/1.1,h2")
        said, resumed = [], []
        with Server(lab, words, 8443), capture(lab, "af_packet") as live:
            for version in ("-tls1_2", "-tls1_3"):
                name = "name%s.example" % version.replace("_", "")
                said.append(s_client(lab, version, "-servername", name, "-alpn", "h2", "-sess_out", session))
                said.append(s_client(lab, version, "-servername", name, "-alpn", "h2", "-sess_in", session))
            s_client(lab, "-tls1_3", "-alpn", "nothing", "-servername", "refused.example", status=1)
            run = without_loss(live.end())
    records = [r for r in run.pairs if r["proto"] == "tls"]
    check_equal(len(records), 5, "handshakes: %r" % [r["request"]["target"] for r in records])
    for text, record in zip(said, records):
        version, cipher = re.search(r"^(?:New|Reused), (TLSv1\.\d), Cipher is (\S+)$", text, re.M).groups()
        check_equal(record["response"]["code"], "%s %s" % (version[4:], cipher_name(record, cipher)), "version and cipher")
        check_equal(record["response"].get("alpn", ["h2"] if version == "TLSv1.3" else None), ["h2"], "protocol chosen")
        check_equal(bool(record["response"].get("resumed")), "\nReused, " in text, "resumed")
        resumed.append("\nReused, " in text)
    check_equal(resumed, [False, True, False, True], "sessions that openssl went on with")
    check_equal([r["request"]["target"] for r in records],
                ["name-tls12.example"] * 2 + ["name-tls13.example"] * 2 + ["refused.example"], "server names")
    check(records[4].get("error"), "a refused handshake is no error: %r" % records[4])
    check_equal("server.example" in records[0]["response"].get("subject", ""), True, "subject of the certificate")


def cipher_name(record, cipher):
    """The rest of the code: its name is the registry's, openssl's own for TLS 1.2."""
    name = record["response"]["code"].split(" ", 1)[1]
    plain = name.replace("TLS_", "").replace("_WITH", "").replace("AES_", "AES").replace("_", "-")
    return name if cipher in (name, plain) else cipher


@test
def every_connection_to_nginx_is_one_handshake_and_the_rest_is_counted():
    need("curl", "h2load")
    connections = 12
    with Lab() as lab, support.Folder() as folder:
        certificate(folder)
        with open(folder.path + "/cert.pem", "rb") as c, open(folder.path + "/key.pem", "rb") as k:
            files = {"cert.pem": c.read(), "key.pem": k.read()}
        more = ("listen 10.83.0.2:8443 ssl http2; ssl_certificate CERTIFICATES/cert.pem; "
                "ssl_certificate_key CERTIFICATES/key.pem;")
        with nginx(lab, more, files) as logged, capture(lab, "af_packet") as live:
            for k in range(10):
                lab.run("client", "curl", "-sk", "-o", "/dev/null", "--resolve", "curl.example:8443:" + ADDRESS,
                        "https://curl.example:8443/%d" % k)
            requests, data = h2load(lab, "-n", 600, "-c", connections, "-m", 10, "https://%s:8443/" % ADDRESS)
            log = logged()
            run = without_loss(live.end())
    check_equal(sum(log.values()), requests + 10, "lines of nginx's log")
    check_equal({(r["proto"], r["outcome"]) for r in run.pairs}, {("tls", "paired")}, "protocols and outcomes")
    by_curl = [r for r in run.pairs if r["request"].get("target") == "curl.example"]
    check_equal((len(by_curl), len(run.pairs)), (10, 10 + connections), "handshakes of curl, and all")
    check_equal((len({r["request"]["ja3"] for r in by_curl}), len({r["request"]["ja4"] for r in by_curl})), (1, 1),
                "fingerprints of curl")
    check_equal(len({r["request"]["ja3"] for r in run.pairs}), 2, "fingerprints of curl and h2load")
    opaque = run.ledger.count("opaque_bytes")
    check(opaque > data, "%d bytes are counted as opaque, %d were in the bodies alone" % (opaque, data))
    return "%d handshakes" % len(run.pairs)


# ---------------------------------------------------------------- QUIC


@test
def a_quic_connection_is_one_handshake():
    need("gtlsserver", "gtlsclient")
    with Lab() as lab, support.Folder() as folder:
        cert, key = certificate(folder)
        folder.file("page", b"p" * 3000)
        server = subprocess.Popen(lab.words("server", shutil.which("gtlsserver", path=SYSTEM_PATH), "-q", "-d", folder.path,
                                            ADDRESS, "4433", key, cert), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                  stderr=subprocess.DEVNULL)
        try:
            until(lambda: listens_in(server.pid, 4433, "udp"), 20, "gtlsserver listens")
            with capture(lab, "af_packet") as live:
                for _ in range(5):
                    lab.run("client", "gtlsclient", "-q", "--exit-on-all-streams-close", ADDRESS, 4433,
                            "https://quic.example/page")
                run = without_loss(live.end())
        finally:
            support.stop(server)
    check_equal({(r["proto"], r["outcome"]) for r in run.pairs}, {("quic", "paired")}, "protocols and outcomes")
    check_equal(collections.Counter(r["request"]["target"] for r in run.pairs), {"localhost": 5}, "server names")
    check_equal({tuple(r["request"]["alpn"])[0] for r in run.pairs}, {"h3"}, "protocol offered")
    check(run.ledger.count("datagrams:opaque") > 5 * 3000, "the rest is not counted as opaque: %r" % run.ledger.document)


# ---------------------------------------------------------------- Kafka

# As librdkafka counts requests, where its names are not the protocol's.
KAFKA_NAMES = {"ApiVersion": "ApiVersions"}


@contextlib.contextmanager
def kafka_peers(lab, messages, acks):
    """librdkafka's brokers and clients in one process on the lab's server: (next answer, go on)."""
    need("kcat")
    command = lab.words("server", sys.executable, os.path.join(support.HERE, "kafka_peers.py"), messages, acks)
    peers = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def answer():
        line = peers.stdout.readline()
        check(line, "kafka_peers.py ended: %s" % (peers.stderr.read()[-400:] if not line else ""))
        return json.loads(line)

    def go_on():
        peers.stdin.write("\n")
        peers.stdin.flush()

    try:
        yield answer, go_on
    finally:
        peers.stdin.close()
        support.stop(peers)
        peers.stdout.close()
        peers.stderr.close()


def kafka_run(acks, messages=1500):
    with Lab() as lab:
        lab.link("server", "set", "lo", "up")
        with capture(lab, "af_packet", interface="lo", host="server") as live, \
                kafka_peers(lab, messages, acks) as (answer, go_on):
            brokers = answer()["brokers"]
            go_on()
            consumed = answer()["consumed"]
            done = lab.run("server", "kcat", "-b", brokers, "-X", "client.id=kcat", "-C", "-t", "orders", "-e", "-q",
                           "-f", "%o\\n", timeout=TIMEOUT)
            go_on()
            told = answer()
            return live.end(), consumed, len(done.stdout.split()), told


def kafka_check(run, consumed, fetched, told, messages):
    check_equal((consumed, fetched), (messages, messages), "messages that librdkafka's consumer and kcat got")
    for client, counts in told.items():
        mine = [r for r in run.pairs if r["proto"] == "kafka" and r.get("request", {}).get("client_id") == client]
        wanted = collections.Counter({KAFKA_NAMES.get(n, n): c for n, c in counts["requests"].items()})
        found = counted(mine, "kafka")
        # What a consumer asks after its last statistics is not in them.
        late = found - wanted
        check(not wanted - found and set(late) <= {"Fetch", "Heartbeat", "OffsetCommit", "LeaveGroup", "Metadata"} and
              (client == "consumer" or not late), "%s: librdkafka counts %r, here are %r" % (client, dict(wanted), dict(found)))
        if client == "producer":
            # The mock brokers answer Produce with acks 0 too, which no broker does: nobody asked for those.
            silent = [r for r in mine if r["outcome"] == "oneway"]
            check_equal(outcomes(mine, "kafka")["paired"] + len(silent), counts["responses"], "responses to the producer")
            check_equal(outcomes(run.pairs, "kafka")["orphan"], len(silent), "orphans")
    wrong = [r for r in run.pairs if "anomaly" in r.get("flags", ())]
    check(not wrong, "a layout does not fit: %r" % wrong[:1])

    def records(half, method, client):
        return sum(r.get(half, {}).get("records", 0) for r in run.pairs
                   if r["proto"] == "kafka" and r.get("request", {}).get("method") == method and
                   r["request"].get("client_id") == client)

    check_equal(records("request", "Produce", "producer"), messages, "records produced")
    # A batch is fetched whole, and again if the consumer was in its middle.
    check(records("response", "Fetch", "kcat") >= messages, "records fetched by kcat")
    return dict(counted(run.pairs, "kafka"))


@test
def every_request_that_librdkafka_counts_is_a_pair():
    messages = 1500
    run, consumed, fetched, told = kafka_run(1, messages)
    return ", ".join("%s %d" % item for item in sorted(kafka_check(run, consumed, fetched, told, messages).items()))


@test
def what_wants_no_acknowledgement_is_oneway():
    messages = 1500
    run, consumed, fetched, told = kafka_run(0, messages)
    kafka_check(run, consumed, fetched, told, messages)
    produced = [r for r in run.pairs if r["proto"] == "kafka" and r.get("request", {}).get("method") == "Produce"]
    check_equal({r["outcome"] for r in produced}, {"oneway"}, "outcomes of Produce with acks 0")
    check(produced, "nothing was produced")


# ---------------------------------------------------------------- WebSocket


@test
def every_message_of_a_websocket_is_a_record():
    """Compressed and not, whole and in pieces, from both sides: the counts of python3-websockets."""
    connections, messages = 8, 60
    with Lab() as lab:
        lab.link("server", "set", "lo", "up")
        command = lab.words("server", "/usr/bin/python3", os.path.join(support.HERE, "websocket_peer.py"), str(connections),
                            str(messages))
        peer = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        try:
            if peer.stdout.readline().strip() != "ready":
                raise support.Skip("needs python3-websockets")
            with capture(lab, "af_packet", "--body-limit", "64k", interface="lo", host="server") as live:
                peer.stdin.write("\n")
                peer.stdin.flush()
                told = json.loads(peer.stdout.readline())
                run = without_loss(live.end())
        finally:
            peer.stdin.close()
            support.stop(peer)
            peer.stdout.close()
    mine = [r for r in run.pairs if r["proto"] == "websocket"]
    for side in ("client", "server"):
        said = [r for r in mine if ("from_server" in r.get("flags", ())) == (side == "server")]
        check_counts(counted(said, "websocket"), collections.Counter(told[side]), "messages of the " + side)
    check_equal(set(outcomes(mine, "websocket")), {"oneway"}, "outcomes")
    check(not any(set(r.get("flags", ())) - {"from_server"} for r in mine), "flags")
    check(not any("unfinished" in r["request"] for r in mine), "unfinished messages")
    check_equal({r["request"]["target"] for r in mine}, {"/room/%d?q=1" % n for n in range(connections)}, "paths")
    check_equal({r["request"]["subprotocol"] for r in mine}, {"chat"}, "subprotocols")
    for number in range(connections):
        one = [r["request"] for r in mine if r["request"]["target"] == "/room/%d?q=1" % number]
        closes = [(r["code"], r.get("reason")) for r in one if r["method"] == "CLOSE"]
        check_equal(closes, [(str(3000 + number), "done %d" % number)] * 2, "codes and reasons of both CLOSEs")
        data = [r for r in one if r["method"] in ("TEXT", "BINARY")]
        check_equal({r.get("compressed", 0) for r in data}, {number % 2}, "compressed messages of connection %d" % number)
        check_equal(sum("fragments" in r for r in data), sum(1 for i in range(messages) if i % 3 == 0), "messages in pieces")
        # Each message comes back, so each body is there twice; compressed ones as they were before.
        texts = collections.Counter(r["body"] for r in data if r["method"] == "TEXT")
        check_equal(texts, {"message %d " % i * (1 + i % 50): 2 for i in range(messages) if i % 4}, "texts")
        sizes = sorted(len(base64.b64decode(r["body_b64"])) for r in data if r["method"] == "BINARY")
        check_equal(sizes, sorted(256 * (1 + i) for i in range(messages) if i % 4 == 0 for _ in "12"), "bytes of binary messages")
    return "%d messages" % len(mine)


# ---------------------------------------------------------------- AMQP

# A client that counts what it does and what it gets, and prints the counts.
AMQP_CLIENT = """
import collections, json, sys, pika
counts = collections.Counter()
connection = pika.BlockingConnection(pika.ConnectionParameters(sys.argv[1], socket_timeout=30))
channel = connection.channel()
channel.queue_declare("jobs")
channel.exchange_declare("logs", "fanout")
channel.queue_bind("jobs", "logs")
for number in range(40):
    channel.basic_publish("logs", "", b"x" * (number * 500))
    counts["basic.publish oneway"] += 1
channel.confirm_delivery()
for number in range(30):
    channel.basic_publish("", "jobs", b"y" * number)
    counts["basic.publish paired"] += 1
try:
    channel.basic_publish("", "nowhere", b"z", mandatory=True)
except pika.exceptions.UnroutableError:
    counts["basic.return oneway"] += 1
    counts["basic.publish paired"] += 1
other = connection.channel()
other.basic_qos(prefetch_count=10)
for number, (method, properties, body) in enumerate(other.consume("jobs", inactivity_timeout=10)):
    counts["basic.deliver ACK"] += 1
    if number == 59:
        break
    if number % 10 == 9:
        other.basic_ack(method.delivery_tag, multiple=True)
other.basic_ack(method.delivery_tag, multiple=True)
other.cancel()  # gives back what was delivered ahead: at most ten
while other.basic_get("jobs", auto_ack=True)[0]:
    counts["basic.get get-ok"] += 1
counts["basic.get get-empty"] += 1
try:
    third = connection.channel()
    third.queue_declare("missing", passive=True)
except pika.exceptions.ChannelClosedByBroker as e:
    counts["queue.declare %d" % e.reply_code] += 1
connection.close()
print(json.dumps(counts))
"""


def rabbitmq(folder):
    """(words, environment) of a broker whose files are all in the folder."""
    found = sorted(glob.glob("/usr/lib/rabbitmq/lib/rabbitmq_server-*/sbin/rabbitmq-server"))
    if not found:
        raise support.Skip("rabbitmq-server is not installed")
    return found[-1], dict(
        os.environ, HOME=folder, RABBITMQ_NODENAME="weir@localhost", RABBITMQ_NODE_IP_ADDRESS=ADDRESS, RABBITMQ_NODE_PORT="5672",
        RABBITMQ_MNESIA_BASE=folder + "/data", RABBITMQ_LOG_BASE=folder, RABBITMQ_LOGS="-",
        RABBITMQ_CONFIG_FILE=folder + "/rabbitmq.conf", RABBITMQ_ENABLED_PLUGINS_FILE=folder + "/plugins",
        RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS="+S 1:1 +sbwt none")


@contextlib.contextmanager
def broker(lab):
    """RabbitMQ in the lab. What it starts besides itself (a port mapper) is known by its environment, and ended with it."""
    folder = tempfile.mkdtemp(prefix="weir-rabbitmq-")
    words, environment = rabbitmq(folder)
    for name, text in (("rabbitmq.conf", "loopback_users = none\n"), ("plugins", "[].\n")):
        with open(os.path.join(folder, name), "w") as f:
            f.write(text)
    lab.run("server", "ip", "link", "set", "lo", "up")
    with open(os.path.join(folder, "log"), "w") as log:
        process = subprocess.Popen(lab.words("server", words), stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment)
    try:
        until(lambda: listens_in(process.pid, 5672), TIMEOUT, "RabbitMQ listens")
        yield
    finally:
        for path in glob.glob("/proc/[0-9]*/environ"):
            try:
                with open(path, "rb") as f:
                    if folder.encode() in f.read():
                        os.kill(int(path.split("/")[2]), signal.SIGKILL)
            except OSError:
                pass
        process.wait()
        shutil.rmtree(folder, ignore_errors=True)


@test
def every_amqp_method_has_the_answer_that_the_client_had():
    """RabbitMQ and two clients: publishes with and without confirms, deliveries with acks of many, get, a missing queue."""
    with Lab() as lab, broker(lab), capture(lab, "af_packet") as live:
        need("amqp-publish", "amqp-get")
        done = lab.run("client", has_python("pika"), "-c", AMQP_CLIENT, ADDRESS,
                       timeout=TIMEOUT)
        wanted = collections.Counter(json.loads(done.stdout))
        url = "amqp://guest:guest@" + ADDRESS
        for number in range(5):
            lab.run("client", "amqp-publish", "-u", url, "-r", "jobs", "-b", "b%d" % number)
        for number in range(6):
            subprocess.run(lab.words("client", shutil.which("amqp-get", path=SYSTEM_PATH), "-u", url, "-q", "jobs"),
                           stdout=subprocess.DEVNULL, timeout=TIMEOUT)
        wanted.update({"basic.publish oneway": 5, "basic.get get-ok": 5, "basic.get get-empty": 1})
        run = without_loss(live.end())
        records = [r for r in run.pairs if r["proto"] == "amqp"]
        found = collections.Counter()
        for r in records:
            method, response = r["request"]["method"], r.get("response", {})
            if method == "basic.get":
                found["basic.get " + response["method"].split(".")[1]] += 1
            elif method == "queue.declare" and response["code"] != "OK":
                found["queue.declare " + response["code"]] += 1
            elif method in ("basic.publish", "basic.return"):
                found["%s %s" % (method, r["outcome"])] += 1
            elif method == "basic.deliver":
                found["basic.deliver " + response.get("code", "without answer")] += 1
        check(found.pop("basic.deliver REJECT", 0) <= 10, "more was given back than delivered ahead")
        check_counts(found, wanted, "AMQP")
        check_equal(set(outcomes(run.pairs, "amqp")), {"paired", "oneway"}, "outcomes")
        sizes = [r["request"]["body_bytes"] for r in records if r["request"]["method"] == "basic.publish"][:40]
        check_equal(sizes, [number * 500 for number in range(40)], "sizes of what was published")
        return "%d records" % len(records)


# ---------------------------------------------------------------- bodies


def fetch(lab, *words, urls):
    outputs = [word for url in urls for word in ("-o", "/dev/null", url)]
    lab.run("client", "curl", "-s", "-S", *words, *outputs, timeout=TIMEOUT)


@test
def encoded_bodies_are_told_as_they_were_before():
    """Each coding, alone and one in the other, chunked and not; what is too large is cut; a bomb costs the limit."""
    import content_server

    need("curl")
    if subprocess.run(["/usr/bin/python3", "-c", "import brotli, zstandard"], stderr=subprocess.DEVNULL).returncode != 0:
        raise support.Skip("needs python3-brotli and python3-zstandard")
    server = ("/usr/bin/python3", os.path.join(support.HERE, "content_server.py"), "8080")
    paths = ["/%s/%d" % (coding, size) for coding in ("gzip", "deflate", "raw", "br", "zstd", "gzip,br", "zstd,gzip")
             for size in (1, 999, 1000, 5000, 30000)]
    with Lab() as lab, Server(lab, server, 8080):
        with capture(lab, "af_packet", "--body-limit", "10000") as live:
            fetch(lab, urls=["http://%s:8080%s" % (ADDRESS, path) for path in paths + ["/bomb"]])
            fetch(lab, "-H", "Content-Type: application/json", "-d", '{"query":"mutation M { a }"}',
                  urls=["http://%s:8080/q" % ADDRESS])
            run = without_loss(live.end())
    found = {r["request"]["target"]: r for r in run.pairs if r["proto"] == "http"}
    check_equal(len(found), len(paths) + 2, "pairs")
    for path in paths:
        size = int(path.split("/")[-1])
        response, cut = found[path]["response"], size > 10000
        check_equal(response.get("body"), content_server.text(size)[:10000].decode(), "body of " + path)
        check_equal(response["decoded_bytes"], min(size, 10000), "decoded bytes of " + path)
        check_equal(found[path].get("flags", []), ["body_cut"] if cut else [], "flags of " + path)
    check_equal(found["/bomb"]["response"]["decoded_bytes"], 10000, "decoded bytes of the bomb")
    check_equal(found["/q"]["request"].get("graphql_operation"), "M", "operation of GraphQL")
    return "%d bodies" % len(paths)
