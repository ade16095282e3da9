"""Who talks to whom: calls that wait for the operator's word, transfers, bridges, forwards, groups."""
from house import House, ordinary


def dial(house, line, number, name="A"):
    """A phone calls; its leg and call."""
    house.tell("sipd", "leg.incoming", leg=f"l{name}", call=f"c{name}", line=line, measured=False, dialled=number)
    house.event("call.created", call_id=f"c{name}")
    return f"l{name}", f"c{name}"


def placed(house, call, line):
    return house.wait_asked("leg.originate", call=call, line=line)["leg"]


def rings(house, leg):
    house.tell("sipd", "leg.ringing", leg=leg)
    house.event("call.ringing", leg=leg)


def lifts(house, leg):
    house.tell("sipd", "leg.answered", leg=leg, measured=False)
    house.event("state_change", new_state="off_hook")


def connected(house, first, second):
    house.wait_asked("media.join", a=first, b=second)
    house.event("call.answered", leg=second)


@ordinary
def test_a_call_waits_for_the_operator_s_word():
    with House() as house:
        house.register("phone1", "phone4")
        leg, call = dial(house, "phone4", "0")
        assert house.event("call.offered", call_id=call)["leg"] == leg
        assert not house.wait_asked("leg.progress", leg=leg)["early_media"]
        assert house.ask("calls.get", call=call)["call"]["state"] == "ringing"
        house.settle()
        house.kill()
        assert house.ask("calls.answer", call=call)["call"]["id"] == call
        house.wait_asked("leg.answer", leg=leg)
        house.tell("sipd", "leg.answered", leg=leg, measured=False)
        house.event("call.answered", call_id=call)
        assert house.ask("calls.answer", call=call)["state"] == "up"
        house.end(leg)
        house.event("call.ended", call_id=call)
        leg, call = dial(house, "phone4", "0", "B")
        house.event("call.offered", call_id=call)
        house.ask("calls.hangup", call=call, cause="busy")
        assert house.wait_asked("leg.hangup", leg=leg)["cause"] == "busy"
        house.end(leg, cause="busy", by_far_end=False)
        assert house.event("call.ended", call_id=call)["cause"] == "busy"
        leg, call = dial(house, "phone4", "0", "C")
        house.event("call.offered", call_id=call)
        assert house.ask("calls.transfer", call=call, to_number="201")["call"]["id"] == call
        other = placed(house, call, "phone1")
        lifts(house, other)
        house.wait_asked("leg.answer", leg=leg)
        house.tell("sipd", "leg.answered", leg=leg, measured=False)
        connected(house, leg, other)


@ordinary
def test_the_operator_hands_a_party_on():
    with House() as house:
        house.register("phone1", "phone2", "phone3")
        call, leg = house.up()
        for wrong in ({}, {"to_line": "phone2", "to_number": "202"}, {"to_line": "phone1"}, {"to_number": "0"}):
            assert house.ask("calls.transfer", call=call, **wrong)["error"] == "invalid"
        assert house.ask("calls.transfer", call=call, to_line="nobody")["error"] == "not_found"
        house.ask("calls.transfer", call=call, to_line="phone2")
        assert house.event("call.transfer", call_id=call)["to_line"] == "phone2"
        assert house.ask("calls.transfer", call=call, to_line="phone3")["error"] == "wrong_state"
        other = placed(house, call, "phone2")
        rings(house, other)
        house.wait_asked("media.tone", leg=leg, tone="ringback")
        house.end(other, cause="declined")
        assert house.event("call.transfer_failed", call_id=call)["cause"] == "declined"
        assert house.ask("calls.get", call=call)["call"]["state"] == "up"
        house.ask("calls.transfer", call=call, to_number="203")
        third = placed(house, call, "phone3")
        house.settle()
        house.kill()
        lifts(house, third)
        connected(house, leg, third)
        # the third party stays, the first one leaves
        house.ask("calls.transfer", call=call, to_line="phone2", line="phone3")
        house.wait_asked("leg.hangup", leg=leg)
        house.wait_asked("media.part", leg=third)
        house.end(leg, by_far_end=False)
        house.until(lambda: len(house.asked_of("leg.originate", line="phone2")) == 2)
        last = house.wait_asked("leg.originate", line="phone2")
        assert last["caller_number"] == "203"
        lifts(house, last["leg"])
        connected(house, third, last["leg"])
        house.end(third)
        house.wait_asked("leg.hangup", leg=last["leg"])
        house.end(last["leg"], by_far_end=False)
        assert house.event("call.ended", call_id=call)["cause"] == "normal"
        record = house.ask("calls.get", call=call)["call"]
        assert [leg["line"] for leg in record["legs"]] == ["phone1", "phone2", "phone3", "phone2"]


