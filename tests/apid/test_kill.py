"""apid is killed at random points, hundreds of times, judged by a ledger: what drivers told is in the log exactly once,
calls go on, what apid asks is asked again under the same id, and nothing rings twice."""
import collections
import os
import random
import time

from house import House, ordinary

KILLS = int(os.environ.get("HOOKSWITCH_KILLS", "200"))


class Ledger:
    """What was told and done, and what must be found in the log for it."""

    def __init__(self, house, seed):
        self.house = house
        self.random = random.Random(seed)
        self.wanted = collections.Counter()  # of (type, call, more)
        self.calls = {}                      # of the phones: call -> {"leg", "digits", "step"}
        self.count = 0
        self.rings = {}                      # request id -> answer
        self.turns = 0

    def want(self, kind, call, more=None):
        self.wanted[kind, call, more] += 1

    def begin(self):
        self.count += 1
        call, leg = f"cx{self.count}", f"lx{self.count}"
        self.house.tell("sipd", "leg.incoming", leg=leg, call=call, line=self.random.choice(("phone1", "phone2")),
                        measured=False, dialled="0")
        self.calls[call] = {"leg": leg, "digits": 0, "up": False}
        self.want("call.created", call)

    def move(self, call):
        state = self.calls[call]
        if not state["up"]:
            self.house.tell("sipd", "leg.answered", leg=state["leg"], measured=False)
            self.want("call.answered", call)
            state["up"] = True
        elif state["digits"] < 4 and self.random.random() < 0.8:
            state["digits"] += 1
            self.house.tell("mediad", "leg.digit", leg=state["leg"], digit=str(state["digits"]), phase="end",
                            duration_ms=80, source="rfc4733")
            self.want("dtmf", call, state["digits"])
        elif self.random.random() < 0.5:
            self.house.tell("sipd", "leg.flash", leg=state["leg"])
            self.want("call.flash", call)
        else:
            self.house.tell("sipd", "leg.ended", leg=state["leg"], cause="normal", by_far_end=True)
            self.want("call.ended", call)
            del self.calls[call]

    def ring(self):
        """A client rings phone3 and hangs up; the front repeats its questions by itself."""
        identity = self.house.post(self.random.choice(("lines.ring", "lines.hangup")), line="phone3")
        self.rings[identity] = None

    def step(self):
        self.turns += 1
        if self.turns % 7 == 0:
            self.ring()
        elif len(self.calls) < 4 and self.random.random() < 0.4:
            self.begin()
        elif self.calls:
            self.move(self.random.choice(list(self.calls)))


def check_log(events, ledger):
    found = collections.Counter()
    for event in events:
        if event.get("call_id", "").startswith("cx"):
            found[event["type"], event["call_id"], event.get("sequence")] += 1
    kinds = {kind for kind, _, _ in ledger.wanted}
    found = collections.Counter({k: n for k, n in found.items() if k[0] in kinds})
    assert found == ledger.wanted, ((found - ledger.wanted), (ledger.wanted - found))
    seqs = [event["seq"] for event in events]
    assert seqs == list(range(1, len(seqs) + 1))
    for event in events:
        if event["type"] == "dtmf" and event["call_id"].startswith("cx"):
            assert event["digit"] == str(event["sequence"])


def check_states(events):
    """Each line's states follow each other without a gap."""
    states = {}
    for event in events:
        if event["type"] == "state_change":
            assert event["old_state"] == states.get(event["line"], "offline"), event
            states[event["line"]] = event["new_state"]


