"""`live doctor`: what works here, what does not, and what to do about it."""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys

DESCRIPTION = """\
Check Python, libraries, codecs, models, processor, GPU, microphone, cameras, virtual camera and the port. Every problem
is printed with its remedy. The exit code is 1 if the default use (`live serve`) will not work, else 0.
"""

EXAMPLES = """\
examples:
  live doctor
  live doctor --port 9000
  live doctor --json          for a bug report or a script
"""

MARKS = {"ok": "✓", "note": "·", "problem": "✗"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Define the options."""
    parser.add_argument("--port", type=int, default=8080, help="port to check (default: 8080)")
    parser.add_argument("--json", action="store_true", help="print the findings as JSON")


def run(args: argparse.Namespace) -> int:
    """Examine and print; 1 if there is a problem."""
    from live.diagnosis.finding import Finding
    from live.diagnosis.machine import examine

    found: list[Finding] = []
    marks = MARKS if (sys.stdout.encoding or "").lower().startswith("utf") else {"ok": "+", "note": "-", "problem": "!"}
    for finding in examine(args.port):
        found.append(finding)
        if not args.json:
            print(f"{marks[finding.state]} {finding.topic}: {finding.detail}", flush=True)
            if finding.remedy:
                print(f"    → {finding.remedy}" if marks is MARKS else f"    -> {finding.remedy}")
    problems = [finding for finding in found if finding.state == "problem"]
    if args.json:
        print(json.dumps({"ok": not problems, "findings": [dataclasses.asdict(f) for f in found]}, indent=1))
    elif problems:
        print(f"\n{len(problems)} problem(s): `live serve` will not work until they are solved.")
    else:
        print("\nReady: `live serve`.")
    return 1 if problems else 0