@ordinary
def test_calls_are_bridged():
    with House() as house:
        house.register("phone1", "phone2", "phone3")
        one, a = house.up("phone1")
        two, b = house.up("phone2")
        assert house.ask("calls.bridge", call=one, **{"with": one})["error"] == "invalid"
        assert house.ask("calls.unbridge", call=one)["error"] == "wrong_state"
        assert house.ask("calls.bridge", call=one, **{"with": two})["call"]["bridged_with"] == two
        house.wait_asked("media.join", a=a, b=b)
        house.event("call.bridged", call_id=two, leg=b)
        house.settle()
        house.kill()
        assert "bridged_with" not in house.ask("calls.unbridge", call=two)["call"]
        house.event("call.unbridged", call_id=one)
        house.wait_asked("media.part", leg=b)
        house.ask("calls.transfer", call=two, to_call=one)
        house.until(lambda: len([e for e in house.events if e["type"] == "call.bridged"]) == 4)
        house.end(a)
        assert house.event("call.ended", call_id=one)["ended_by"] == "line"
        assert house.wait_asked("leg.hangup", leg=b)["cause"] == "normal"
        house.end(b, by_far_end=False)
        assert "bridged" in house.event("call.ended", call_id=two)["why"]


@ordinary
def test_attended_transfer_lets_go_of_who_is_in_both():
    """phone1 talks to phone2, and to phone3 in a second call; then phone2 and phone3 talk."""
    with House() as house:
        house.register("phone1", "phone2", "phone3")
        legs = {}
        for name, number, line in (("A", "202", "phone2"), ("B", "203", "phone3")):
            leg, call = dial(house, "phone1", number, name)
            other = placed(house, call, line)
            lifts(house, other)
            house.wait_asked("leg.answer", leg=leg)
            house.tell("sipd", "leg.answered", leg=leg, measured=False)
            connected(house, leg, other)
            legs[call] = leg, other
        assert house.ask("calls.bridge", call="cA", **{"with": "cB"})["error"] == "wrong_state"
        assert house.ask("calls.transfer", call="cA", to_call="cB")["call"]["bridged_with"] == "cB"
        for leg, other in legs.values():
            house.wait_asked("leg.hangup", leg=leg)
            house.wait_asked("media.part", leg=other)
        house.wait_asked("media.join", a=legs["cA"][1], b=legs["cB"][1])
        for leg, _ in legs.values():
            house.end(leg, by_far_end=False)
        assert house.ask("calls.get", call="cA")["call"]["state"] == "up"
        house.end(legs["cB"][1])
        house.wait_asked("leg.hangup", leg=legs["cA"][1])


