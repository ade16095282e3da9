"""Ports for those whom the tests start."""
import random
import socket


def free_port():
    """By TCP and UDP; one that the kernel gives nobody who does not care, or it could be taken before we use it; none of RTP."""
    while True:
        address = ("127.0.0.1", random.randrange(10000, 20000))
        with socket.socket() as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
            try:
                udp.bind(address)
                tcp.bind(address)
                return address[1]
            except OSError:
                continue
