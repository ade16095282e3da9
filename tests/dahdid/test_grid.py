"""Calls of one card: their blocks come together, and none of them depends on another."""
import pytest
import world
from world import until

PORTS = (1, 2, 3)  # of telephones, also in the machine of tests/kernel


@pytest.fixture
def phones(card):
    made = [card.handset(port) for port in PORTS]
    yield made
    for phone in made:
        phone.put_down()
        phone.close()


@pytest.fixture
def dahdid(start):
    made = start([{"id": f"phone{port}", "driver": "dahdi", "channel": port} for port in PORTS], port={"echo_taps": 0})
    for port in PORTS:
        made.fact("line.changed", line=f"phone{port}", reachable=True, seconds=10)
    return made


def call(dahdid, phone, port):
    phone.lift()
    leg = dahdid.fact("leg.incoming", line=f"phone{port}")["leg"]
    dahdid.ask("leg.answer", leg=leg)
    dahdid.fact("leg.answered", leg=leg)
    return leg


def messages(dahdid, legs):
    """Legs whose blocks came in one message, message by message; until all of them were often in one."""
    dahdid.blocks.clear()

    def came():
        dahdid.pull()
        found = {}
        for at, kind, leg, *_ in dahdid.blocks:
            if kind == world.AUDIO:
                found.setdefault(at, set()).add(leg)
        return list(found.values()) if sum(one == set(legs) for one in found.values()) >= 20 else None
    return until(came, 20, f"messages with blocks of {legs}")


def test_blocks_of_a_card_come_together(dahdid, phones):
    legs = [call(dahdid, phone, port) for port, phone in zip(PORTS, phones)]
    assert len(messages(dahdid, legs)) < 200
    for leg, phone in zip(legs, phones):
        dahdid.say(leg, bytes([0x30 + legs.index(leg)]) * 8000)
        phone.forget()
        phone.speak(bytes([0x40 + legs.index(leg)]) * 3200)

    def are_right():
        dahdid.pull()
        ears = [ears_of[phone] + phone.ear() for phone in phones]
        ears_of.update(zip(phones, ears))
        return all(bytes([0x30 + n]) * 160 in ear and bytes([0x40 + n]) * 160 in dahdid.heard[legs[n]]
                   for n, ear in enumerate(ears))
    ears_of = {phone: b"" for phone in phones}
    until(are_right, 10, "each its own voice")
    for n, leg in enumerate(legs):
        others = {0x40 + m for m in range(len(legs)) if m != n}
        assert not others & set(dahdid.heard[leg])


@pytest.mark.parametrize("first", PORTS)
def test_each_may_leave(dahdid, phones, first):
    """Whichever of them the others were read by."""
    legs = {port: call(dahdid, phone, port) for port, phone in zip(PORTS, phones)}
    messages(dahdid, legs.values())
    phones[first - 1].put_down()
    dahdid.fact("leg.ended", leg=legs.pop(first), cause="normal")
    messages(dahdid, legs.values())
    for leg in legs.values():
        sequences = [block[3] for block in dahdid.blocks if block[2] == leg and block[1] == world.AUDIO]
        assert sequences == list(range(sequences[0], sequences[0] + len(sequences)))
    again = call(dahdid, phones[first - 1], first)
    messages(dahdid, [again, *legs.values()])
