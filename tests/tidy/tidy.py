#!/usr/bin/env python3
"""tidy - facts about the tree that a reader relies on and a compiler does not check.

    tidy.py [--json FILE]

Each check says what is wrong, where, and what to do instead. Facts, not
taste: layout belongs to clang-format.
"""
import argparse
import glob
import json
import os
import re
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
CODE = ("bpf", "dataplane", "dissectors", "control")
STAGES = ("rx", "decode", "flow", "reassembly", "dissect", "pair", "emit")
COLUMNS, TAB = 100, 8

# Sources without a file of unit tests, and where they are tested instead.
TESTED_ELSEWHERE = {
    "control/bench/backends.c": "options, and the order of things; tests/e2e/bench.py",
    "control/bench/gates.c": "joins parts that have their tests; tests/e2e/bench.py",
    "control/bench/load_command.c": "options to one call; tests/e2e/bench.py",
    "control/bench/modes.c": "joins parts that have their tests; tests/e2e/bench.py",
    "control/bench/plot_logs.c": "a picture and a page from logs; tests/e2e/bench.py",
    "control/daemon/main.c": "set-up only; every end-to-end run passes through it",
    "control/bench/tracepoint.c": "test_machine.c and test_measure.c count by it, where it may be read",
    "control/weir/bench.c": "the table of benchmarks; tests/e2e/bench.py",
    "control/weir/capture.c": "joins parts that have their tests; tests/e2e/live.py and refusals.py",
    "control/weir/check.c": "options to calls that have their tests; tests/e2e/check.py",
    "control/weir/launch.c": "joins parts that have their tests; tests/e2e/cli.py, lifecycle.py and live.py",
    "control/weir/lab.c": "options and words; tests/e2e/lab.py",
    "control/weir/main.c": "the table of commands; tests/e2e/cli.py",
    "control/weir/send.c": "options to one call; tests/e2e/send.py",
    "control/bench/micro.c": "asks and shows; tests/e2e/bench.py",
    "control/bench/micro/counting.c": "test_measure.c: every kind of allocation, to the last one",
    "control/bench/micro/main.c": "tests/e2e/bench.py runs every benchmark",
    "control/bench/micro/decode.c": "compares what it did with the ledger; tests/e2e/bench.py",
    "control/bench/micro/dissect.c": "the same",
    "control/bench/micro/emit.c": "the same",
    "control/bench/micro/flow.c": "the same",
    "control/bench/micro/hash.c": "the same",
    "control/bench/micro/identify.c": "the same",
    "control/bench/micro/jsonl.c": "the same",
    "control/bench/micro/pair.c": "the same",
    "control/bench/micro/pipeline.c": "the same",
    "control/bench/micro/reassembly.c": "the same",
    "control/bench/micro/ring.c": "the same",
    "control/weir/read.c": "joins parts that have their tests; tests/e2e/cli.py and lifecycle.py",
    "dataplane/main.c": "set-up only; every end-to-end run passes through it",
    "control/weir/dissectors.c": "prints the registry; tests/e2e/cli.py",
    "control/weir/help.c": "tests/e2e/cli.py reads every page",
    "dataplane/rx/codec.c": "the list; test_stream.c reads through it",
    "dataplane/rx/dpdk_device.c": "test_dpdk.c: devices of all kinds that need nothing; tests/e2e/dpdk.py the others",
    "dataplane/rx/dpdk_eal.c": "test_dpdk.c runs it; tests/e2e/dpdk.py its log, its pages and what is left behind",
    "dataplane/rx/dpdk_feed.c": "test_dpdk.c: rounds, queues, new flows, the stop",
    "dataplane/rx/gzip.c": "test_stream.c: whole, cut, corrupt, several members",
    "dataplane/rx/zstd.c": "test_stream.c: whole, cut, corrupt, several frames",
    "dataplane/rx/inputs.c": "test_file.c: folders, several files, standard input, what is refused",
    "dissectors/tls_hello.c": "test_tls.c: hellos, certificates, and lengths in them that lie",
    "dataplane/setup.c": "settings to sizes; every end-to-end run, robustness.py for what cannot be opened",
}