@ordinary
def test_kill_at_random_points():
    seed = int(os.environ.get("HOOKSWITCH_SEED", time.time_ns() % 1000000))
    print("HOOKSWITCH_SEED", seed)
    dice = random.Random(seed)
    with House() as house:
        house.register("phone1", "phone2", "phone3")
        ledger = Ledger(house, seed)
        legs = {}

        def originate(role, body):
            """phone3 rings, and ends when it is hung up."""
            legs[body["leg"]] = legs.get(body["leg"], 0) + 1
            house.tell("sipd", "leg.ringing", leg=body["leg"])
            return {}

        def hangup(role, body):
            if legs.pop(body["leg"], None):
                house.tell("sipd", "leg.ended", leg=body["leg"], cause="cancelled", by_far_end=False)
            return {}

        def close(role, body):
            house.tell("mediad", "media.closed", leg=body["leg"], figures=house.figures())
            return {}

        house.manners |= {"leg.originate": originate, "leg.hangup": hangup, "media.close": close}
        kills = 0
        while kills < KILLS:
            for _ in range(dice.randrange(1, 8)):
                ledger.step()
                if dice.random() < 0.5:
                    house.turn(0)
            pause = dice.choice((0, 0.0005, 0.001, 0.002, 0.005, 0.02)) * dice.random()
            end = time.monotonic() + pause
            while time.monotonic() < end:
                house.turn(0)
            house.kill_all()
            kills += 1
            if dice.random() < 0.3:
                house.settle()
            house.resend()
        house.settle(20)
        for call in list(ledger.calls):
            house.tell("sipd", "leg.ended", leg=ledger.calls[call]["leg"], cause="normal", by_far_end=True)
            ledger.want("call.ended", call)
        house.settle()
        # the front's questions are all answered, once each
        house.resend()
        house.until(lambda: not house.waiting, 20, "answers to all questions")
        ring_answers = [house.answers[i] for i in ledger.rings]
        house.until(lambda: sum(not c["over"] for c in house.live()) == len(legs), 20, "quiet")
        house.until(lambda: len([e for e in house.log_events() if e["type"] == "call.ended"]) ==
                    len([e for e in house.log_events() if e["type"] == "call.created"]) - len(legs), 20, "all ends")
        events = house.log_events()
        check_log(events, ledger)
        check_states(events)
        # every ring that was granted rang once: one call, one leg, one originate, whatever died between
        granted = {a["body"]["call_id"] for a in ring_answers if "error" not in a and "state" in a["body"]}
        placed = collections.Counter(a["call"] for a in house.asked_of("leg.originate"))
        assert all(n == 1 for n in placed.values()), placed
        assert set(placed) <= granted, set(placed) - granted
        rung = [e["call_id"] for e in events if e["type"] == "call.created" and e["direction"] == "outgoing"]
        assert len(rung) == len(set(rung)) and set(rung) <= granted


@ordinary
def test_a_call_survives():
    """Between lines and with an operator: killed after each step, the flow goes on where it was."""
    with House() as house:
        def again():
            house.kill_all()
            house.settle()

        house.register("phone1", "phone2")
        stream = house.ask("stream.open", line="phone1", via="websocket")["stream"]
        house.manners["leg.originate"] = lambda role, body: None  # not confirmed
        call = house.ask("lines.ring", line="phone1")["call_id"]
        first = house.wait_asked("leg.originate", call=call)
        again()
        house.until(lambda: len(house.asked_of("leg.originate")) == 2, what="the question again")
        assert {a["id"] for a in house.asked_of("leg.originate")} == {first["id"]}
        del house.manners["leg.originate"]
        house.done["sipd", first["id"]] = {}
        again()
        leg = first["leg"]
        house.tell("sipd", "leg.ringing", leg=leg)
        again()
        house.tell("sipd", "leg.answered", leg=leg, measured=False)
        again()
        house.wait_asked("media.join", a=leg, b=stream)
        assert house.ask("phone.status")["call_state"] == "up" and house.ask("phone.status")["operator_connected"]
        house.ask("phone.hangup")
        again()
        house.wait_asked("leg.hangup", leg=leg)
        house.end(leg, by_far_end=False)
        house.settle()
        house.until(lambda: house.ask("calls.get", call=call)["call"]["state"] == "ended")
        again()
        # a dialled number is collected over deaths; its time-out runs on
        house.tell("sipd", "leg.incoming", leg="lA", call="cA", line="phone1", measured=False)
        again()
        house.tell("sipd", "leg.answered", leg="lA", measured=False)
        for digit in "202":
            house.tell("mediad", "leg.digit", leg="lA", digit=digit, phase="begin", duration_ms=0, source="rfc4733")
            again()
            house.tell("mediad", "leg.digit", leg="lA", digit=digit, phase="end", duration_ms=80, source="rfc4733")
        again()
        placed = house.wait_asked("leg.originate", call="cA")
        assert placed["line"] == "phone2"
        again()
        house.tell("sipd", "leg.answered", leg=placed["leg"], measured=False)
        again()
        house.wait_asked("media.join", a="lA", b=placed["leg"])
        house.tell("sipd", "leg.ended", leg=placed["leg"], cause="normal", by_far_end=True)
        again()
        house.wait_asked("leg.hangup", leg="lA")
        house.end("lA", by_far_end=False)
        house.until(lambda: house.ask("calls.get", call="cA")["call"]["state"] == "ended")
        record = house.ask("calls.get", call="cA")["call"]
        assert record["digits"] == 3 and record["dialled"] == "202" and len(record["legs"]) == 2
        assert [e["digit"] for e in house.log_events() if e["type"] == "dtmf"] == list("202")
        assert all(line["state"] == "on_hook" for line in house.ask("lines.list")["lines"][:2])
