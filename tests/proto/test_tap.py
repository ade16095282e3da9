#!/usr/bin/python3
"""The example that taps the bus prints what is published: topic and event.

    test_tap.py PROTO_FOLDER
"""
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

import zmq

EXAMPLE = pathlib.Path(sys.argv[1]) / "examples" / "tap.py"


class Tap(unittest.TestCase):
    def test_prints_what_is_published(self):
        home = self.enterContext(tempfile.TemporaryDirectory())
        edge = pathlib.Path(home, "run", "apid", "calls")
        edge.mkdir(parents=True)
        with zmq.Context() as context, context.socket(zmq.XPUB) as publisher:
            publisher.linger = 0
            publisher.bind(f"ipc://{edge}/socket")
            tap = self.enterContext(subprocess.Popen([EXAMPLE], env=os.environ | {"HOOKSWITCH_HOME": home},
                                                     stdout=subprocess.PIPE, text=True))
            self.addCleanup(tap.stdout.close)
            self.assertTrue(publisher.poll(10000), "nobody subscribed")
            self.assertEqual(publisher.recv(), b"\x01")
            publisher.send_multipart([b"dtmf", b'{"v":1,"seq":1}', b'{"type":"dtmf","digit":"5"}'])
            self.assertEqual(tap.stdout.readline(), 'dtmf {"type":"dtmf","digit":"5"}\n')
            tap.kill()
            tap.wait()


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
