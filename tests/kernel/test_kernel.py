"""The simulator behaves as the real driver: one program, one trace, both ways."""
import difflib
import os
import pathlib
import shutil
import signal
import subprocess
import time
from xml.etree import ElementTree

import pytest

HERE = pathlib.Path(__file__).resolve().parent
REPO = HERE.parents[1]
BUILD = pathlib.Path(os.environ.get("HOOKSWITCH_BUILD", REPO / "build")).resolve()
CONFORM = BUILD / "tests/kernel/conform"
PORTS = "so"  # a telephone, an exchange line
SKIPPED = 77


@pytest.fixture
def simulator(tmp_path):
    """dahdisim with the machine's ports: (folder, socket)."""
    folder, socket = tmp_path / "dahdi", tmp_path / "phone"
    process = subprocess.Popen([BUILD / "dahdid/sim/dahdisim", "--mount", folder, "--control", socket, "--fxs", "1",
                                "--fxo", "1"], stderr=subprocess.PIPE)
    try:
        while not socket.exists():
            if process.poll() is not None:
                pytest.skip("dahdisim cannot mount here: " + process.stderr.read().decode())
            time.sleep(0.01)
        yield folder, socket
    finally:
        process.send_signal(signal.SIGTERM)
        errors = process.communicate(timeout=20)[1].decode()
    assert process.returncode == 0 and "ERROR" not in errors, errors


def machine(folder, command, *words, ports=PORTS, seconds=240, out=None):
    """The outcome of a command in the machine; skips the test where there is none."""
    words = [HERE / "machine", "-p", ports, "-t", str(seconds), *words]
    if out:
        words += ["-o", out]
    outcome = subprocess.run([*words, folder, command], capture_output=True, text=True)
    if outcome.returncode == SKIPPED:
        pytest.skip(outcome.stderr.strip().splitlines()[-1])
    return outcome


def test_machine_gives_back_code_and_files(tmp_path):
    files, out = tmp_path / "files", tmp_path / "out"
    files.mkdir()
    outcome = machine(files, "cat /proc/dahdi/1; echo made >/out/here; exit 3", out=out, seconds=60)
    assert outcome.returncode == 3, outcome.stderr
    assert "FXOKS" in outcome.stdout and "FXSKS" in outcome.stdout
    assert (out / "here").read_text() == "made\n"


def test_simulator_does_what_the_driver_does(simulator, tmp_path):
    folder, socket = simulator
    files = tmp_path / "files"
    files.mkdir()
    shutil.copy(CONFORM, files)
    simulated = subprocess.Popen([CONFORM, folder, socket], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        real = machine(files, "./conform /dev/dahdi card")
        trace = simulated.communicate(timeout=240)[0]
    finally:
        simulated.kill()
    assert real.returncode == 0, real.stdout + real.stderr
    assert simulated.returncode == 0, trace
    assert len(real.stdout.splitlines()) > 250
    difference = list(difflib.unified_diff(real.stdout.splitlines(), trace.splitlines(), "the driver",
                                           "the simulator", lineterm=""))
    assert not difference, "\n".join(difference)


def pytest_inside(out, ports, *words):
    """Tests in Python on the real driver, with this build and what is installed here; the cases that failed."""
    command = (f"export TERM=dumb HOOKSWITCH_BUILD={BUILD} HOOKSWITCH_TEST_OWNER=machine\n"
               f"/usr/bin/python3 -m pytest -q --color=no --tb=short -p no:cacheprovider --junitxml=/out/cases.xml "
               + " ".join(words))
    outcome = machine(REPO, command, "-r", "-c", "2", "-m", "2048", ports=ports, seconds=900, out=out)
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr
    cases = ElementTree.parse(out / "cases.xml").getroot().find("testsuite")
    return int(cases.get("tests")) - int(cases.get("skipped"))


def test_dahdid_on_the_driver(tmp_path):
    assert pytest_inside(tmp_path, "ssso", "tests/dahdid") > 20


def test_suite_on_the_driver_and_under_apparmor(tmp_path):
    assert pytest_inside(tmp_path, "ss", "tests/kernel/inside") == 4
