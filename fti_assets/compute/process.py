"""Child processes: started with a time limit, heard line by line, ended with their parent, and asked why they died."""

from __future__ import annotations

import atexit
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal

from fti_assets.errors import FtiError

Stream = Literal["stdout", "stderr"]
_PARENT = "FTI_PARENT_PIPE"
_POLL_SECONDS = 0.05
_CGROUP = Path("/sys/fs/cgroup")


class DeadChildError(FtiError):
    """A child process ended without having done its work."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a child process ended.

    Attributes:
        exit_code: of the process; minus the number of the signal that killed it.
        seconds: that it ran.
        peak_bytes: the most memory that it had at once; None where the system does not say.
        timed_out: whether it was ended since its time was up.
        oom_kills: how many processes the kernel killed for lack of memory meanwhile, where this process runs; None if unknown.
        last_line: the last that it wrote on standard error.
    """

    exit_code: int
    seconds: float
    peak_bytes: int | None = None
    timed_out: bool = False
    oom_kills: int | None = None
    last_line: str = ""


def run_child(
    command: Sequence[str],
    *,
    environment: Mapping[str, str],
    input_text: str = "",
    timeout: float | None = None,
    grace: float = 15.0,
    on_line: Callable[[Stream, str], None],
) -> Ended:
    """Runs a command to its end, however that comes about; nothing of its process group is left when this returns or raises.

    Args:
        command: program and arguments.
        environment: all variables of the child.
        input_text: what it finds on its standard input.
        timeout: seconds after which it is told to stop; None waits for ever.
        grace: seconds between being told to stop (SIGTERM) and being killed (SIGKILL).
        on_line: gets each line that it writes, as it comes; called by two threads. If it raises it gets no more of that stream.

    Raises:
        DeadChildError: the program cannot be started.
    """
    started, kills = time.monotonic(), oom_kills()
    with _started(command, environment) as child:
        lines, memory = _Lines(child, on_line), _Memory(child.pid)
        try:
            _feed(child, input_text)
            status = _wait(child, memory, None if timeout is None else started + timeout)
            timed_out = status is None
            if status is None:
                status = _end(child, memory, grace)
        except BaseException:
            _end(child, memory, grace)
            raise
        finally:
            _kill_group(child.pid)
            lines.finish()
    return Ended(
        exit_code=status,
        seconds=time.monotonic() - started,
        peak_bytes=memory.peak,
        timed_out=timed_out,
        oom_kills=_difference(kills, oom_kills()),
        last_line=lines.last["stderr"],
    )


def cause_of_death(ended: Ended, timeout: float | None = None) -> str:
    """Why a child ended that should have done its work, in a sentence or two."""
    peak = "" if ended.peak_bytes is None else f"; it had up to {ended.peak_bytes / 2**20:,.0f} MiB of memory"
    if ended.timed_out:
        return f"It was ended after {ended.seconds:,.0f} s, since its time limit is {timeout or 0:g} s{peak}."
    if ended.exit_code < 0:
        return _cause_of_signal(ended, peak)
    said = f" Its last line was: {ended.last_line}" if ended.last_line else " It wrote nothing on standard error."
    return f"It ended with exit code {ended.exit_code} after {ended.seconds:,.0f} s.{said}"


def signal_name(number: int) -> str:
    """`SIGKILL` for 9."""
    return signal.Signals(number).name if number in set(signal.Signals) else f"signal {number}"


def end_with_parent(grace: float = 15.0) -> None:
    """Called in a child of `run_child`: from now on it stops, with all that it started, when the process that started it dies.

    Elsewhere it does nothing.

    Args:
        grace: seconds between being told to stop (SIGTERM) and being killed (SIGKILL).
    """
    watched = os.environ.pop(_PARENT, None)
    if watched is not None:
        orphaned = threading.Event()
        atexit.register(_end_the_rest, orphaned)
        watch = threading.Thread(
            target=_stop_when_closed, args=(int(watched), orphaned, grace), name="end_with_parent", daemon=True
        )
        watch.start()


def oom_kills(root: Path = _CGROUP, own: Path = Path("/proc/self/cgroup")) -> int | None:
    """How many processes of this process's control group the kernel has killed for lack of memory; None where it does not say."""
    try:
        groups = [line.split(":", 2) for line in own.read_text().splitlines()]
        version_2 = [root / path.lstrip("/") / "memory.events" for number, _, path in groups if number == "0"]
        version_1 = [root / "memory" / path.lstrip("/") / "memory.oom_control" for _, names, path in groups if names == "memory"]
    except OSError:
        return None
    mounted = [root / "memory.events", root / "memory" / "memory.oom_control"]  # in a container its own group is the root
    for file in [*version_2, *version_1, *mounted]:
        with suppress(OSError):
            for line in file.read_text().splitlines():
                name, _, count = line.partition(" ")
                if name == "oom_kill":
                    return int(count)
    return None


