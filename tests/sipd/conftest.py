"""sipd against a world of Python: apid and mediad on the bus, phones on raw sockets. All runs under one ordinary uid, so
that the envelope's source names the role; root changes to nobody for the whole session: run this folder by itself."""
import os
import pathlib
import shutil
import sys
import tempfile

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import world  # noqa: E402

NOBODY = 65534


def pytest_configure(config):
    config.addinivalue_line("markers", "configure: values for the configuration")
    here = pathlib.Path(__file__).parent
    if os.geteuid() == 0 and all(here in [p := pathlib.Path(a.split("::")[0]).resolve(), *p.parents]
                                 for a in config.args):
        os.setgroups([])
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)
        sys.dont_write_bytecode = True


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    if call.when == "call":
        item.failed = outcome.get_result().failed


@pytest.fixture
def house(request):
    """A running sipd with its world; configuration from @pytest.mark.configure(sip={...})."""
    if os.geteuid() == 0:
        pytest.skip("run this folder by itself: pytest tests/sipd")
    home = pathlib.Path(tempfile.mkdtemp(prefix="hs-", dir=world.FOLDER))
    marker = request.node.get_closest_marker("configure")
    made = world.House(home, marker.kwargs if marker else {})
    try:
        made.start()
        yield made
    finally:
        try:
            made.stop()
        finally:
            if getattr(request.node, "failed", False):
                print(made.log()[-8000:])
            shutil.rmtree(home, ignore_errors=True)