# Which folder may include what, beside its own headers. The longest matching folder counts.
BASE, SHM, LEDGER = "dataplane/base/", "dataplane/shm/", "dataplane/ledger.h"
STAGE = (BASE, SHM, LEDGER, "dataplane/burst.h", "dataplane/stage.h")
MAY_INCLUDE = {
    "dataplane/base": (),
    "dataplane/shm": (BASE, LEDGER),
    "dataplane/rx": STAGE + ("bpf/shared.h", "bpf/steer_skel.h"),
    "dataplane/decode": STAGE + ("dataplane/flow/key.h", "dataplane/flow/path.h"),
    "dataplane/flow": STAGE + ("dissectors/dissector.h",),
    "dataplane/reassembly": STAGE + ("dataplane/flow/flow.h", "dataplane/flow/key.h", "dataplane/emit/emit.h",
                                     "dissectors/dissector.h"),
    "dataplane/dissect": STAGE + ("dataplane/flow/flow.h", "dataplane/flow/key.h", "dataplane/reassembly/sink.h",
                                  "dataplane/pair/pair.h", "dissectors/"),
    "dataplane/pair": STAGE + ("dataplane/flow/flow.h", "dataplane/flow/key.h", "dataplane/reassembly/sink.h",
                               "dataplane/emit/emit.h", "dissectors/"),
    "dataplane/emit": STAGE + ("dataplane/flow/flow.h", "dataplane/flow/key.h", "dataplane/pair/pair.h", "dissectors/"),
    "dataplane": ("dataplane/", "dissectors/"),
    "dissectors": (SHM + "words.h", BASE + "compiler.h", BASE + "ballast.h"),  # the closed lists of the record: a header of names and nothing else
    "control": ("control/", SHM, BASE, LEDGER, "dissectors/registry.h"),
    # A program of its own, which measures parts of both processes.
    "control/bench/micro": ("control/", "dataplane/", "dissectors/"),
    "bpf": ("bpf/",),
}
INCLUDE_EXCEPTIONS = {
    ("control/weir", "dataplane/rx/filter.h"): "a wrong filter expression is refused before anything starts",
    ("control/daemon", "dataplane/rx/rx.h"): "the names of the closed list lost{...}",
    ("control/bench", "dataplane/rx/rx.h"): "the same names, for figures",
    ("control/send", "dataplane/rx/rx.h"): "captures are read, and synth invents, by the back ends that do it for weir read",
    ("dissectors", "dataplane/base/ensure.h"): "a table that is wrong is our mistake; knows nothing of packets",
}
NEVER_IN_DISSECTORS = ("pthread.h", "threads.h", "sys/socket.h", "netinet/in.h", "unistd.h", "fcntl.h", "stdio.h")


def read(path):
    with open(os.path.join(ROOT, path), encoding="utf-8") as f:
        return f.read()


def exists(path):
    return os.path.exists(os.path.join(ROOT, path))


def files(*patterns):
    found = []
    for pattern in patterns:
        for path in glob.glob(os.path.join(ROOT, pattern), recursive=True):
            path = os.path.relpath(path, ROOT)
            if os.path.isfile(os.path.join(ROOT, path)) and not path.startswith("build"):
                found.append(path)
    return sorted(found)


def sources():
    return files(*(folder + "/**/*.c" for folder in CODE))


def headers():
    return files(*(folder + "/**/*.h" for folder in CODE))


def all_c():
    return sources() + headers() + files("tests/**/*.[ch]")


# ---------------------------------------------------------------- the checks; each yields what is wrong


def every_source_is_built():
    for path in sources() + files("tests/**/*.c"):
        if path.startswith("bpf/"):
            continue
        folder, name = os.path.split(path)
        text, up = "", folder
        if os.path.normpath(path) in named_from_elsewhere():
            continue
        if folder == "tests/unit/dissectors":  # a test per dissector, from the list
            text += read("dissectors/meson.build")
        while True:  # a source is named in the meson.build of its folder or of one above it
            build = os.path.join(up, "meson.build")
            text += read(build) if exists(build) else ""
            if not up:
                break
            up = os.path.dirname(up)
        stem = re.sub(r"^(test|fuzz|race)_", "", name[:-2])
        if not re.search(r"['/](%s|%s|%s)'" % (re.escape(name), re.escape(name[:-2]), re.escape(stem)), text):
            yield "%s is in no meson.build: name it in %s/meson.build, or remove it" % (path, folder)


def named_from_elsewhere():
    """Sources that a meson.build names with ../ in their path."""
    named = set()
    for build in files("**/meson.build"):
        for path in re.findall(r"'((?:\.\./)+[^']+\.c)'", read(build)):
            named.add(os.path.normpath(os.path.join(os.path.dirname(build), path)))
    return named


def every_source_has_its_tests():
    for path in sources():
        if path.startswith("bpf/") or path in TESTED_ELSEWHERE:
            continue
        folder, name = os.path.split(path)
        test = "tests/unit/%s/test_%s" % (folder, name)
        if not exists(test):
            yield "%s has no tests: write %s, or say in TESTED_ELSEWHERE where it is tested" % (path, test)
    for path in TESTED_ELSEWHERE:
        if not exists(path):
            yield "TESTED_ELSEWHERE names %s, which is not there: take it out" % path


