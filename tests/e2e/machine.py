"""A machine that is smaller than this one."""
import os
import pathlib

import pytest

from suite import wait_for


class SmallMachine:
    """One processor and 256 MB, for all that is started with these words in front."""

    BYTES = 256 << 20

    def __init__(self):
        self.unified = pathlib.Path("/sys/fs/cgroup/cgroup.controllers").exists()
        self.folder = pathlib.Path("/sys/fs/cgroup", "" if self.unified else "memory", f"hookswitch-test-{os.getpid()}")
        processor = max(os.sched_getaffinity(0))
        self.prefix = ("taskset", "-c", str(processor), "sh", "-c", f'echo $$ >{self.folder}/cgroup.procs && exec "$@"', "sh")

    def __enter__(self):
        try:
            self.folder.mkdir()
            (self.folder / ("memory.max" if self.unified else "memory.limit_in_bytes")).write_text(str(self.BYTES))
        except OSError as error:
            if self.folder.exists():
                self.folder.rmdir()
            pytest.skip(f"memory cannot be limited here: {error}")
        return self

    def killed(self):
        """How many processes the kernel ended for want of memory."""
        text = (self.folder / ("memory.events" if self.unified else "memory.oom_control")).read_text()
        return int(dict(row.split() for row in text.splitlines())["oom_kill"])

    def __exit__(self, *_):
        wait_for(lambda: not (self.folder / "cgroup.procs").read_text(), 20, lambda: "something still runs in it")
        self.folder.rmdir()
