#!/usr/bin/python3
"""A voice menu: who calls the operator hears MENU.wav; 1, 2, ... lead to the numbers, 0 and silence end the call.

    proto/examples/ivr.py var/quickstart.json MENU.wav 102 103        # with calls.operator_answers: true
"""
import asyncio
import json
import sys

import requests
import websockets

with open(sys.argv[1], encoding="utf-8") as file, open(sys.argv[2], "rb") as sound:
    facts, menu = json.load(file), sound.read()
numbers = dict(zip("123456789", sys.argv[3:]))
auth = {"Authorization": "Bearer " + facts["token"]}
ours = set()


def post(call, command, headers=None, **body):
    reply = requests.post(f"{facts['api']}/api/v1/calls/{call}/{command}", headers={**auth, **(headers or {})}, timeout=5, **body)
    print(command, reply.status_code, flush=True)
    return reply.json()


def ask(call):
    play = post(call, "audio", {"Content-Type": "audio/wav"}, data=menu).get("play_id")
    post(call, "gather", json={"max": 1, "prompt": play, "first_timeout_ms": 5000})


def react(event):
    call, key = event["call_id"], event.get("digits")
    if event["type"] == "call.offered":
        ours.add(call)
        post(call, "answer", json={})
    elif call not in ours:
        return
    elif event["type"] == "call.answered" or event["reason"] == "complete" and key not in (*numbers, "0"):
        ask(call)
    elif key in numbers:
        ours.remove(call)
        post(call, "transfer", json={"to_number": numbers[key]})
    elif event["reason"] != "ended":
        post(call, "hangup", json={})


async def main():
    url = facts["ws"] + "/api/v1/events?types=call.offered,call.answered,call.gathered"
    async with websockets.connect(url, extra_headers=auth) as events:
        print("waiting for calls", flush=True)
        async for event in events:
            react(json.loads(event))

asyncio.run(main())