def every_test_mirrors_a_source():
    for path in files("tests/unit/**/test_*.c"):
        folder, name = os.path.split(path[len("tests/unit/"):])
        base = os.path.join(folder, name[len("test_"):-2])
        if not exists(base + ".c") and not exists(base + ".h") and not beside_the_sources(base):
            yield "%s mirrors no source: %s.c is not there; move it to where its source is" % (path, base)


def beside_the_sources(base):
    """Tests of a whole folder: every back end's promises, and what must hold for the stages together."""
    return os.path.basename(base) in ("conformance", "balances", "conversation", "http1_streams")


def allowed(folder):
    while folder:
        if folder in MAY_INCLUDE:
            return MAY_INCLUDE[folder]
        folder = os.path.dirname(folder)
    return ()


def includes_obey_the_rules():
    for path in sources() + headers():
        folder = os.path.dirname(path)
        for included in re.findall(r'^#include "([^"]+)"', read(path), re.M):
            own = os.path.dirname(included) == folder
            if own or included.startswith(tuple(allowed(folder))) or (folder, included) in INCLUDE_EXCEPTIONS:
                continue
            if not exists(included) and not included.endswith(".inc"):
                yield "%s includes %s, which is not there: paths start at the repository's root" % (path, included)
            else:
                yield ("%s includes %s: %s may use its own headers and %s; go through one of those" %
                       (path, included, folder, ", ".join(allowed(folder)) or "libc only"))


def dissectors_touch_nothing_of_the_world():
    for path in files("dissectors/*.[ch]"):
        for included in re.findall(r"^#include <([^>]+)>", read(path), re.M):
            if included in NEVER_IN_DISSECTORS:
                yield "%s includes <%s>: a dissector does no input, output or threading; ask its host" % (path, included)
        for call in re.findall(r"\b(malloc|calloc|realloc|free|printf|fprintf)\(", read(path)):
            yield "%s calls %s(): take memory with conn_take(), report through fields" % (path, call)


def first_places(text, words):
    places = {w: text.find(p) for w, p in words.items()}
    return [w for w, at in sorted(places.items(), key=lambda item: item[1]) if at >= 0]


def the_stages_are_in_one_order_everywhere():
    drawing = "dataplane/README.md"
    if not exists(drawing):
        yield "%s is not there: draw the packet's path in it" % drawing
    else:
        fences = re.findall(r"```.*?\n(.*?)```", read(drawing), re.S) or [read(drawing)]
        best = max(fences, key=lambda f: sum(bool(re.search(r"\b%s\b" % s, f)) for s in STAGES))
        drawn = re.findall(r"\b(%s)\b" % "|".join(STAGES), best)
        drawn = list(dict.fromkeys(drawn))
        if drawn != list(STAGES):
            yield "%s draws %s: draw %s" % (drawing, " ".join(drawn), " ".join(STAGES))
    build = "dataplane/meson.build"
    if exists(build):
        listed = [s for s in re.findall(r"subdir\('(\w+)'\)", read(build)) if s in STAGES]
        if listed != list(STAGES):
            yield "%s has subdir() in the order %s: the order is %s" % (build, " ".join(listed), " ".join(STAGES))
    worker = "dataplane/worker.c"
    if exists(worker):
        body = re.search(r"worker_turn\([^)]*\)\n\{(.*?)^\}", read(worker), re.S | re.M)
        turn = body.group(1) if body else ""
        calls = {"rx": "rx_pull(", "decode": "decode_burst(", "flow": "flow_burst(", "reassembly": "reassem",
                 "emit": "emit_publish("}
        # reassembly is also the name of a stage that is timed: the call counts
        turn = re.sub(r"stage_switch\([^;]*;|cut_after\w*\([^;]*;", "", turn)
        found = first_places(turn, calls)
        if found != list(calls):
            yield "worker_turn() in %s goes %s: it has to go %s" % (worker, " ".join(found), " ".join(calls))


def nothing_is_left_to_do():
    for path in all_c() + files("**/meson.build", "deploy/*", "tests/**/*.py", "**/*.md"):
        if path == "tests/tidy/tidy.py" or "__pycache__" in path:
            continue
        for number, line in enumerate(read(path).split("\n"), 1):
            word = re.search(r"\b(TODO|FIXME|XXX)\b", line)
            if word and "XXXXXX" not in line:
                yield "%s:%d has a %s: do it, or say what is so and why" % (path, number, word.group(1))


def no_line_is_too_wide():
    for path in all_c():
        fenced = False
        for number, line in enumerate(read(path).split("\n"), 1):
            if "clang-format off" in line:
                fenced = True
            elif "clang-format on" in line:
                fenced = False
            code = re.sub(r'"(\\.|[^"\\])*"', '""', line)  # texts and prose may run on: clang-format leaves them alone
            code = re.sub(r"\s*(/\*.*|\*[ /].*|//.*)$", "", code)
            if len(code.expandtabs(TAB)) > COLUMNS and not fenced:
                yield "%s:%d is wider than %d columns: run clang-format, or fence the table" % (path, number, COLUMNS)


