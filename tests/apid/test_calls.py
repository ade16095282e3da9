"""Calls, lines and streams as clients, drivers and mediad see them."""
import time

from house import House, ordinary


@ordinary
def test_ring_answer_hangup():
    with House() as house:
        house.register("phone1")
        call, leg = house.ring(caller_number="12345", caller_name="Front desk", timeout_s=20)
        opened = house.asked_of("media.open")[0]
        assert opened["leg"] == leg and opened["call"] == call and opened["peer"] == "127.0.0.9:5060"
        placed = house.asked_of("leg.originate")[0]
        assert placed["description"] == "v=0 " + leg and placed["ring_timeout_ms"] == 20000
        assert placed["caller_number"] == "12345" and placed["caller_name"] == "Front desk"
        house.tell("sipd", "leg.ringing", leg=leg)
        house.event("state_change", new_state="ringing", old_state="on_hook", line="phone1", call_id=call)
        house.event("call.ringing", leg=leg)
        assert house.ask("phone.status")["state"] == "ringing"
        house.tell("sipd", "leg.answered", leg=leg, measured=False)
        house.event("state_change", new_state="off_hook", call_id=call)
        house.event("call.answered", call_id=call)
        status = house.ask("phone.status")
        assert status["call_state"] == "up" and status["call_id"] == call and not status["operator_connected"]
        assert house.ask("phone.hangup")["call_id"] == call
        assert house.wait_asked("leg.hangup", leg=leg)["cause"] == "normal"
        house.end(leg, by_far_end=False)
        ended = house.event("call.ended", call_id=call)
        assert ended["cause"] == "normal" and ended["ended_by"] == "api" and ended["duration_ms"] >= 0
        house.event("state_change", new_state="on_hook", call_id=call)
        record = house.ask("calls.get", call=call)["call"]
        assert record["state"] == "ended" and record["legs"][0]["media"]["packets_received"] == 500
        assert house.ask("phone.hangup")["error"] == "wrong_state"
        assert house.ask("calls.hangup", call=call)["state"] == "ended"
        assert house.ask("calls.hangup", call="c1-none")["error"] == "not_found"
        seqs = [e["seq"] for e in house.events]
        assert seqs == sorted(seqs) and len(set(seqs)) == len(seqs)
        assert [e["cursor"] for e in house.log_events()][-len(seqs):] == [e["cursor"] for e in house.events]


@ordinary
def test_impossible_requests_say_so_at_once():
    with House() as house:
        assert house.ask("lines.ring", line="nobody")["error"] == "not_found"
        answer = house.ask("lines.ring", line="phone1")
        assert answer["error"] == "wrong_state" and answer["state"] == "offline"
        house.register("phone1", "phone2")
        assert house.ask("lines.hangup", line="phone1")["error"] == "wrong_state"
        assert house.ask("phone.audio", format="wav")["error"] == "wrong_state"
        _, leg = house.ring()
        assert house.ask("lines.ring", line="phone1")["error"] == "wrong_state"
        house.tell("sipd", "leg.ringing", leg=leg)
        house.event("state_change", new_state="ringing")
        assert house.ask("lines.ring", line="phone1")["state"] == "ringing"
        house.tell("sipd", "leg.answered", leg=leg, measured=False)
        house.event("state_change", new_state="off_hook")
        assert house.ask("lines.ring", line="phone1")["state"] == "off_hook"
        for role in ("mediad", "sipd"):
            house.close_door(role)
            house.event("daemon.away", daemon=role)
            began = time.monotonic()
            assert house.ask("lines.ring", line="phone2")["error"] == "unavailable"
            assert time.monotonic() - began < 0.5
            house.open_door(role)
            house.event("daemon.started", daemon=role)
        assert house.ask("lines.get", line="phone2")["line"]["state"] == "on_hook"


