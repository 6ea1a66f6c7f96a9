"""A command that needs a package that is not there says what to install."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

from fti_assets.cli.extras import missing_extra

Fti = Callable[..., Result]


@pytest.mark.parametrize(
    ("module", "said"),
    [
        pytest.param("torch", "the package 'torch', which is not installed. pip install 'fti-assets[torch]'", id="torch"),
        pytest.param("lmdb", "'fti-assets[online]'", id="one_part"),
        pytest.param("sklearn.metrics", "'fti-assets[inference]' or pip install 'fti-assets[serving]' or", id="otherwise_named"),
        pytest.param("great_expectations.core", "'great-expectations'", id="underscore"),
    ],
)
def test_the_part_to_install_is_named(module: str, said: str) -> None:
    assert said in str(missing_extra(ModuleNotFoundError(f"No module named '{module}'", name=module)))


@pytest.mark.parametrize("module", ["fti_assets.nothing", "pytest", "duckdb", ""])
def test_what_belongs_to_no_part_stays_as_it_is(module: str) -> None:
    assert missing_extra(ModuleNotFoundError("No module", name=module)) is None


def test_a_command_says_it_in_one_sentence(fti: Fti, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    monkeypatch.delitem(sys.modules, "fti_assets.serving.server", raising=False)
    result = fti(tmp_path, "serve", "flights")
    assert result.exit_code == 1
    assert "This needs the package 'uvicorn', which is not installed. pip install 'fti-assets[serving]'" in result.stderr
    assert "Traceback" not in result.stderr
