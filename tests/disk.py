"""A file system of our own that hangs for a while, as during a storm of fsync, or is full. Wants root."""
import os
import pathlib
import subprocess
import tempfile

import pytest


class Disk:
    """Its folder is .path. Skips the test where file systems cannot be mounted."""

    def __init__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="hookswitch-disk-"))
        self.image, self.path = self.folder / "image", self.folder / "mounted"
        self.path.mkdir()
        self.folder.chmod(0o755)
        with open(self.image, "wb") as file:
            file.truncate(256 << 20)
        for words in (["mkfs.ext4", "-q", self.image], ["mount", "-o", "loop", self.image, self.path]):
            if os.geteuid() != 0 or subprocess.run(words, capture_output=True).returncode != 0:
                self._forget()
                pytest.skip("file systems cannot be mounted here")

    def freeze(self):
        subprocess.run(["fsfreeze", "-f", self.path], check=True)

    def thaw(self):
        subprocess.run(["fsfreeze", "-u", self.path], capture_output=True)

    def fill(self):
        """Not a block is left, for anybody."""
        ballast, end = os.open(self.path / "ballast", os.O_WRONLY | os.O_CREAT), 0
        for size in (1 << 24, 1 << 18, 4096):
            try:
                while True:
                    os.posix_fallocate(ballast, end, size)
                    end += size
            except OSError:
                pass
        os.close(ballast)

    def empty(self):
        """As before; what was freed is free only after the next commit."""
        (self.path / "ballast").unlink(missing_ok=True)
        subprocess.run(["sync", "-f", self.path], check=True)

    def close(self):
        self.thaw()
        subprocess.run(["umount", "--lazy", self.path], check=True)
        self._forget()

    def _forget(self):
        self.image.unlink()
        self.path.rmdir()
        self.folder.rmdir()
