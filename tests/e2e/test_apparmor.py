"""The AppArmor profiles of deploy/apparmor: they are understood, there is one for each daemon, and none lets anything run."""
import re
import shutil
import subprocess

import pytest

from suite import DAEMONS, REPO

PROFILES = REPO / "deploy/apparmor"
needs_parser = pytest.mark.skipif(not shutil.which("apparmor_parser"), reason="needs apparmor")


def parse(*words):
    done = subprocess.run(["apparmor_parser", *words, "-I", PROFILES, "-I", "/etc/apparmor.d", PROFILES / "hookswitch"],
                          capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


@needs_parser
def test_they_are_understood():
    parse("-Q", "-K")
    assert set(parse("-N").split()) == {f"hookswitch-{daemon}" for daemon in DAEMONS}


def test_nothing_may_be_executed():
    for path in (PROFILES / "hookswitch", PROFILES / "abstractions/hookswitch"):
        rights = re.findall(r"^\s+(?:owner )?[/@]\S+ (\w+),$", path.read_text(), re.M)
        assert rights and not [right for right in rights if not set(right) <= set("rwkm")], rights
    assert not re.search(r"^\s+(mount|change_profile|ptrace|unconfined)", (PROFILES / "hookswitch").read_text(), re.M)
