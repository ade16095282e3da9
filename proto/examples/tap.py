#!/usr/bin/python3
"""Taps the bus: prints every event as it is published. As root, or as the user the suite runs under.

    HOOKSWITCH_HOME=var proto/examples/tap.py [calls] [digits]
"""
import os
import sys

import zmq

socket = zmq.Context().socket(zmq.SUB)
socket.setsockopt(zmq.SUBSCRIBE, b"")
for edge in sys.argv[1:] or ["calls"]:
    socket.connect(f"ipc://{os.environ.get('HOOKSWITCH_HOME', 'var')}/run/apid/{edge}/socket")
while True:
    topic, head, body = socket.recv_multipart()
    print(topic.decode(), body.decode(), flush=True)