def every_file_says_what_it_is():
    for path in all_c():
        first = read(path).split("\n", 1)[0]
        if first == '#include "%s.h"' % path[:-2]:
            continue  # the header of the same name says it
        if not re.match(r"/\* \S+ ?\S* ?-|/\* .{12,}|// .{12,}", first):
            yield "%s begins with %r: begin with a line that says what the file is" % (path, first[:60])
    for path in files("tests/**/*.py", "deploy/quickstart", "deploy/test", ".ci/run"):
        first = [line for line in read(path).split("\n")[:2] if not line.startswith("#!")]
        if not first or not re.match(r'"""\S+|# \S+', first[0]):
            yield "%s does not say in its first lines what it is" % path


def headers_guard_themselves():
    for path in headers():
        name = re.sub(r"[^A-Z0-9]", "_", path.upper())
        if "#ifndef %s\n#define %s\n" % (name, name) not in read(path) and not path.startswith("bpf/"):
            yield "%s has no guard %s: add it" % (path, name)


def dissector_names():
    if not exists("dissectors/meson.build"):
        return []
    match = re.search(r"dissector_names\s*=\s*\[(.*?)\]", read("dissectors/meson.build"), re.S)
    return re.findall(r"'(\w+)'", match.group(1)) if match else []


def every_dissector_has_its_tests_and_corpus():
    names = dissector_names()
    if not names:
        yield "dissectors/meson.build names no dissector: the list is dissector_names = [...]"
    for name in names:
        for path in ("dissectors/%s.c", "tests/unit/dissectors/test_%s.c"):
            if not exists(path % name):
                yield "dissector %s has no %s" % (name, path % name)
        if not files("tests/fuzz/corpus/%s/*" % name):
            yield "dissector %s has no corpus: put its messages into tests/fuzz/corpus/%s/" % (name, name)


def every_fuzz_target_has_a_corpus():
    for path in files("tests/fuzz/fuzz_*.c"):
        name = os.path.basename(path)[len("fuzz_"):-2]
        if name == "main" or name == "replay":
            continue
        if not files("tests/fuzz/corpus/%s/*" % name) and not name.startswith("dissect"):
            yield "%s has no corpus: every build replays tests/fuzz/corpus/%s/" % (path, name)


def the_readme_names_every_folder():
    if not exists("README.md"):
        yield "README.md is not there"
        return
    text = read("README.md")
    for folder in sorted(os.listdir(ROOT)):
        if os.path.isdir(os.path.join(ROOT, folder)) and not folder.startswith((".", "build")):
            if folder + "/" not in text:
                yield "README.md does not name %s/: add it to the code map" % folder
            elif not exists(folder + "/README.md") and folder != "deploy":
                yield "%s/ has no README.md: say what is in it and which rules hold" % folder


def the_licences_are_there():
    for path, words in (("LICENSE", "Apache License"), ("LICENSE.bpf", "BSD 2-Clause License")):
        if not exists(path) or words not in read(path):
            yield "%s is not the text of the %s: put it there" % (path, words)


def commands_can_be_run():
    for path in ("deploy/quickstart", "deploy/test", ".ci/run", "tests/bench/make_captures.sh"):
        if not exists(path):
            yield "%s is not there" % path
        elif not os.access(os.path.join(ROOT, path), os.X_OK):
            yield "%s cannot be run: chmod +x" % path


CHECKS = (
    every_source_is_built, every_source_has_its_tests, every_test_mirrors_a_source, includes_obey_the_rules,
    dissectors_touch_nothing_of_the_world, the_stages_are_in_one_order_everywhere, nothing_is_left_to_do,
    no_line_is_too_wide, every_file_says_what_it_is, headers_guard_themselves,
    every_dissector_has_its_tests_and_corpus, every_fuzz_target_has_a_corpus, the_readme_names_every_folder,
    the_licences_are_there, commands_can_be_run,
)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--json", metavar="FILE", help="write every result there")
    options = parser.parse_args()
    results = []
    for check in CHECKS:
        wrong = list(check())
        results.append({"suite": "tidy", "name": check.__name__, "result": "FAIL" if wrong else "ok",
                        "reason": "; ".join(wrong)})
        print("%-4s %s" % ("FAIL" if wrong else "ok", check.__name__))
        for text in wrong:
            print("       " + text)
    failed = sum(r["result"] == "FAIL" for r in results)
    if options.json:
        with open(options.json, "w") as f:
            json.dump({"results": results}, f, indent=1)
    print("tidy: %d passed, %d failed" % (len(results) - failed, failed))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