@ordinary
def test_causes_and_records():
    with House() as house:
        house.register("phone1", "phone2")
        calls = []
        for cause, status in (("busy", 486), ("declined", 603), ("no_answer", 408), ("unreachable", 404)):
            call, leg = house.ring()
            house.end(leg, cause=cause, status=status, why="a sentence")
            ended = house.event("call.ended", call_id=call)
            assert ended["cause"] == cause and ended["duration_ms"] == 0 and ended["why"] == "a sentence"
            record = house.ask("calls.get", call=call)["call"]
            assert record["legs"][0]["sip_status"] == status and record["cause"] == cause
            calls.append(call)
        listed = [c["id"] for c in house.ask("calls.list", limit=2)["calls"]]
        assert listed == calls[:1:-1]
        assert [c["id"] for c in house.ask("calls.list", before=listed[-1])["calls"]] == calls[1::-1]
        assert house.ask("calls.list", line="phone2")["calls"] == []
        assert house.ask("calls.list", active=True)["calls"] == []
        house.manners["leg.originate"] = lambda role, body: {"error": "overloaded"}
        call = house.ask("lines.ring", line="phone1")["call_id"]
        assert house.event("call.ended", call_id=call)["cause"] == "overloaded"
        house.manners["media.open"] = lambda role, body: {"error": "overloaded"}
        call = house.ask("lines.ring", line="phone1")["call_id"]
        assert house.event("call.ended", call_id=call)["cause"] == "overloaded"


@ordinary
def test_hotline_dials_another_line():
    with House() as house:
        house.register("phone1", "phone2")
        house.tell("sipd", "leg.incoming", leg="lA", call="cA", line="phone1", measured=False, dialled="hotline")
        house.event("state_change", line="phone1", new_state="off_hook")
        house.wait_asked("leg.answer", leg="lA")
        house.tell("sipd", "leg.answered", leg="lA", measured=False)
        house.wait_asked("media.tone", leg="lA", tone="dial")
        for digit in "202#":
            house.tell("mediad", "leg.digit", leg="lA", digit=digit, phase="begin", duration_ms=0, source="rfc4733")
            house.tell("mediad", "leg.digit", leg="lA", digit=digit, phase="end", duration_ms=80, source="rfc4733")
            house.tell("sipd", "leg.digit", leg="lA", digit=digit, phase="end", duration_ms=90, source="info")
        house.wait_asked("media.tone", leg="lA", tone="none")
        assert house.event("call.dialled", call_id="cA")["dialled"] == "202"
        placed = house.wait_asked("leg.originate", line="phone2")
        assert placed["caller_number"] == "201" and placed["caller_name"] == "Kitchen" and placed["call"] == "cA"
        house.tell("sipd", "leg.ringing", leg=placed["leg"])
        house.wait_asked("media.tone", leg="lA", tone="ringback")
        house.tell("sipd", "leg.answered", leg=placed["leg"], measured=False)
        house.wait_asked("media.join", a="lA", b=placed["leg"])
        house.event("call.answered", call_id="cA")
        digits = [e for e in house.events if e["type"] == "dtmf"]
        assert [(d["digit"], d["sequence"]) for d in digits] == list(zip("202#", range(1, 5)))
        house.tell("sipd", "leg.flash", leg="lA")
        house.event("call.flash", leg="lA")
        assert house.ask("calls.hold", call="cA", held=True)["call"]["id"] == "cA"
        house.wait_asked("leg.hold", leg="lA", held=True)
        house.tell("sipd", "leg.held", leg="lA", held=True, by_far_end=False)
        house.event("call.held", leg="lA", held=True)
        house.tell("sipd", "leg.hold_failed", leg="lA", held=False, why="the phone refused it with 488")
        assert house.event("call.hold_failed", leg="lA", held=False)["why"] == "the phone refused it with 488"
        house.manners["leg.hold"] = lambda role, body: {"error": "wrong_state"}
        house.ask("calls.hold", call="cA", held=True)
        assert house.event("call.hold_failed", leg="lA", held=True)["why"]
        house.end(placed["leg"])
        house.wait_asked("leg.hangup", leg="lA")
        house.end("lA", by_far_end=False)
        ended = house.event("call.ended", call_id="cA")
        assert ended["ended_by"] == "line" and ended["cause"] == "normal"
        record = house.ask("calls.get", call="cA")["call"]
        assert record["dialled"] == "202" and record["digits"] == 4 and len(record["legs"]) == 2


