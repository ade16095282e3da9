"""One front for all tests of a module; those that kill or stop something make their own (peers.world)."""
import subprocess

import peers
import pytest


@pytest.fixture(scope="session", autouse=True)
def built():
    if (peers.BUILD / "apid" / "front" / "api-front").exists():
        return
    if not (peers.BUILD / "build.ninja").exists():
        subprocess.run(["meson", "setup", peers.BUILD, peers.REPO], check=True, capture_output=True)
    subprocess.run(["ninja", "-C", peers.BUILD, "apid/front/api-front"], check=True, capture_output=True)


@pytest.fixture(scope="module")
def shared():
    with peers.world(API_MAX_CLIENTS=3000) as both:
        yield both


@pytest.fixture
def suite(shared):
    """The world; what a test scripted is forgotten after it."""
    made = shared[0]
    made.forget()
    yield made
    made.relent()


@pytest.fixture
def front(shared):
    return shared[1]


@pytest.fixture
def own():
    """own(**settings): a world and a front of the test's own."""
    stack = []

    def make(**settings):
        manager = peers.world(**settings)
        stack.append(manager)
        return manager.__enter__()
    yield make
    for manager in stack:
        manager.__exit__(None, None, None)
