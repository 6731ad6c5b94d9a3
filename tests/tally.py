#!/usr/bin/env python3
"""tally - adds up the results of everything that deploy/test runs.

    tally.py meson STEP BUILD_FOLDER RESULTS    after `meson test`: every cmocka test counts, other programs count as one
    tally.py suite STEP FILE RESULTS            what tests/e2e/run.py or tests/tidy/tidy.py wrote with --json
    tally.py one STEP ok|FAIL|skip RESULTS [REASON]
    tally.py sum RESULTS                        failures, skips with their reasons, and the last line

RESULTS is a file to which each call adds one line. `sum` leaves with 1 if anything failed or nothing passed.
"""
import json
import os
import re
import sys

CMOCKA = {"passed": r"\[  PASSED  \] (?:tests: )?(\d+) test",
          "failed": r"\[  FAILED  \] (?:tests: )?(\d+) test",
          "skipped": r"\[  SKIPPED \] (?:tests: )?(\d+) test"}


def entry(step, passed=0, failures=(), skips=()):
    return {"step": step, "passed": passed, "failures": list(failures), "skips": list(skips)}


def count_meson(step, folder):
    """Meson knows programs, cmocka prints tests: where the program says how many it ran, those count."""
    path = os.path.join(folder, "meson-logs", "testlog.json")
    if not os.path.exists(path):
        return entry(step, failures=["%s is not there: meson ran no test" % path])
    made = entry(step)
    with open(path) as f:
        for line in f:
            add_program(made, json.loads(line))
    return made


def add_program(made, program):
    name, result = program["name"], program["result"]
    text = (program.get("stdout") or "") + (program.get("stderr") or "")
    count = {word: sum(map(int, re.findall(pattern, text))) for word, pattern in CMOCKA.items()}
    if result == "SKIP":
        made["skips"].append("%s: %s" % (name, last_line(text)))
        return
    made["skips"] += ["%s: %s" % (name, x) for x in re.findall(r"\[  SKIPPED \] (?!\d+ test|tests:)(\S+)", text)[:count["skipped"]]]
    if result in ("OK", "EXPECTEDFAIL"):
        made["passed"] += count["passed"] or 1
        return
    made["passed"] += count["passed"]
    failed = re.findall(r"\[  FAILED  \] (?!\d+ test|tests:)(\w+)", text)
    made["failures"] += ["%s: %s" % (name, x) for x in dict.fromkeys(failed)] or ["%s: %s" % (name, result)]


def last_line(text):
    lines = text.strip().splitlines()
    return lines[-1] if lines else "no reason given"


def count_suite(step, path):
    if not os.path.exists(path):
        return entry(step, failures=["it ended without writing its results"])
    with open(path) as f:
        results = json.load(f)["results"]
    by_word = {word: [r for r in results if r["result"] == word] for word in ("ok", "FAIL", "skip")}
    text = {word: ["%s: %s (%s)" % (r["suite"], r["name"], r["reason"]) for r in rs] for word, rs in by_word.items()}
    return entry(step, len(by_word["ok"]), text["FAIL"], text["skip"])


def count_one(step, word, reason):
    return entry(step, int(word == "ok"), [reason] * (word == "FAIL"), [reason] * (word == "skip"))


def sum_up(path):
    with open(path) as f:
        entries = [json.loads(line) for line in f]
    print()
    for e in entries:
        print("%-34s %5d passed, %d failed, %d skipped" % (e["step"], e["passed"], len(e["failures"]), len(e["skips"])))
    for title, key in (("Skipped:", "skips"), ("Failed:", "failures")):
        lines = ["  %s: %s" % (e["step"], text[:400]) for e in entries for text in e[key]]
        if lines:
            print("\n" + title + "\n" + "\n".join(lines))
    passed = sum(e["passed"] for e in entries)
    failed = sum(len(e["failures"]) for e in entries)
    print("\n%d passed, %d failed, %d skipped" % (passed, failed, sum(len(e["skips"]) for e in entries)))
    return 0 if passed and not failed else 1


def main(arguments):
    if len(arguments) == 2 and arguments[0] == "sum":
        return sum_up(arguments[1])
    if len(arguments) < 4 or arguments[0] not in ("meson", "suite", "one"):
        print(__doc__, file=sys.stderr)
        return 2
    how, step, what, results = arguments[:4]
    if how == "meson":
        made = count_meson(step, what)
    elif how == "suite":
        made = count_suite(step, what)
    else:
        made = count_one(step, what, " ".join(arguments[4:]) or "no reason given")
    with open(results, "a") as f:
        f.write(json.dumps(made) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
