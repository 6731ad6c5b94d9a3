#!/usr/bin/env python3
"""run - the end-to-end suites: one line per test, then a summary.

    run.py [--json FILE] [--jobs N] [--match TEXT] [--list] [SUITE...]

Which programs: $WEIR_BUILD (default build/release of the repository), or
$WEIR for the command alone. WEIR_SANITIZED=1 stretches time limits and waives
memory limits. Captures with verdicts: $WEIR_CAPTURES or ../shared.

Exit status: 0 if nothing failed, 1 if something did, 2 for usage.
"""
import argparse
import concurrent.futures
import importlib
import json
import os
import signal
import sys
import time
import traceback

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import support  # noqa: E402  (found through the line above)

SUITES = ("cli", "robustness", "workers", "tunnels", "lifecycle", "conformance", "blind", "adversarial", "lab", "live", "frames",
          "refusals", "shunt", "send", "services", "check", "bench", "dpdk")


def run_one(test):
    """Returns (word, reason, seconds)."""
    begun = time.monotonic()
    try:
        note = test.function()
        word, reason = "ok", note or ""
    except support.Skip as why:
        word, reason = "skip", str(why)
    except support.Failure as why:
        word, reason = "FAIL", str(why)
    except Exception:
        word, reason = "FAIL", traceback.format_exc(limit=4).strip()
    return word, reason, time.monotonic() - begun


def show(test, word, reason, seconds):
    text = "%-4s %s: %s" % (word, test.suite, test.name)
    if seconds >= 5:
        text += " [%.0f s]" % seconds
    if reason:
        text += " (%s)" % reason
    print(text, flush=True)


def main():
    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # under nohup it would be ignored, by weir too
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--json", metavar="FILE", help="write the counts and every result there")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--match", default="", help="only tests whose name contains this")
    parser.add_argument("--list", action="store_true", help="print the tests' names and run none")
    parser.add_argument("suite", nargs="*", default=[], help="of: " + " ".join(SUITES))
    options = parser.parse_args()
    for suite in options.suite or SUITES:
        if suite not in SUITES:
            parser.error("no suite %s; there are: %s" % (suite, " ".join(SUITES)))
        importlib.import_module(suite)

    tests = [t for t in support.TESTS if options.match in t.name]
    if options.list:
        for t in tests:
            print("%s: %s" % (t.suite, t.name))
        return 0

    counts, results = {"ok": 0, "FAIL": 0, "skip": 0}, []

    def note(t, outcome):
        word, reason, seconds = outcome
        counts[word] += 1
        results.append({"suite": t.suite, "name": t.name, "result": word, "reason": reason,
                        "seconds": round(seconds, 3)})
        show(t, word, reason, seconds)

    together = [t for t in tests if not t.alone]
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        for t, outcome in zip(together, pool.map(run_one, together)):
            note(t, outcome)
    for t in tests:
        if t.alone:
            note(t, run_one(t))

    summary = {"passed": counts["ok"], "failed": counts["FAIL"], "skipped": counts["skip"]}
    if options.json:
        with open(options.json, "w") as f:
            json.dump(dict(summary, results=results), f, indent=1)
    print("end to end: %(passed)d passed, %(failed)d failed, %(skipped)d skipped" % summary)
    return 1 if counts["FAIL"] else 0


if __name__ == "__main__":
    sys.exit(main())