@ordinary
def test_hotline_time_outs():
    with House() as house:
        house.register("phone3")
        for call, digits in (("c1", ""), ("c2", "0"), ("c3", "999")):
            leg = "l" + call
            house.tell("sipd", "leg.incoming", leg=leg, call=call, line="phone3", measured=False, dialled="lifted")
            house.tell("sipd", "leg.answered", leg=leg, measured=False)
            house.wait_asked("media.tone", leg=leg, tone="dial")
            for digit in digits:
                house.tell("sipd", "leg.digit", leg=leg, digit=digit, phase="end", duration_ms=90, source="info")
            if digits == "999":
                house.wait_asked("media.tone", leg=leg, tone="congestion")
                house.wait_asked("leg.hangup", leg=leg)
            else:
                house.event("call.answered", call_id=call)
            house.end(leg)
            house.event("call.ended", call_id=call, cause="normal" if digits != "999" else "unreachable")


@ordinary
def test_dialled_at_once():
    with House() as house:
        house.register("phone1", "phone2")
        # the operator
        house.tell("sipd", "leg.incoming", leg="l1", call="c1", line="phone1", measured=False, dialled="0")
        house.wait_asked("leg.answer", leg="l1")
        house.tell("sipd", "leg.answered", leg="l1", measured=False)
        house.event("call.answered", call_id="c1")
        # a busy line
        house.tell("sipd", "leg.incoming", leg="l2", call="c2", line="phone2", measured=False, dialled="201")
        assert house.wait_asked("leg.hangup", leg="l2")["cause"] == "busy"
        house.end("l2", cause="busy", by_far_end=False)
        assert house.event("call.ended", call_id="c2")["cause"] == "busy"
        house.end("l1")
        house.event("call.ended", call_id="c1")
        # a line that answers
        house.tell("sipd", "leg.incoming", leg="l3", call="c3", line="phone2", measured=False, dialled="phone1")
        placed = house.wait_asked("leg.originate", call="c3")
        house.tell("sipd", "leg.ringing", leg=placed["leg"])
        assert house.wait_asked("leg.progress", leg="l3")["early_media"] is False
        house.tell("sipd", "leg.answered", leg=placed["leg"], measured=False)
        house.wait_asked("leg.answer", leg="l3")
        house.wait_asked("media.join", a="l3", b=placed["leg"])
        house.tell("sipd", "leg.answered", leg="l3", measured=False)
        house.event("call.answered", call_id="c3")
        house.end("l3")
        house.wait_asked("leg.hangup", leg=placed["leg"])
        house.end(placed["leg"], by_far_end=False)
        house.event("call.ended", call_id="c3")
        # nobody of that number, and a line that is offline
        for call, dialled in (("c4", "404"), ("c5", "203")):
            house.tell("sipd", "leg.incoming", leg="l" + call, call=call, line="phone2", measured=False, dialled=dialled)
            assert house.wait_asked("leg.hangup", leg="l" + call)["cause"] == "unreachable"
            house.end("l" + call, cause="unreachable", by_far_end=False)
            house.event("call.ended", call_id=call, cause="unreachable")
        # a callee that does not lift
        house.tell("sipd", "leg.incoming", leg="l6", call="c6", line="phone2", measured=False, dialled="201")
        placed = house.wait_asked("leg.originate", call="c6")
        house.end(placed["leg"], cause="no_answer", by_far_end=False)
        assert house.wait_asked("leg.hangup", leg="l6")["cause"] == "no_answer"
        house.end("l6", cause="no_answer", by_far_end=False)
        assert house.event("call.ended", call_id="c6")["cause"] == "no_answer"


@ordinary
def test_api_connects_two_lines():
    with House() as house:
        house.register("phone1", "phone2")
        call = house.ask("calls.create", line="phone1", to_line="phone2")["call"]["id"]
        first = house.wait_asked("leg.originate", line="phone1")["leg"]
        house.tell("sipd", "leg.answered", leg=first, measured=False)
        second = house.wait_asked("leg.originate", line="phone2")["leg"]
        house.tell("sipd", "leg.ringing", leg=second)
        house.wait_asked("media.tone", leg=first, tone="ringback")
        assert house.ask("calls.get", call=call)["call"]["state"] == "ringing"
        house.tell("sipd", "leg.answered", leg=second, measured=False)
        house.wait_asked("media.join", a=first, b=second)
        house.event("call.answered", call_id=call)
        house.ask("calls.hangup", call=call)
        for leg in (first, second):
            house.wait_asked("leg.hangup", leg=leg)
            house.end(leg, by_far_end=False)
        house.event("call.ended", call_id=call, ended_by="api")
        assert house.ask("calls.create", line="phone1", to_line="phone1")["field"] == "to_line"


