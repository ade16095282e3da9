"""One mediad for all tests of a module."""
import os
import random
import subprocess
import tempfile

import peers
import pytest


@pytest.fixture(scope="module")
def mediad():
    if not (peers.BUILD / "mediad" / "mediad").exists():
        if not (peers.BUILD / "build.ninja").exists():
            subprocess.run(["meson", "setup", peers.BUILD, peers.REPO], check=True, capture_output=True)
        subprocess.run(["ninja", "-C", peers.BUILD, "mediad/mediad"], check=True, capture_output=True)
    with tempfile.TemporaryDirectory(prefix="hookswitch-mediad-") as home:
        made = peers.Mediad(home, MEDIA_SILENCE_TIMEOUT_S=2)
        try:
            yield made
        finally:
            made.close()


@pytest.fixture
def phone():
    made = []

    def make(*arguments, **more):
        made.append(peers.Phone(*arguments, **more))
        return made[-1]
    yield make
    for one in made:
        one.close()


@pytest.fixture
def legs(mediad):
    """Ids of ends; all of them are closed after the test."""
    made = []

    def make(kind="l"):
        made.append(f"{kind}1-{os.getpid()}-{random.getrandbits(40)}")
        return made[-1]
    yield make
    for leg in made:
        mediad.ask("media.close", leg=leg)
