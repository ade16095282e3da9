"""Says shortly what failed, for the end of tests/run: of a long output often only the end is seen.

    failures.py text NAME FILE         a step whose output is FILE
    failures.py unit TESTLOG_JSON      meson's tests
    failures.py pytest NAME JUNIT_XML  a folder of pytest
    failures.py fuzz NAME FILE FOLDER  a libFuzzer target, its output, and where it left the input

A failure is a line "name: first error", then indented lines. Each is bounded, and so is their number.
"""
import base64
import json
import pathlib
import re
import sys
import xml.etree.ElementTree as tree

COLUMNS, LINES, FAILURES = 240, 12, 20
INPUT_BYTES = 2048  # of an input that breaks a fuzz target
ERROR = re.compile(r"==\d+==\s*(ERROR|WARNING: MemorySanitizer)|runtime error:|ERROR: \w+(Sanitizer|Fuzzer)|"
                   r"\[  ERROR   \]|\b(error|Error|FAILED|fatal):|Assertion .* failed|Sanitizer")
COLOUR = re.compile(r"\x1b\[[0-9;]*m")
FRAME = re.compile(r"^\s+#\d+ ")
FOREIGN = re.compile(r"fuzzer::|/libc\b|libc-start|_start\b| in main \(|__libc_start|compiler-rt|sanitizer_common|/asan/")


def lines_of(path):
    try:
        return [COLOUR.sub("", line).rstrip() for line in pathlib.Path(path).read_text(errors="replace").splitlines()]
    except OSError as error:
        return [f"error: {error}"]


def tell(name, first, more=()):
    print(f"{name}: {first.strip()}"[:COLUMNS])
    for line in list(more)[:LINES]:
        print(f"    {line}")


def cut(lines):
    return [line[:COLUMNS] for line in lines if line.strip()]


def around(lines):
    """The first line that looks like an error, and what follows."""
    lines = cut(lines)
    found = next((n for n, line in enumerate(lines) if ERROR.search(line)), 0)
    return (lines[found], lines[found + 1:found + 5]) if lines else ("no output", [])


def text(name, path):
    tell(name, *around(lines_of(path)))


def unit(path):
    failed = [test for test in map(json.loads, lines_of(path)) if test["result"] not in ("OK", "SKIP", "EXPECTEDFAIL")]
    for test in failed[:FAILURES]:
        lines = (test.get("stdout", "") + "\n" + test.get("stderr", "")).splitlines()
        errors = [line for line in lines if re.search(r"\[  ERROR   \]|\[   LINE   \]|\[  FAILED  \]|SUMMARY:", line)]
        first, more = around(lines)
        tell(test["name"], f"{test['result']}: {first}", cut(errors)[:4] or more)


def pytest(name, path):
    try:
        cases = tree.parse(path).getroot().iter("testcase")
    except (OSError, tree.ParseError) as error:
        tell(f"pytest:{name}", f"no report: {error}")
        return
    failed = [(case, fault) for case in cases for fault in case if fault.tag in ("failure", "error")]
    for case, fault in failed[:FAILURES]:
        lines = (fault.text or "").splitlines()
        places = [line for line in lines if re.match(r"^\S+\.py:\d+: ", line)]
        first = (fault.get("message") or "no message").splitlines()[0]
        tell(f"{case.get('classname')}::{case.get('name')}", first,
             cut([line for line in lines if line.startswith("E  ")][:3] + places[:1] + places[1:][-1:]))


def left_input(folder):
    """What broke the target, to be fed to it again: base64 -d."""
    for path in sorted(pathlib.Path(folder).glob("*-*")):
        if re.match(r"(crash|leak|oom|timeout)-", path.name):
            data = path.read_bytes()
            some = "" if len(data) <= INPUT_BYTES else f", its first {INPUT_BYTES}"
            yield f"{path.name} ({len(data)} bytes{some}): {base64.b64encode(data[:INPUT_BYTES]).decode()}"


def fuzz(name, path, folder):
    lines = [line for line in lines_of(path) if not re.match(r"^#\d+\s", line)]
    begin = next((n for n, line in enumerate(lines) if ERROR.search(line)), None)
    if begin is None:
        tell(name, lines[-1] if lines else "no output", [*cut(lines[-6:-1]), *left_input(folder)][:LINES])
        return
    frames = [line for line in lines[begin:] if FRAME.match(line) and not FOREIGN.search(line)]
    end = [line for line in lines[begin:] if line.startswith("SUMMARY:")]
    tell(name, lines[begin], [*cut(frames[:7]), *cut(end[:1]), *left_input(folder)])


if __name__ == "__main__":
    {"text": text, "unit": unit, "pytest": pytest, "fuzz": fuzz}[sys.argv[1]](*sys.argv[2:])
