"""The examples of proto/examples, run as they stand, with simulated telephones."""
import wave

import numpy as np
import pytest

from handsets import need, plain_phone
from suite import REPO, wait_for
from test_tools import Program

MENU_HZ = 600


@pytest.fixture(scope="module")
def shared(make_shared):
    need("dahdi")
    suite = make_shared(configuration={"calls": {"default_line": "phone3", "operator_answers": True}})
    suite.driver = "dahdi"
    return suite


def write_menu(path):
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes((8000 * np.sin(np.arange(80000) * 2 * np.pi * MENU_HZ / 8000)).astype("<i2").tobytes())
    return path


def hears(phone, hertz):
    heard = phone.command("heard")
    return any(abs(tone - hertz) < 12 for tone in heard["tones_hz"])


@pytest.mark.parametrize("program", [["/usr/bin/python3", "ivr.py"], ["node", "ivr.mjs"]], ids=["python", "javascript"])
def test_ivr(suite, tmp_path, program):
    """Who calls hears the menu, an unknown key asks again, and 1 leads to the other telephone."""
    caller, other = plain_phone(suite), plain_phone(suite, 1)
    number = suite.line(1)["number"]
    words = [program[0], REPO / "proto/examples" / program[1], suite.home / "quickstart.json",
             write_menu(tmp_path / "menu.wav"), number]
    with Program(suite, words) as ivr:
        ivr.wait("waiting for calls", timeout=10)
        caller.answer()
        caller.command("wait", "sound", 5000)
        caller.keys("0")
        for asked, key in ((1, "7"), (2, "1")):
            wait_for(lambda asked=asked: ivr.read().count("gather 202") == asked, 8, lambda: ivr.text)
            wait_for(lambda: hears(caller, MENU_HZ), 5, lambda: caller.command("heard"))
            caller.keys(key)
        other.wait_call(8).answer()
        suite.wait_state("phone4", "off_hook")
        caller.hangup()
        suite.wait_state("phone3", "on_hook")
        other.hangup()