@ordinary
def test_streams_live_longer_than_calls():
    with House() as house:
        house.register("phone1")
        stream = house.ask("stream.open", line="phone1", via="websocket")["stream"]
        assert len(stream) <= 32 and house.asked_of("media.open", leg=stream)[0]["kind"] == "stream"
        house.event("operator.connected", line="phone1", via="websocket")
        assert house.ask("phone.status")["operator_connected"]
        for _ in range(2):
            call, leg = house.up()
            house.wait_asked("media.join", a=leg, b=stream)
            house.end(leg)
            house.event("call.ended", call_id=call)
        call, leg = house.up()
        late = house.ask("stream.open", line="phone1", via="websocket")["stream"]
        house.wait_asked("media.join", a=leg, b=late)
        played = house.ask("lines.audio", line="phone1", format="wav")
        assert house.wait_asked("media.play", leg=leg)["play"] == played["play_id"]
        house.tell("mediad", "media.played", leg=leg, play=played["play_id"], played_ms=500, completed=True)
        assert house.event("audio.played")["call_id"] == call
        house.ask("stream.close", stream=late, line="phone1", via="websocket", why="1000")
        house.wait_asked("media.close", leg=late)
        house.event("operator.disconnected", why="1000")
        # mediad begins anew: the call is over, the grant is opened again
        before = len(house.asked_of("media.open", leg=stream))
        house.tell("mediad", "driver.started", incarnation="i2", clean=False)
        assert house.wait_asked("leg.hangup", leg=leg)["cause"] == "media_failed"
        house.until(lambda: len(house.asked_of("media.open", leg=stream)) == before + 1)
        house.tell("sipd", "leg.ended", leg=leg, cause="media_failed", by_far_end=False)
        assert house.event("call.ended", call_id=call)["cause"] == "media_failed"
        # the front goes, and its stream with it
        house.close_door("api-front")
        house.event("operator.disconnected", line="phone1")
        house.wait_asked("media.close", leg=stream)
        house.ask("stream.close", role="hook-stream", token=None, line="phone1", via="dialled", why="refused",
                  retry_in_ms=500)
        assert house.event("operator.disconnected", via="dialled")["retry_in_ms"] == 500


@ordinary
def test_mediad_keeps_its_sessions():
    """All it does not tell as lost lives on, and nothing is asked again."""
    with House() as house:
        house.register("phone1", "phone2")
        stream = house.ask("stream.open", line="phone1", via="websocket")["stream"]
        kept, leg = house.up()
        lost, other = house.up(line="phone2")
        opened = len(house.asked_of("media.open"))
        house.tell("mediad", "media.closed", leg=other, figures=house.figures(), lost=True)
        house.tell("mediad", "driver.started", incarnation="i2", clean=False, keeps=True)
        assert house.wait_asked("leg.hangup", leg=other)["cause"] == "media_failed"
        house.tell("sipd", "leg.ended", leg=other, cause="media_failed", by_far_end=False)
        assert house.event("call.ended", call_id=lost)["cause"] == "media_failed"
        assert not house.asked_of("leg.hangup", leg=leg) and not house.asked_of("media.close", leg=other)
        assert house.ask("calls.get", call=kept)["call"]["state"] == "up"
        assert len(house.asked_of("media.open")) == opened and house.asked_of("media.open", leg=stream)


@ordinary
def test_driver_begins_anew():
    with House() as house:
        house.register("phone1", "phone2")
        call, leg = house.up()
        house.manners["leg.originate"] = lambda role, body: None  # the driver dies before it answers
        other = house.ask("lines.ring", line="phone2")["call_id"]
        unsure = house.wait_asked("leg.originate", call=other)["leg"]
        time.sleep(0.005)  # wall clock: later than what it lost
        began = time.monotonic()
        house.tell("sipd", "driver.started", incarnation="i2", clean=False)
        for one in (call, other):
            assert house.event("call.ended", call_id=one)["cause"] == "driver_restarted"
        assert time.monotonic() - began < 5  # 0.9 s, where nobody else wants the machine
        house.wait_asked("leg.hangup", leg=leg)
        house.wait_asked("leg.hangup", leg=unsure)
        house.event("daemon.started", daemon="sipd", clean=False)
        assert house.ask("lines.get", line="phone1")["line"]["state"] == "on_hook"
        del house.manners["leg.originate"]
        house.up()
        # it said that it is back, and apid's own connection to it is still being made
        house.close_door("sipd")
        house.event("daemon.away", daemon="sipd")
        assert house.ask("lines.ring", line="phone2")["error"] == "unavailable"
        house.tell("sipd", "driver.started", incarnation="i3", clean=False)
        house.until(lambda: [e for e in house.events if e["type"] == "daemon.started"][-1]["seq"] >
                    house.event("daemon.away", daemon="sipd")["seq"])
        call = house.ask("lines.ring", line="phone2")["call_id"]
        house.open_door("sipd")
        house.wait_asked("leg.originate", call=call)


