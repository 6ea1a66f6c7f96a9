import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from fti_assets.compute import (
    BusyCardsError,
    LocksFolderError,
    chosen_cards,
    hold_card,
    lock_names,
    locks_folder,
    visible_cards,
)
from fti_assets.errors import NotFoundError

HOLDS = """
import sys, time
from pathlib import Path
from fti_assets.compute import hold_card
with hold_card(["0", "1"], "training of 'churn'", folder=Path(sys.argv[1]), wait_seconds=0) as card:
    print(card, flush=True)
    time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path):
    """Starts processes that hold a card each; what they print is its name."""
    started = []

    def start():
        process = subprocess.Popen([sys.executable, "-c", HOLDS, str(tmp_path)], stdout=subprocess.PIPE, text=True)
        started.append(process)
        return process, process.stdout.readline().strip()

    yield start
    for process in started:
        with process:
            process.kill()


@pytest.mark.parametrize(
    ("environment", "count", "visible"),
    [
        pytest.param({}, 2, ("0", "1"), id="all"),
        pytest.param({}, 0, (), id="none"),
        pytest.param({"CUDA_VISIBLE_DEVICES": "2, 3"}, 2, ("2", "3"), id="some"),
        pytest.param({"CUDA_VISIBLE_DEVICES": "2,9"}, 1, ("2",), id="one_of_them_is_not_there"),
        pytest.param({"CUDA_VISIBLE_DEVICES": "GPU-5f,GPU-6a"}, 2, ("GPU-5f", "GPU-6a"), id="by_uuid"),
        pytest.param({"CUDA_VISIBLE_DEVICES": ""}, 0, (), id="hidden"),
    ],
)
def test_cards_have_the_names_by_which_a_child_is_given_one(environment, count, visible):
    assert visible_cards(environment, lambda: count) == visible


def test_a_profile_may_name_cards_that_are_visible():
    assert chosen_cards((), ("0", "1")) == ("0", "1")
    assert chosen_cards(("1",), ("0", "1")) == ("1",)
    with pytest.raises(NotFoundError, match=r"Card '3' is not in what this process sees.* It has: 0, 1"):
        chosen_cards(("1", "3"), ("0", "1"))


def test_a_card_has_one_lock_by_its_number_and_by_its_uuid(tmp_path):
    by_number = lock_names(("1", "0"), lambda: ("GPU-5f", "GPU-6a"))
    by_uuid = lock_names(("GPU-6a", "GPU-5f"), lambda: ("GPU-6a", "GPU-5f"))
    assert by_number == {"1": "GPU-5f", "0": "GPU-6a"}
    assert lock_names(("0", "1"), lambda: ()) == {"0": "0", "1": "1"}

    with hold_card(["1"], "the first", folder=tmp_path, wait_seconds=0, locks=by_number):
        with (
            pytest.raises(BusyCardsError, match=r"card GPU-5f: process \d+, the first"),
            hold_card(["GPU-5f"], "the second", folder=tmp_path, wait_seconds=0, locks=by_uuid),
        ):
            pass
        with hold_card(["GPU-6a", "GPU-5f"], "the third", folder=tmp_path, wait_seconds=0, locks=by_uuid) as card:
            assert card == "GPU-6a"


def test_the_folder_of_the_locks_is_the_users_own(tmp_path, monkeypatch):
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.setenv(name, "../somebody")

    made = locks_folder(tmp_path)

    assert made == tmp_path / f"fti-cards-{os.getuid()}"
    assert made.stat().st_mode & 0o777 == 0o700
    assert locks_folder(tmp_path) == made


def linked(folder):
    folder.with_name("elsewhere").mkdir()
    folder.symlink_to(folder.with_name("elsewhere"))


def open_to_all(folder):
    folder.mkdir()
    folder.chmod(0o777)


@pytest.mark.parametrize("put", [linked, open_to_all, pytest.param(lambda folder: folder.touch(), id="file")])
def test_a_folder_of_locks_that_somebody_else_may_have_put_there_is_refused(tmp_path, put):
    put(tmp_path / f"fti-cards-{os.getuid()}")

    with pytest.raises(LocksFolderError, match="is not a folder of this user's"):
        locks_folder(tmp_path)


def test_a_link_in_place_of_the_holders_name_is_not_followed(tmp_path):
    victim, locks = tmp_path / "victim", tmp_path / "locks"
    victim.write_text("precious")
    locks.mkdir()
    (locks / "0.holder").symlink_to(victim)

    with hold_card(["0"], "a training", folder=locks, wait_seconds=0) as card:
        assert card == "0"

    assert victim.read_text() == "precious"


def test_processes_hold_different_cards_and_the_next_one_waits_in_vain(tmp_path, holder):
    first, card = holder()
    second, other = holder()
    assert {card, other} == {"0", "1"}

    with (
        pytest.raises(BusyCardsError) as refused,
        hold_card(["0", "1"], "another", folder=tmp_path, wait_seconds=0.2),
    ):
        pass

    assert refused.value.holders == {
        card: f"process {first.pid}, training of 'churn'",
        other: f"process {second.pid}, training of 'churn'",
    }
    assert "No GPU came free within 0.2 seconds." in str(refused.value)


def test_a_card_is_free_when_its_holder_was_killed(tmp_path, holder):
    holder()
    second, card = holder()
    os.kill(second.pid, signal.SIGKILL)
    second.wait()

    with hold_card(["0", "1"], "another", folder=tmp_path, wait_seconds=0) as taken:
        assert taken == card


def test_who_waits_gets_the_card_that_comes_free(tmp_path):
    taken = threading.Event()

    def hold_for_a_moment():
        with hold_card(["0"], "the first", folder=tmp_path, wait_seconds=0):
            taken.set()
            time.sleep(0.5)

    first = threading.Thread(target=hold_for_a_moment)
    first.start()
    taken.wait()
    with hold_card(["0"], "the second", folder=tmp_path, wait_seconds=30) as card:
        assert card == "0"
    first.join()

    with hold_card(["0"], "the third", folder=tmp_path, wait_seconds=0) as card:
        assert card == "0"
