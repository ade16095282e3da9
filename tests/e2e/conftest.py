"""Suites and phones for the tests. One suite serves a module's tests unless a test wants one of its own."""
import os
import pathlib
import signal
import subprocess
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import suite as suites  # noqa: E402

# Whoever started us may have let us ignore Ctrl-C (a background job does), and what we start would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)

# What every suite of these tests may do beyond the defaults.
LOCAL = {"webhooks": {"allow_networks": ["127.0.0.0/8", "10.77.0.0/16"]}, "api": {"requests_per_s": 100000},
         "sip": {"requests_per_s": 100000, "burst": 100000, "probes": 1000000},
         "calls": {"default_line": "phone1", "operator_number": "0", "first_digit_timeout_ms": 3000,
                   "digit_timeout_ms": 1000, "busy_tone_ms": 2500}}


def merged(more):
    tree = {name: dict(value) for name, value in LOCAL.items()}
    for name, value in (more or {}).items():
        if isinstance(value, dict):
            tree.setdefault(name, {}).update(value)
        else:
            tree[name] = value
    return tree


@pytest.fixture(scope="session", autouse=True)
def built():
    """The programs, built once if nobody has."""
    if not (suites.BUILD / "build.ninja").exists():
        subprocess.run(["meson", "setup", suites.BUILD, suites.REPO], check=True, capture_output=True)
    if not os.environ.get("HOOKSWITCH_TEST_OWNER"):
        subprocess.run(["ninja", "-C", suites.BUILD], check=True, capture_output=True)


class Makers:
    """Starts suites and closes them when the tests that share it are over."""

    def __init__(self):
        self.suites = []

    def __call__(self, configuration=None, start=True, **more):
        suite = suites.Suite(merged(configuration), **more)
        owner = os.environ.get("HOOKSWITCH_TEST_OWNER")
        if owner:
            (suite.home / "owner").write_text(owner)
        self.suites.append(suite)
        if start:
            suite.start()
        return suite

    def close(self, keep):
        faults = []
        for suite in self.suites:
            try:
                suite.close(keep)
            except AssertionError as error:
                faults.append(str(error))
        assert not faults, "\n".join(faults)


@pytest.fixture(scope="module")
def make_shared(request):
    before = request.session.testsfailed
    makers = Makers()
    yield makers
    makers.close(request.session.testsfailed > before)


@pytest.fixture
def make_suite(request):
    before = request.session.testsfailed
    makers = Makers()
    yield makers
    makers.close(request.session.testsfailed > before)


@pytest.fixture(scope="module")
def shared(make_shared):
    return make_shared()


@pytest.fixture
def suite(shared):
    """The module's suite, with nothing up and nobody registered but what the test itself makes."""
    yield shared
    for phone in shared.phones:
        for call in list(phone.calls.values()):
            try:
                call.hangup()
            except (TimeoutError, OSError, AssertionError):
                pass
        try:
            phone.register(0)
        except (TimeoutError, OSError):
            pass
        phone.close()
    shared.phones.clear()
    for receiver in shared.receivers:
        receiver.close()
    shared.receivers.clear()
    shared.wait_idle(15)
