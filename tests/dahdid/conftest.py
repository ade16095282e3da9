"""One dahdid with two lines for the tests of a module, on whatever card there is."""
import itertools
import os
import subprocess
import tempfile

import pytest
import world

LINES = [{"id": "phone1", "driver": "dahdi", "channel": 1}, {"id": "phone2", "driver": "dahdi", "channel": 2}]


def pytest_configure(config):
    config.addinivalue_line("markers", "refused: asks for nothing that reaches the card; not repeated on an emulated processor")


def pytest_collection_modifyitems(items):
    for item in items:
        if os.path.exists("/dev/hscard/card") and item.get_closest_marker("refused"):
            item.add_marker(pytest.mark.skip(reason="does not reach the card"))


def build():
    """What the tests run, where nobody built it before."""
    wanted = [world.BUILD / "dahdid" / "dahdid", world.BUILD / "dahdid" / "sim" / "dahdisim"]
    if all(path.exists() for path in wanted):
        return
    if not (world.BUILD / "build.ninja").exists():
        subprocess.run(["meson", "setup", world.BUILD, world.REPO], check=True, capture_output=True)
    subprocess.run(["ninja", "-C", world.BUILD, "dahdid/dahdid", "dahdid/sim/dahdisim"], check=True, capture_output=True)


@pytest.fixture(scope="session")
def card():
    """The machine's card where there is one, else dahdisim's."""
    if os.path.exists("/dev/hscard/card"):
        yield world.Card()
        return
    if not os.access("/dev/fuse", os.R_OK | os.W_OK):
        pytest.skip("neither a card nor /dev/fuse: tests/kernel runs these tests in its machine")
    build()
    with tempfile.TemporaryDirectory(prefix="hookswitch-dahdisim-") as folder:
        os.chmod(folder, 0o755)
        made = world.Sim(folder)
        yield made
        made.close()


@pytest.fixture
def start(card):
    """Starts a dahdid with lines and settings of the test's own."""
    made = []

    def make(lines=None, **dahdi):
        home = tempfile.TemporaryDirectory(prefix="hookswitch-dahdid-")
        made.append((world.Dahdid(home.name, lines or LINES, **{"device": card.device, **dahdi}), home))
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
def plain(start):
    """A dahdid that leaves audio as it is: its echo cancellers are off."""
    made = start(port={"echo_taps": 0})
    made.fact("line.changed", line="phone1", reachable=True)
    return made


@pytest.fixture
def phone(card):
    made = card.handset(1)
    yield made
    made.put_down()
    made.close()


@pytest.fixture
def leg():
    counter = itertools.count()
    return lambda: f"l1-{os.getpid()}-{next(counter)}"