@ordinary
def test_lines_hand_their_calls_on():
    with House() as house:
        house.register("phone1", "phone2", "phone3")
        for wrong in ({"forward_busy": "999"}, {"forward_always": "202"}):
            assert house.ask("lines.settings", line="phone2", **wrong)["error"] == "invalid"
        shown = house.ask("lines.settings", line="phone2", do_not_disturb=True)["line"]
        assert shown["do_not_disturb"]
        house.event("line.settings", line="phone2", do_not_disturb=True)
        assert house.ask("lines.ring", line="phone2")["state"] == "do_not_disturb"
        leg, call = dial(house, "phone1", "202")
        assert house.wait_asked("leg.hangup", leg=leg)["cause"] == "busy"
        house.end(leg, by_far_end=False)
        house.ask("lines.settings", line="phone2", forward_busy="203")
        house.settle()
        house.kill()
        leg, call = dial(house, "phone1", "202", "B")
        assert house.event("call.forwarded", line="phone2")["reason"] == "do_not_disturb"
        house.end(placed(house, call, "phone3"), cause="busy")
        house.wait_asked("leg.hangup", leg=leg)
        house.end(leg, by_far_end=False)
        house.ask("lines.settings", line="phone2", do_not_disturb=False, forward_busy="", forward_no_answer="0",
                  forward_after_s=7)
        leg, call = dial(house, "phone1", "202", "C")
        house.until(lambda: house.asked_of("leg.originate", call=call))
        rung = house.wait_asked("leg.originate", call=call, line="phone2")
        assert rung["ring_timeout_ms"] == 7000
        house.end(rung["leg"], cause="no_answer")
        assert house.event("call.forwarded", call_id=call)["reason"] == "no_answer"
        house.wait_asked("leg.answer", leg=leg)
        house.tell("sipd", "leg.answered", leg=leg, measured=False)
        assert house.event("call.answered", call_id=call)["leg"] == leg
        house.end(leg)
        house.event("call.ended", call_id=call)
        house.ask("lines.settings", line="phone2", forward_no_answer="", forward_always="203")
        house.ask("lines.settings", line="phone3", forward_always="202")  # a circle
        leg, call = dial(house, "phone1", "202", "D")
        assert house.wait_asked("leg.hangup", leg=leg)["cause"] == "failed"
        assert len([e for e in house.events if e["type"] == "call.forwarded" and e["call_id"] == call]) == 5


@ordinary
def test_groups():
    with House() as house:
        house.register("phone1", "phone2", "phone3", "phone4")
        leg, call = dial(house, "phone1", "600")
        two, three = placed(house, call, "phone2"), placed(house, call, "phone3")
        rings(house, two)
        rings(house, three)
        house.settle()
        house.kill()
        lifts(house, three)
        assert house.wait_asked("leg.hangup", leg=two)["cause"] == "cancelled"
        house.wait_asked("leg.answer", leg=leg)
        house.tell("sipd", "leg.answered", leg=leg, measured=False)
        connected(house, leg, three)
        house.end(two, cause="cancelled", by_far_end=False)
        assert house.ask("calls.get", call=call)["call"]["group"] == "desk"
        house.end(leg)
        house.end(three, by_far_end=False)
        house.event("call.ended", call_id=call)
        leg, call = dial(house, "phone1", "600", "B")
        for line in ("phone2", "phone3"):
            house.end(placed(house, call, line), cause="no_answer")
        house.wait_asked("leg.answer", leg=leg)  # otherwise: the operator
        house.tell("sipd", "leg.answered", leg=leg, measured=False)
        house.event("call.answered", call_id=call, leg=leg)
        house.end(leg)
        house.event("call.ended", call_id=call)
        leg, call = dial(house, "phone1", "601", "C")
        assert house.wait_asked("leg.originate", call=call)["ring_timeout_ms"] == 5000
        house.end(placed(house, call, "phone2"), cause="no_answer")
        three = placed(house, call, "phone3")
        assert not house.asked_of("leg.originate", call=call, line="phone4")
        house.end(three, cause="busy")
        house.end(placed(house, call, "phone4"), cause="no_answer")
        assert house.wait_asked("leg.hangup", leg=leg)["cause"] in ("busy", "no_answer")


@ordinary
def test_a_call_waits_for_who_is_in_another_one():
    with House() as house:
        house.register("phone1", "phone2", "phone3")
        assert house.ask("lines.settings", line="phone2", call_waiting=True)["line"]["call_waiting"]
        first, mine = house.up("phone2")
        house.settle()
        house.kill()
        leg, call = dial(house, "phone1", "202")
        second = placed(house, call, "phone2")
        rings(house, second)
        other, third = dial(house, "phone3", "202", "B")  # two are enough
        assert house.wait_asked("leg.hangup", leg=other)["cause"] == "busy"
        house.tell("sipd", "leg.held", leg=mine, held=True, by_far_end=True)
        house.tell("sipd", "leg.answered", leg=second, measured=False)
        house.wait_asked("leg.answer", leg=leg)
        house.tell("sipd", "leg.answered", leg=leg, measured=False)
        connected(house, leg, second)
        house.end(leg)
        house.wait_asked("leg.hangup", leg=second)
        house.end(second, by_far_end=False)
        house.event("call.ended", call_id=call)
        assert house.ask("lines.get", line="phone2")["line"]["call_id"] == first
        assert house.ask("calls.get", call=first)["call"]["state"] == "up"
