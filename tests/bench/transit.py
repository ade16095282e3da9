"""From a SIP message of one phone to the one it causes at the other, line to line; p50 and p99.

One call at a time, one client that spins. Media is set up at both legs, and the call is committed, before the callee
rings."""
import time

from house import House
from measure import percentile, row
from rtp_calls import Message, Side, digest, sdp, uri_of, word

ROUNDS = 200


class Transit:
    def __init__(self, house):
        self.house, self.latency = house, {}
        self.user, self.callee_user = house.users()
        self.caller, self.callee = Side(house.sip), Side(house.sip)
        for side in (self.caller, self.callee):
            side.socket.setblocking(False)

    def wait(self, side, want, seconds=5.0):
        end = time.perf_counter() + seconds
        while time.perf_counter() < end:
            try:
                data = side.socket.recv(65536)
            except BlockingIOError:
                continue
            now, message = time.perf_counter(), Message.parse(data)
            if want(message):
                return now, message
        raise TimeoutError("SIP message")

    def final(self, side):
        return self.wait(side, lambda m: m.status >= 200)[1]

    def note(self, name, began, now):
        self.latency.setdefault(name, []).append((now - began) * 1e6)

    def register(self):
        user, domain = self.callee_user, self.house.facts["domain"]
        uri, address, call_id = f"sip:{domain}", f"<sip:{user}@{domain}>", word()
        contact = [("Contact", f"<sip:{user}@127.0.0.1:{self.callee.port}>"), ("Expires", "3600")]
        self.callee.request("REGISTER", uri, f"{address};tag=1", address, call_id, 1, contact)
        proof = digest(self.final(self.callee).get("www-authenticate"), "REGISTER", uri, user, self.house.password(user))
        self.callee.request("REGISTER", uri, f"{address};tag=1", address, call_id, 2, [*contact, ("Authorization", proof)])
        assert self.final(self.callee).status == 200

    def round(self):
        caller, callee = self.caller, self.callee
        uri, call_id = f"sip:7{self.callee_user[1:]}@{self.house.facts['domain']}", word()
        sender, to, branch = f"<sip:{self.user}@{self.house.facts['domain']}>;tag={word()}", f"<{uri}>", "z9hG4bK" + word()
        headers = [("Contact", f"<sip:{self.user}@127.0.0.1:{caller.port}>"), ("Content-Type", "application/sdp")]
        caller.request("INVITE", uri, sender, to, call_id, 1, headers, sdp(40000), branch)
        challenge = self.final(caller)
        caller.request("ACK", uri, sender, challenge.get("to"), call_id, 1, branch=branch)
        proof = digest(challenge.get("www-authenticate"), "INVITE", uri, self.user, self.house.password(self.user))
        began = time.perf_counter()
        caller.request("INVITE", uri, sender, to, call_id, 2, [*headers, ("Authorization", proof)], sdp(40000))
        now, invite = self.wait(callee, lambda m: m.method == "INVITE")
        self.note("INVITE", began, now)
        began = time.perf_counter()
        callee.answer(invite, 180, "Ringing", self.callee_user)
        now, _ = self.wait(caller, lambda m: m.status == 180)
        self.note("180", began, now)
        began = time.perf_counter()
        callee.answer(invite, 200, "OK", self.callee_user, sdp(40002))
        now, answer = self.wait(caller, lambda m: m.status == 200)
        self.note("200", began, now)
        target = uri_of(answer.get("contact"))
        caller.request("ACK", target, sender, answer.get("to"), call_id, 2)
        self.wait(callee, lambda m: m.method == "ACK")
        began = time.perf_counter()
        caller.request("BYE", target, sender, answer.get("to"), call_id, 3)
        now, bye = self.wait(callee, lambda m: m.method == "BYE")
        self.note("BYE", began, now)
        callee.answer(bye, 200, "OK", self.callee_user)
        self.idle()

    def idle(self):
        """Both lines are free again, and what was still on its way is read."""
        end = time.perf_counter() + 5
        while any(self.house.request("GET", f"/api/v1/lines/{user}")["line"]["state"] in ("ringing", "off_hook")
                  for user in (self.user, self.callee_user)):
            assert time.perf_counter() < end, "the lines stay busy"
        for side in (self.caller, self.callee):
            try:
                while side.socket.recv(65536):
                    pass
            except BlockingIOError:
                pass


def main(rounds=ROUNDS):
    with House(lines=2) as house:
        transit = Transit(house)
        transit.register()
        for _ in range(rounds):
            transit.round()
        for name, values in transit.latency.items():
            row(f"transit {name} in to out", p50_us=percentile(values, 0.5), p99_us=percentile(values, 0.99), rounds=len(values))


if __name__ == "__main__":
    main()
