"""The folder that a training keeps its state in: found again, of one training at a time, gone after a success."""

import subprocess
import sys
from dataclasses import replace

import pytest

from fti_assets.feature_store import FeatureStore
from fti_assets.training import TrainingRun, train

from . import programs

pytestmark = pytest.mark.usefixtures("undrawn")

HOLDER = """
import fcntl, sys
with open(sys.argv[1], "w") as file:
    fcntl.flock(file, fcntl.LOCK_EX)
    print("held", flush=True)
    sys.stdin.read()
"""


class EndedError(Exception):
    """What ends a training in the middle."""


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    made = FeatureStore(tmp_path_factory.mktemp("stores"))
    programs.cut_flights(made)
    return made


@pytest.fixture
def place(store):
    return store.root / "checkpoints" / f"{programs.__name__}.tiny"


@pytest.fixture
def ended(store, registry):
    """Begins a training that ends in the middle; returns where its checkpoints were to be, and what was told."""

    def call(meanwhile=lambda: None, program=programs.tiny, **options):
        seen, told = [], []

        def function(data, run):
            seen.append(run.checkpoints)
            meanwhile()
            raise EndedError

        run = TrainingRun(threads=1, progress=told.append, **options)
        with pytest.raises(EndedError):
            train(replace(program, function=function), store, registry, run=run)
        (folder,) = seen
        return folder, told

    return call


def test_a_training_that_is_repeated_finds_what_it_kept_and_a_success_leaves_nothing(store, registry, place):
    found = []

    def function(data, run):
        found.extend(file.read_text() for file in run.checkpoints.glob("*"))
        if not found:
            run.checkpoints.mkdir(parents=True)
            (run.checkpoints / "state").write_text("half of it")
            raise EndedError
        return programs.tiny.function(data, run)

    program = replace(programs.tiny, function=function)
    with pytest.raises(EndedError):
        train(program, store, registry, run=TrainingRun(threads=1))
    assert [path.name for path in place.glob("*/*")] == ["state"]

    train(program, store, registry, run=TrainingRun(threads=1))

    assert found == ["half of it"]
    assert list(place.iterdir()) == []


def test_each_program_and_seed_has_its_folder(store, ended, place):
    dataset = store.dataset("flights")[1].id

    assert ended() == (place / f"{dataset}-0", [])
    assert ended(seed=7)[0] == place / f"{dataset}-7"
    assert ended(program=programs.refuses)[0] == place.with_name(f"{programs.__name__}.refuses") / f"{dataset}-0"


def test_of_two_at_once_the_first_keeps_checkpoints(ended, place):
    others = []

    first, told = ended(lambda: others.extend([ended(), ended(seed=7)]))

    ((second, told_of_second), (of_another_seed, _)) = others
    assert (first.parent, of_another_seed.parent, second) == (place, place, None)
    assert told == []
    assert told_of_second[0].startswith(f"no checkpoints are kept: {first}.lock is held by another training of this program")
    assert ended()[0] == first


def test_a_training_in_another_process_has_them_until_it_is_killed(ended, place):
    folder, _ = ended()
    command = [sys.executable, "-S", "-c", HOLDER, f"{folder}.lock"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout.readline() == "held\n"
        assert ended()[0] is None
        holder.kill()
        holder.wait()

    assert ended()[0] == folder


def test_a_folder_that_is_given_is_used_and_stays(store, registry, ended, place, tmp_path):
    assert ended(checkpoints=tmp_path)[0] == tmp_path
    (tmp_path / "state").touch()

    train(programs.tiny, store, registry, run=TrainingRun(threads=1, checkpoints=tmp_path))

    assert (tmp_path / "state").exists()
    assert not list(place.glob("*"))


def test_where_nothing_can_be_written_none_are_kept(ended, place):
    place.parent.rename(place.parent.with_name("away"))
    place.parent.touch()
    try:
        folder, (told,) = ended()
    finally:
        place.parent.unlink()

    assert folder is None
    assert told.startswith("no checkpoints are kept: [Errno")