class _Lines:
    """Hands on what a child writes, line by line, and remembers the last line of each stream."""

    def __init__(self, child: subprocess.Popen[str], on_line: Callable[[Stream, str], None]) -> None:
        self.last: dict[Stream, str] = {"stdout": "", "stderr": ""}
        self._on_line = on_line
        streams: tuple[tuple[Stream, IO[str] | None], ...] = (("stdout", child.stdout), ("stderr", child.stderr))
        self._threads = [threading.Thread(target=self._read, args=pair, daemon=True) for pair in streams]
        for thread in self._threads:
            thread.start()

    def finish(self) -> None:
        """Waits for what is still in the pipes; not for ever, since a grandchild in a session of its own may hold them open."""
        for thread in self._threads:
            thread.join(timeout=10)

    def _read(self, name: Stream, stream: IO[str]) -> None:
        with stream:
            try:
                for line in stream:
                    self._remember(name, line)
                    self._on_line(name, line)
            finally:  # a pipe that nobody reads would block the child, and one that is closed would kill it
                for line in stream:
                    self._remember(name, line)

    def _remember(self, name: Stream, line: str) -> None:
        if line.strip():
            self.last[name] = line.strip()


@contextmanager
def _started(command: Sequence[str], environment: Mapping[str, str]) -> Iterator[subprocess.Popen[str]]:
    watched, kept_open = os.pipe()  # the child sees this end close when this process dies, however that happens
    with ExitStack() as ends:
        ends.callback(os.close, kept_open)
        try:
            child = subprocess.Popen(
                command,
                env={**environment, _PARENT: str(watched)},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                errors="replace",
                start_new_session=True,
                pass_fds=(watched,),
            )
        except OSError as error:
            raise DeadChildError(f"'{command[0]}' cannot be started: {error.strerror}.") from error
        finally:
            os.close(watched)
        try:
            yield child
        finally:
            if child.returncode is None:  # interrupted while it was being ended
                _kill_group(child.pid)
                child.wait()


class _Memory:
    """Looks at how much memory a process has had at most. What the system tells of a dead one would count this process in."""

    def __init__(self, pid: int) -> None:
        self._status = Path(f"/proc/{pid}/status")
        self.peak: int | None = None

    def look(self) -> None:
        with suppress(OSError):
            for line in self._status.read_text().splitlines():
                if line.startswith("VmHWM:"):
                    self.peak = int(line.split()[1]) * 1024


def _feed(child: subprocess.Popen[str], text: str) -> None:
    assert child.stdin is not None
    with suppress(BrokenPipeError), child.stdin:  # it may have died before it read
        child.stdin.write(text)


def _wait(child: subprocess.Popen[str], memory: _Memory, deadline: float | None) -> int | None:
    """The exit code; None if the deadline passed first."""
    while child.poll() is None:
        memory.look()
        if deadline is not None and time.monotonic() >= deadline:
            return None
        time.sleep(_POLL_SECONDS)
    return child.returncode


def _end(child: subprocess.Popen[str], memory: _Memory, grace: float) -> int:
    """Tells a child to stop, and kills it if it does not."""
    with suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGTERM)
    status = _wait(child, memory, time.monotonic() + grace)
    if status is None:
        _kill_group(child.pid)
        status = child.wait()
    return status


def _kill_group(leader: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGKILL)


def _cause_of_signal(ended: Ended, peak: str) -> str:
    number = -ended.exit_code
    told = f"It was killed by {signal_name(number)} after {ended.seconds:,.0f} s{peak}."
    if number != signal.SIGKILL:
        return f"{told} Its last line was: {ended.last_line}" if ended.last_line else told
    if ended.oom_kills:
        return (
            f"{told} The kernel did it for lack of memory: it counts {ended.oom_kills} such kills in this control group meanwhile."
        )
    if ended.oom_kills == 0:
        return (
            f"{told} The kernel counts no kill for lack of memory in this control group:"
            " either the machine as a whole ran out of it, or somebody sent the signal."
        )
    return f"{told} Most likely the kernel killed it for lack of memory."


def _difference(before: int | None, after: int | None) -> int | None:
    return None if before is None or after is None else after - before


def _stop_when_closed(watched: int, orphaned: threading.Event, grace: float) -> None:
    os.read(watched, 1)  # nothing is ever written: it returns when the other end is closed
    orphaned.set()
    os.killpg(os.getpgrp(), signal.SIGTERM)  # the group is that of the session that was made for this child
    time.sleep(grace)
    os.killpg(os.getpgrp(), signal.SIGKILL)


def _end_the_rest(orphaned: threading.Event) -> None:
    """At the exit of a child whose parent is dead: nobody else would end what it started."""
    if orphaned.is_set():
        _kill_group(os.getpgrp())
