#!/usr/bin/python3
"""Taps the bus with pyzmq: every event of the suite, as it is published. Arguments: edges of apid (calls digits)."""
import os
import sys

import zmq

socket = zmq.Context().socket(zmq.SUB)
socket.setsockopt(zmq.SUBSCRIBE, b"")
for edge in sys.argv[1:] or ["calls", "digits"]:
    socket.connect(f"ipc://{os.environ.get('HOOKSWITCH_HOME', 'var')}/run/apid/{edge}/socket")
while True:
    topic, head, body = socket.recv_multipart()
    print(topic.decode(), head.decode(), body.decode(), flush=True)
