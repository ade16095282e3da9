"""A telephone of either kind, for tests that do not ask which: each is worked by the same words."""
import os
import pathlib

import pytest

from baresip import Baresip
from simphone import PlainPhone, SimPhone


def handset(suite, says, number=0, driver=None, **more):
    """The phone of a line, with what it says: Baresip's or a simulated analog one."""
    line = suite.line(number, driver)
    if line["driver"] == "dahdi":
        return SimPhone(suite, line, says, **more)
    return Baresip(line, suite.sip, suite.facts["domain"], says, **more)


def plain_phone(suite, number=0):
    """A phone without a voice, ready to be rung."""
    line = suite.line(number)
    if line["driver"] == "sip":
        return suite.phone(number)
    phone = PlainPhone(suite, line)
    suite.phones.append(phone)
    suite.wait_state(line["id"], "on_hook", 10)
    return phone


def need(driver):
    """Skips what needs a simulated card where there can be none."""
    if driver == "dahdi" and not (os.access("/dev/fuse", os.R_OK | os.W_OK) and (os.geteuid() == 0 or
                                                                          pathlib.Path("/usr/bin/fusermount3").exists())):
        pytest.skip("simulated telephones need FUSE: /dev/fuse, and fusermount3 for an ordinary user")


def first_line(driver):
    """Id of the first line of a driver in a fresh configuration."""
    return {"sip": "phone1", "dahdi": "phone3"}[driver]
