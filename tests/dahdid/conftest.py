"""One dahdid with two lines for the tests of a module, on whatever card there is."""
import itertools
import os
import subprocess
import tempfile

import pytest
import world

LINES = [{"id": "phone1", "driver": "dahdi", "channel": 1}, {"id": "phone2", "driver": "dahdi", "channel": 2}]


def has_card():
    return os.path.exists("/dev/fxsrig/card")


def pytest_collection_modifyitems(items):
    if not has_card():
        for item in items:
            item.add_marker(pytest.mark.skip(reason="no card and no simulator: tests/kernel runs these in its machine"))


def build():
    if (world.BUILD / "dahdid" / "dahdid").exists():
        return
    if not (world.BUILD / "build.ninja").exists():
        subprocess.run(["meson", "setup", world.BUILD, world.REPO], check=True, capture_output=True)
    subprocess.run(["ninja", "-C", world.BUILD, "dahdid/dahdid"], check=True, capture_output=True)


@pytest.fixture
def start():
    """Starts a dahdid with lines and settings of the test's own."""
    build()
    made = []

    def make(lines=None, **dahdi):
        home = tempfile.TemporaryDirectory(prefix="hookswitch-dahdid-")
        made.append((world.Dahdid(home.name, lines or LINES, **dahdi), home))
        return made[-1][0]
    yield make
    for one, home in made:
        one.close()
        home.cleanup()


@pytest.fixture
def dahdid(start):
    made = start()
    for line in LINES:
        made.fact("line.changed", line=line["id"], reachable=True)
    return made


@pytest.fixture
def phone():
    made = world.RigHandset(1)
    yield made
    made.put_down()
    made.close()


@pytest.fixture
def leg():
    counter = itertools.count()
    return lambda: f"l1-{os.getpid()}-{next(counter)}"
