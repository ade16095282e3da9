"""hookd and hook-stream against a world of Python. Everything runs under one ordinary uid, so that the envelope's source
names the role: root becomes nobody while the tests run, so this folder is run by itself: pytest tests/hookd."""
import os
import pathlib
import shutil
import sys
import tempfile

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import world  # noqa: E402

HERE = pathlib.Path(__file__).resolve().parent


def pytest_sessionstart(session):
    paths = [pathlib.Path(argument.split("::")[0]).resolve() for argument in session.config.args]
    if os.geteuid() == 0 and all(path == HERE or HERE in path.parents for path in paths):
        os.setgroups([])
        os.setegid(world.NOBODY)
        os.seteuid(world.NOBODY)
        sys.dont_write_bytecode = True


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session):
    """Reports are written where root may."""
    if os.getuid() == 0:
        os.seteuid(0)
        os.setegid(0)


@pytest.fixture
def home():
    if os.geteuid() == 0:
        pytest.skip("run this folder by itself: pytest tests/hookd")
    path = pathlib.Path(tempfile.mkdtemp(prefix="hs-", dir="/tmp"))
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def apid(home):
    made = world.Apid(home)
    yield made
    made.stop()


@pytest.fixture
def receivers():
    made = []

    def make(*arguments, **more):
        made.append(world.Receiver(*arguments, **more))
        return made[-1]
    yield make
    for receiver in made:
        receiver.stop()


@pytest.fixture
def start_daemon(home, apid, request):
    """start_daemon(name, configuration): tests of one daemon each. Returns when it knows the log's end."""
    started = []

    def start(name, configuration, resolv_conf=None):
        started.append(world.Daemon(name, home, configuration))
        started[-1].resolv_conf = resolv_conf
        started[-1].start()
        if name == "hookd" or configuration.get("operator"):
            apid.wait_asked("events.list")
        if name == "hookd":  # the answer is there, and kept
            world.wait_for(lambda: "event=events.begun" in started[-1].log_path.read_text(), what="its place in the log")
        return started[-1]
    yield start
    for daemon in started:
        failed = getattr(request.node, "failed", False)
        try:
            daemon.stop()
        finally:
            if failed:
                print(daemon.log_path.read_text(errors="replace")[-6000:])


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    if call.when == "call":
        item.failed = outcome.get_result().failed