@ordinary
def test_a_phone_dials_while_the_driver_is_away():
    """Who dials in the moment between a driver and its successor is not refused: the successor rings the other one."""
    with House() as house:
        house.register("phone1", "phone2")
        house.close_door("sipd")
        house.event("daemon.away", daemon="sipd")
        house.tell("sipd", "leg.incoming", leg="l1", call="c1", line="phone1", measured=False, dialled="phone2")
        house.event("call.created", call_id="c1")
        house.wait_asked("media.open", call="c1")
        house.open_door("sipd")
        house.wait_asked("leg.originate", call="c1", line="phone2")
        assert not house.asked_of("leg.hangup")


@ordinary
def test_the_longest_queue():
    with House() as house:
        house.register("phone1", "phone2")
        for i in range(50):
            house.tell("sipd", "leg.incoming", leg=f"l{i}", call=f"c{i}", line="phone1", measured=False, dialled="0")
        house.settle()
        assert house.ask("lines.ring", line="phone2")["error"] == "overloaded"
        house.tell("sipd", "leg.incoming", leg="l50", call="c50", line="phone2", measured=False, dialled="0")
        assert house.wait_asked("leg.hangup", leg="l50")["cause"] == "overloaded"


def press(house, leg, keys):
    for key in keys:
        house.tell("mediad", "leg.digit", leg=leg, digit=key, phase="begin", duration_ms=0, source="rfc4733")
        house.tell("mediad", "leg.digit", leg=leg, digit=key, phase="end", duration_ms=80, source="rfc4733")


@ordinary
def test_commands_to_a_party():
    with House() as house:
        house.register("phone1")
        assert house.ask("calls.mute", call="c1-none", muted=True)["error"] == "not_found"
        call, leg = house.ring()
        early = house.ask("calls.mute", call=call, muted=True)
        assert early["error"] == "wrong_state" and early["state"] == "routing"
        house.tell("sipd", "leg.answered", leg=leg, measured=False)
        house.event("call.answered", call_id=call)
        assert house.ask("calls.mute", call=call, muted=True, line="phone2")["error"] == "not_found"
        assert house.ask("calls.mute", call=call, muted=True)["call"]["legs"][0]["muted"]
        house.wait_asked("media.mute", leg=leg, muted=True)
        house.event("call.muted", leg=leg, muted=True)
        house.kill()
        assert "muted" not in house.ask("calls.mute", call=call, muted=False, line="phone1")["call"]["legs"][0]
        assert house.ask("calls.digits", call=call, digits="12#")["call"]["id"] == call
        assert house.wait_asked("media.digits", leg=leg)["duration_ms"] == 100
        assert house.event("call.digits_sent", leg=leg)["digits"] == "12#"
        house.manners["media.digits"] = lambda role, body: {"error": "wrong_state"}
        house.ask("calls.digits", call=call, digits="5", duration_ms=300)
        assert house.wait_asked("leg.digits", leg=leg)["duration_ms"] == 300
        house.manners["leg.digits"] = lambda role, body: {"error": "wrong_state"}
        assert house.ask("calls.digits", call=call, digits="5")["error"] == "wrong_state"
        play = house.ask("calls.audio", call=call, format="wav")["play_id"]
        assert house.wait_asked("media.play", leg=leg)["play"] == play
        house.ask("calls.stop", call=call)
        house.wait_asked("media.stop", leg=leg)
        house.end(leg)
        house.event("call.ended", call_id=call)
        assert house.ask("calls.stop", call=call)["state"] == "ended"


