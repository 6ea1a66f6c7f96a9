"""Which process began something, and whether it has died since."""

from __future__ import annotations

import getpass
import json
import os
import socket
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """A process of a machine.

    Attributes:
        started: tells it from a later one of the same number; empty where the system does not say.
        namespace: in which its number counts, as containers have their own; empty where the system does not say.
    """

    host: str
    pid: int
    started: str
    namespace: str

    @classmethod
    def current(cls) -> Process:
        return cls(host=socket.gethostname(), pid=os.getpid(), started=_started(os.getpid()), namespace=_namespace())

    @classmethod
    def read(cls, text: str | None) -> Process | None:
        """What `text` wrote; None where it says nothing of a process."""
        try:
            said = json.loads(text or "")
            namespace = str(said.get("namespace", "unknown"))
            return cls(host=str(said["host"]), pid=int(said["pid"]), started=str(said["started"]), namespace=namespace)
        except (ValueError, KeyError, TypeError, AttributeError):
            return None

    @property
    def text(self) -> str:
        return json.dumps(asdict(self), sort_keys=True)

    @property
    def is_dead(self) -> bool:
        """Whether it is known to have ended: of a process on another machine or in another container nothing is known."""
        return self._is_near and not self._lives

    @property
    def is_alive(self) -> bool:
        """Whether it is known to run."""
        return self._is_near and self._lives

    @property
    def _is_near(self) -> bool:
        return self.host == socket.gethostname() and self.namespace == _namespace()

    @property
    def _lives(self) -> bool:
        return _lives(self.pid) and _started(self.pid) == self.started

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}"


def who() -> str:
    """Who acts: `$FTI_USER`, or the user of this process at this machine."""
    named = os.environ.get("FTI_USER")
    if named:
        return named
    try:
        user = getpass.getuser()
    except (OSError, KeyError):  # a container may run as a number that has no name
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}"


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # another user's
        return True
    return True


def _namespace() -> str:
    """In which the numbers of processes count; empty where there is no /proc."""
    try:
        return str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        return ""


def _started(pid: int) -> str:
    """When the process began, in ticks of this boot of the machine; empty where there is no /proc."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return f"{boot} {fields[19]}"  # field 22 of the whole line, see proc_pid_stat(5)
