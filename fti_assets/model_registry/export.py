"""A version of a model as a folder that is read without MLflow."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import asdict
from pathlib import Path
from tempfile import mkdtemp

from fti_assets.errors import FtiError
from fti_assets.model_registry._reading import RegisteredModels
from fti_assets.model_registry._run import CARD, ENVIRONMENT, EXAMPLE, REQUIREMENTS, SLICES
from fti_assets.model_registry.lineage import Lineage
from fti_assets.model_registry.model_version import ModelVersion

LINEAGE, README = "lineage.json", "README.md"
_BESIDE = (CARD, ENVIRONMENT, REQUIREMENTS, EXAMPLE, SLICES)


def export(registry: RegisteredModels, version: ModelVersion, folder: Path) -> list[Path]:
    """Writes the verified model file, its card, lineage, environment, requirements and an example of rows into a new folder.

    The folder is whole or not there.

    Returns:
        The files.

    Raises:
        FtiError: the folder is there already and not empty, is a link, or is the working directory.
        TamperedModelError: the model file is not the one that was registered; nothing was written.
    """
    folder = Path(os.path.abspath(folder))  # noqa: PTH100  # as `.` has no name; a link stays one
    if folder.is_symlink() or folder == Path.cwd():
        what = "a link" if folder.is_symlink() else "the working directory"
        raise FtiError(f"'{folder}' is {what}.", next_step="Name a new folder.")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise FtiError(f"'{folder}' is there already, and not an empty folder.", next_step="Name a new one.")
    content = _content(registry, version)
    folder.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        for name, one in content.items():
            (draft / name).write_bytes(one)
        draft.chmod(0o755)
        draft.replace(folder)  # over an empty folder too
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise
    return [folder / name for name in content]


def _content(registry: RegisteredModels, version: ModelVersion) -> dict[str, bytes]:
    """What is written, by name of the file."""
    file = version.tags.get("model_file", "")
    found = {file: registry.model_file(version)}
    said = {
        **asdict(Lineage.of(version)),
        "created_at": version.created_at.isoformat(),
        "aliases": list(version.aliases),
        "metrics": dict(version.metrics),
        "tags": dict(version.tags),
    }
    found[LINEAGE] = (json.dumps(said, indent=2, sort_keys=True) + "\n").encode()
    found[README] = _readme(version, file).encode()
    beside = {name: registry.beside(version, name) for name in _BESIDE}
    return {**found, **{name: one for name, one in beside.items() if one is not None}}


def _readme(version: ModelVersion, file: str) -> str:
    return f"""# {version}

`{REQUIREMENTS}` says what must be installed, `{LINEAGE}` where the model comes from, `{CARD}` what it is for.
SHA-256 of `{file}`: `{version.tags.get("model_sha256")}`.

```python
from pathlib import Path

import pyarrow.parquet as pq
from fti_assets.predictive_models import read_model

model = read_model("{file}", Path("{file}").read_bytes(), source="{file}")
print(model.predict(pq.read_table("{EXAMPLE}")))
```
"""