@ordinary
def test_digits_are_gathered():
    with House() as house:
        house.register("phone1")
        call, leg = house.up()

        def gather(**more):
            return house.ask("calls.gather", call=call, **{"first_timeout_ms": 60000, "digit_timeout_ms": 60000, **more})

        def ends(gathering, digits, reason):
            event = house.event("call.gathered", gather=gathering["gather"])
            assert (event["digits"], event["reason"], event["leg"]) == (digits, reason, leg)

        assert gather(min=3, max=2)["field"] == "min" and gather(terminators="x")["field"] == "terminators"
        assert house.ask("calls.gather_stop", call=call)["error"] == "wrong_state"
        press(house, leg, "9")
        house.event("dtmf", digit="9")
        one = gather(max=3)
        press(house, leg, "12")
        house.settle()
        house.kill()  # its successor goes on
        press(house, leg, "3")
        ends(one, "123", "complete")
        two = gather(min=2)
        press(house, leg, "45#")
        ends(two, "45", "terminator")
        ends_early = gather(min=2)
        press(house, leg, "4#")
        ends(ends_early, "4", "too_few")
        ends(gather(first_timeout_ms=100), "", "too_few")
        ends(gather(first_timeout_ms=100, min=0), "", "timeout")
        slow = gather(digit_timeout_ms=100, terminators="")
        press(house, leg, "#")
        ends(slow, "#", "timeout")
        first, second = gather(), gather()
        ends(first, "", "stopped")
        assert house.ask("calls.gather_stop", call=call)["gather"] == second["gather"]
        ends(second, "", "stopped")
        asked = gather(first_timeout_ms=100, prompt="p1")
        house.tell("mediad", "media.played", leg=leg, play="p1", played_ms=900, completed=True)
        ends(asked, "", "too_few")
        cut = gather(prompt="p2", max=1)
        press(house, leg, "7")
        ends(cut, "7", "complete")
        house.wait_asked("media.stop", leg=leg)
        last = gather()
        house.end(leg)
        ends(last, "", "ended")


@ordinary
def test_a_call_may_be_limited():
    with House() as house:
        house.register("phone1")
        call = house.ask("calls.create", line="phone1", max_duration_s=1)["call"]
        assert call["max_duration_s"] == 1
        leg = house.wait_asked("leg.originate", call=call["id"])["leg"]
        house.tell("sipd", "leg.answered", leg=leg, measured=False)
        house.event("call.answered", call_id=call["id"])
        assert house.wait_asked("leg.hangup", leg=leg)["cause"] == "time_limit"
        house.end(leg, by_far_end=False)
        assert house.event("call.ended", call_id=call["id"])["cause"] == "time_limit"


@ordinary
def test_a_snapshot_and_what_follows_are_all():
    with House() as house:
        house.register("phone1", "phone2")
        one, _ = house.up("phone1")
        two, leg = house.ring("phone2")
        before = house.ask("events.snapshot")
        assert [call["id"] for call in before["calls"]] == [one, two] and not before["more"]
        assert {line["id"]: line["state"] for line in before["lines"]} == {
            "phone1": "off_hook", "phone2": "on_hook", "phone3": "offline", "phone4": "offline"}
        house.tell("sipd", "leg.ringing", leg=leg)
        house.event("call.ringing", leg=leg)
        after = house.ask("events.list", since=before["cursor"])["events"]
        assert [event["type"] for event in after if event["type"] in ("state_change", "call.ringing")] == [
            "state_change", "call.ringing"]
        assert house.ask("events.snapshot", token="reader")["cursor"] == after[-1]["cursor"]


@ordinary
def test_only_own_numbers_are_shown():
    with House() as house:
        config = house.home / "hookswitch.yaml"
        config.write_text(config.read_text().replace("max_active: 50", "max_active: 50, caller_numbers: own")
                          .replace("{name: all,", "{name: all, may_show: ['+49 30 1234'],"))
        house.kill_all()
        house.register("phone1")
        for number in ("555", "+49 30 9"):
            assert house.ask("lines.ring", line="phone1", caller_number=number)["error"] == "forbidden"
            assert house.ask("calls.create", line="phone1", caller_number=number)["field"] == "caller_number"
        for number in ("202", "600", "+49301234", ""):
            call, leg = house.ring(caller_number=number)
            house.end(leg)
            house.event("call.ended", call_id=call)
