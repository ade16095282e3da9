"""dahdisim on the load's core, so that its cost is apart from the suite's: telephones that do as they are told."""
import json
import os
import shutil
import socket
import tempfile

from house import BUILD, House
from measure import LOAD_CORE, WORK, spawn, stop, until

DEVICE_GID = 65399  # of the device files; dahdid takes it along


class Telephone:
    """A connection to one of them: a command a line, an answer a line, which is not always waited for."""

    def __init__(self, path, port):
        self.port, self.socket = port, socket.socket(socket.AF_UNIX)
        self.socket.connect(path)
        self.file = self.socket.makefile("r")

    def begin(self, *words):
        self.socket.sendall((" ".join(map(str, (self.port, *words))) + "\n").encode())

    def end(self):
        answer = json.loads(self.file.readline())
        assert answer["ok"], answer
        return answer

    def do(self, *words):
        self.begin(*words)
        return self.end()

    def state(self, key):
        return self.do("state")[key]

    def close(self):
        self.file.close()
        self.socket.close()


class Bank:
    """with Bank(48) as bank: ..."""

    def __init__(self, count, owner=None):
        self.folder = tempfile.mkdtemp(prefix="bank-", dir=WORK)
        self.device, self.path = f"{self.folder}/dahdi", f"{self.folder}/socket"
        group = f"0:{DEVICE_GID}" if os.geteuid() == 0 else f"{os.geteuid()}:{os.getegid()}"
        self.count, self.owner = count, owner or group
        self.telephones = []

    def __enter__(self):
        for path in (WORK, self.folder):
            os.chmod(path, 0o755)
        self.process = spawn(LOAD_CORE, BUILD / "dahdid/sim/dahdisim", "--mount", self.device, "--control", self.path, "--fxs",
                             self.count, "--owner", self.owner)
        until(lambda: os.path.exists(self.path), 20, "dahdisim")
        self.telephones = [Telephone(self.path, number) for number in range(1, self.count + 1)]
        return self

    def __exit__(self, *what):
        for telephone in self.telephones:
            telephone.close()
        stop(self.process)
        shutil.rmtree(self.folder, ignore_errors=True)

    def sound(self, name, data):
        """A file of mu-law bytes that a telephone can speak."""
        path = f"{self.folder}/{name}.ulaw"
        with open(path, "wb") as file:
            file.write(data)
        return path

    def house(self, extra=""):
        """A suite with a line for each telephone: t1 has the number 801."""
        rows = [f"{{ id: t{n}, driver: dahdi, channel: {n}, number: \"8{n:02d}\" }}" for n in range(1, self.count + 1)]
        return House(rows=rows, extra=f"dahdi:\n  device: {self.device}\n{extra}")
