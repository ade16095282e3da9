"""A bot written for Twilio talks on a SIP phone and on an analog one, in both roles."""
import pytest
import requests

import audio
from handsets import first_line, handset, need
from suite import DRIVERS, wait_for
from twilio_bot import Bot


@pytest.fixture(scope="module")
def shared(make_shared):
    need("dahdi")
    bot = Bot()
    suite = make_shared({"operator": {"websocket_url": f"ws://127.0.0.1:{bot.port}/twilio", "dialect": "twilio",
                                      "track": "both", "lines": [first_line(driver) for driver in DRIVERS]}})
    suite.bot = bot
    yield suite
    bot.close()


def rung(suite, phone, events):
    phone.wait_registered(suite)
    call = suite.post(f"/api/v1/lines/{phone.line['id']}/ring", {"caller_number": "4711"}, status=202).json()["call_id"]
    phone.answer()
    events.wait("call.answered", call_id=call)
    return call


def hears(session, said):
    """The bot hears a second of what the phone says: not each one where this machine makes a card wait."""
    wait_for(lambda: max(audio.fits(said, audio.decode(session.audio["inbound"]), range(0, 20, 2))) > 0.95, 25,
             lambda: f"{len(session.audio['inbound'])} bytes came", step=0.3)


def says(bot, session, words, name):
    """In pieces that fit nobody's frames, as fast as they can be sent; the mark says when it was heard."""
    data = audio.encode(words)
    for at in range(0, len(data), 3001):
        bot.say(session, data[at:at + 3001])
    bot.send(session, "mark", mark={"name": name})
    wait_for(lambda: session.of("mark"), 15, lambda: "the mark does not come back")
    wait_for(lambda: session.of("mark")[-1]["mark"]["name"] == name, 15, lambda: str(session.of("mark")))


def speaks(bot, session, phone):
    """As often as it takes until a second of it came undisturbed by what this machine does to a card."""
    for attempt in range(8):
        words = audio.speech_like(2, seed=30 + attempt)
        says(bot, session, words, f"said {attempt}")
        try:
            wait_for(lambda: max(audio.fits(words, phone.heard(), range(2))) > 0.95, 2, step=0.2)
            break
        except AssertionError:
            assert attempt < 7, "the phone does not hear it"
    wait_for(lambda: audio.find(words[:8000], audio.decode(session.audio["outbound"]))[1] > 0.95, 5,
             lambda: "it is not in the other track")


def is_interrupted(bot, session):
    """clear: the rest is not played, and its mark comes back."""
    bot.say(session, audio.encode(audio.tone([440], 5)))
    bot.say(session, audio.encode(audio.tone([440], 5)))
    bot.send(session, "mark", mark={"name": "never said"})
    bot.send(session, "clear")
    wait_for(lambda: session.of("mark")[-1]["mark"]["name"] == "never said", 5, lambda: "clear answers marks")


def converse(bot, session, phone, said):
    assert session.parameters["line"] == phone.line["id"] and session.tracks == ["inbound", "outbound"]
    assert session.parameters["from_number"] == "4711" and session.parameters["to_number"]
    hears(session, said)
    speaks(bot, session, phone)
    is_interrupted(bot, session)
    phone.press("5")
    wait_for(lambda: session.of("dtmf"), 5, lambda: "no dtmf")
    assert [m["dtmf"]["digit"] for m in session.of("dtmf")] == ["5"]


def twilio(suite, session, method, resource, **more):
    reply = requests.request(method, suite.facts["api"] + resource, auth=(session.account_sid, suite.token), timeout=10,
                             **more)
    assert reply.status_code == 200, reply.text
    return reply.json()


@pytest.mark.parametrize("driver", DRIVERS)
def test_we_dial_the_bot(suite, driver):
    said, bot = audio.speech_like(60, seed=20), suite.bot
    count = len(bot.sessions) + 1
    with handset(suite, said, 0, driver) as phone, suite.events() as events:
        call = rung(suite, phone, events)
        session = bot.session(count)
        converse(bot, session, phone, said)
        resource = f"/2010-04-01/Accounts/{session.account_sid}/Calls/{session.call_sid}.json"
        assert twilio(suite, session, "GET", resource)["status"] == "in-progress"
        ended = twilio(suite, session, "POST", resource, data={"Status": "completed"})
        assert ended["status"] == "completed" and ended["sid"] == session.call_sid and ended["uri"] == resource
        wait_for(lambda: session.closed == 1000, 5, lambda: f"closed: {session.closed}")
        assert session.messages[-1]["event"] == "stop" and not session.faults, session.faults
        assert events.wait("call.ended", call_id=call)["ended_by"] == "api"
        over = wait_for(lambda: (found := twilio(suite, session, "GET", resource)).get("end_time") and found)
        assert over["status"] == "completed" and over["direction"] == "outbound-api" and over["from"] == "4711"
        assert int(over["duration"]) >= 2


def test_a_bot_that_closes_has_hung_up(suite):
    bot = suite.bot
    count = len(bot.sessions) + 1
    with handset(suite, audio.speech_like(20, seed=22), 0, "dahdi") as phone, suite.events() as events:
        call = rung(suite, phone, events)
        session = bot.session(count)
        bot.loop.call_soon_threadsafe(lambda: bot.loop.create_task(session.socket.close()))
        assert events.wait("call.ended", call_id=call)["ended_by"] == "api"


def test_the_bot_comes_to_us(suite):
    """A second bot, as a client, late, and listening to what the line hears, too."""
    said, bot = audio.speech_like(40, seed=23), Bot()
    with handset(suite, said, 0, "dahdi") as phone, suite.events() as events:
        call = rung(suite, phone, events)
        bot.dial(f"{suite.facts['ws']}/api/v1/lines/{phone.line['id']}/audio?dialect=twilio", suite.token)
        session = bot.session(1)
        hears(session, said)
        suite.post(f"/api/v1/calls/{call}/hangup")
        wait_for(lambda: session.closed == 1000, 5, lambda: f"closed: {session.closed}")
        assert session.messages[-1]["event"] == "stop" and not session.faults, session.faults
    bot.close()
