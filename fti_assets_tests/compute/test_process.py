import os
import re
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from fti_assets.compute import DeadChildError, Ended, cause_of_death, run_child
from fti_assets.compute.process import oom_kills


def run(code, **options):
    """Runs code in a child; returns how it ended, and what it wrote by stream."""
    lines = {"stdout": [], "stderr": []}
    given = {"environment": os.environ, "on_line": lambda stream, line: lines[stream].append(line), **options}
    return run_child([sys.executable, "-c", code], **given), lines


def alive(pid):
    """Whether a process runs; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def gone(pid, within=10.0):
    deadline = time.monotonic() + within
    while alive(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not alive(pid)


def test_a_child_is_heard_line_by_line_and_gets_its_input():
    code = "import sys\nprint(sys.stdin.read().upper())\nprint('careful', file=sys.stderr)"

    ended, lines = run(code, input_text="hello")

    assert lines == {"stdout": ["HELLO\n"], "stderr": ["careful\n"]}
    assert (ended.exit_code, ended.timed_out, ended.last_line) == (0, False, "careful")


def test_lines_come_while_the_child_runs():
    code = "import time\nprint('now', flush=True)\ntime.sleep(1)"
    heard = []

    ended, _ = run(code, on_line=lambda stream, line: heard.append(time.monotonic()))

    assert time.monotonic() - heard[0] > 0.5
    assert ended.seconds >= 1


def test_a_child_that_exits_with_an_error_is_quoted():
    ended, _ = run("import absent_module")

    assert ended.exit_code == 1
    assert cause_of_death(ended).endswith("Its last line was: ModuleNotFoundError: No module named 'absent_module'")


def test_a_killed_child_names_the_signal_and_its_memory():
    ended, _ = run("import os, signal, time\nkept = bytearray(300 * 2**20)\ntime.sleep(0.3)\nos.kill(os.getpid(), signal.SIGKILL)")

    assert ended.exit_code == -signal.SIGKILL
    assert ended.peak_bytes is not None
    assert 300 < ended.peak_bytes / 2**20 < 400
    assert re.match(r"It was killed by SIGKILL after \d s; it had up to 3\d\d MiB of memory\.", cause_of_death(ended))


def test_a_crash_in_native_code_names_the_signal_and_the_last_line():
    ended, _ = run("import ctypes\nctypes.string_at(0)", environment={**os.environ, "PYTHONFAULTHANDLER": "1"})

    assert cause_of_death(ended).startswith("It was killed by SIGSEGV")


@pytest.mark.parametrize(
    ("kills", "said"),
    [
        pytest.param(1, "The kernel did it for lack of memory: it counts 1 such kills", id="counted"),
        pytest.param(0, "either the machine as a whole ran out of it, or somebody sent the signal", id="not_counted"),
        pytest.param(None, "Most likely the kernel killed it for lack of memory", id="not_known"),
    ],
)
def test_a_kill_is_explained_by_what_the_kernel_counts(kills, said):
    ended = Ended(exit_code=-9, seconds=3.0, peak_bytes=2**30, oom_kills=kills)

    assert said in cause_of_death(ended)


def test_the_kernels_count_is_found_in_either_version_of_control_groups(tmp_path):
    own, root = tmp_path / "cgroup", tmp_path / "fs"
    (root / "a").mkdir(parents=True)
    (root / "a" / "memory.events").write_text("low 0\noom 4\noom_kill 3\n")
    (root / "memory" / "b").mkdir(parents=True)
    (root / "memory" / "b" / "memory.oom_control").write_text("oom_kill_disable 0\nunder_oom 0\noom_kill 5\n")

    own.write_text("0::/a\n")
    assert oom_kills(root, own) == 3
    own.write_text("8:pids:/b\n4:memory:/b\n")
    assert oom_kills(root, own) == 5
    own.write_text("0::/elsewhere\n")
    assert oom_kills(root, own) is None
    assert oom_kills(root, tmp_path / "absent") is None


def test_a_child_is_told_to_stop_when_its_time_is_up():
    code = "import signal, sys, time\nsignal.signal(signal.SIGTERM, lambda *_: sys.exit('tidied up'))\ntime.sleep(60)"

    ended, lines = run(code, timeout=1.0)

    assert (ended.timed_out, ended.exit_code) == (True, 1)
    assert lines["stderr"] == ["tidied up\n"]
    assert cause_of_death(ended, 1.0).startswith("It was ended after 1 s, since its time limit is 1 s;")


def test_a_child_that_does_not_stop_is_killed_with_its_own_children():
    code = (
        "import signal, subprocess, sys, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "print(subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']).pid, flush=True)\ntime.sleep(60)"
    )

    ended, lines = run(code, timeout=1.0, grace=0.3)

    assert ended.exit_code == -signal.SIGKILL
    assert ended.seconds < 10
    assert gone(int(lines["stdout"][0]))


def test_what_a_child_leaves_behind_is_ended():
    code = "import subprocess, sys\nprint(subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']).pid)"

    ended, lines = run(code)

    assert ended.exit_code == 0
    assert gone(int(lines["stdout"][0]))


def test_an_interruption_tells_the_child_to_stop(tmp_path):
    code = (
        "import os, signal, sys, time\nfrom pathlib import Path\n"
        f"signal.signal(signal.SIGTERM, lambda *_: sys.exit(Path({str(tmp_path / 'tidy')!r}).touch()))\n"
        "print(os.getpid(), flush=True)\ntime.sleep(60)"
    )
    pids = []

    def interrupted(stream, line):
        pids.append(int(line))
        os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        run(code, on_line=interrupted)

    assert gone(pids[0])
    assert (tmp_path / "tidy").exists()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_reader_that_fails_costs_the_child_nothing():
    """More lines than a pipe holds, so that the child would wait for ever, or die of a broken pipe."""
    code = "import sys\nfor number in range(20_000):\n    print('a line of some length', number)\nprint('all', file=sys.stderr)"

    def fails(stream, line):
        raise ValueError("This log is closed.")

    ended, _ = run(code, on_line=fails, timeout=30)

    assert (ended.exit_code, ended.timed_out, ended.last_line) == (0, False, "all")


CHILD = """
import os, signal, subprocess, sys, time
from fti_assets.compute import end_with_parent
end_with_parent(grace=float(sys.argv[1]))
if sys.argv[2] == "tidies_up":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
elif sys.argv[2] == "ignores":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
obeys = "print(1, flush=True); import time; time.sleep(60)"
stubborn = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); " + obeys
code = obeys if sys.argv[2] == "dies" else stubborn
own = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
own.stdout.readline()
print(os.getpid(), own.pid, flush=True)
time.sleep(60)
"""
PARENT = f"""
import os, sys
from fti_assets.compute import run_child
command = [sys.executable, "-c", {CHILD!r}, *sys.argv[1:]]
run_child(command, environment=os.environ, on_line=lambda stream, line: print(line, end="", flush=True))
"""


@pytest.mark.parametrize(
    ("grace", "kind"),
    [
        pytest.param(60, "dies", id="of_the_signal"),
        pytest.param(60, "tidies_up", id="by_itself"),
        pytest.param(0.3, "ignores", id="of_the_second_signal"),
    ],
)
def test_neither_a_child_nor_its_own_children_outlive_a_parent_that_was_killed(grace, kind):
    with subprocess.Popen([sys.executable, "-c", PARENT, str(grace), kind], stdout=subprocess.PIPE, text=True) as parent:
        child, own = map(int, parent.stdout.readline().split())
        assert alive(child)
        assert alive(own)
        parent.kill()

    try:
        assert gone(child)
        assert gone(own, within=3)
    finally:
        with suppress(ProcessLookupError):
            os.kill(own, signal.SIGKILL)


def test_a_program_that_is_not_there_is_named():
    with pytest.raises(DeadChildError, match=r"'/absent/python' cannot be started: No such file or directory"):
        run_child(["/absent/python"], environment={}, on_line=print)
