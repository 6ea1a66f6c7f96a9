"""scikit-learn models that carry their own transformations, in skops' format: types that are not allowed are never made."""

from __future__ import annotations

import json
import zipfile
import zlib
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from fti_assets.predictive_models.archives import check_archive
from fti_assets.predictive_models.description import KEY, Description
from fti_assets.predictive_models.errors import ModelFileError
from fti_assets.transformations import FittedTransformations, FloatArray, MatrixArray, Rows

ALLOWED_TYPES = frozenset(
    {
        "functools.partial",
        "sklearn.utils.validation.check_array",
        "sklearn._loss.link.LogitLink",
        "sklearn._loss.link.Interval",
        "sklearn._loss.loss.HalfBinomialLoss",
        "sklearn._loss._loss.CyHalfBinomialLoss",
        "sklearn.ensemble._hist_gradient_boosting.binning._BinMapper",
        "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    }
)
"""What may be made besides the types that skops trusts by itself: the parts of histogram gradient boosting.

A `partial` is of a function that must be on the list as well.
"""
_UNREADABLE = (
    LookupError,
    ValueError,
    TypeError,
    AttributeError,
    ImportError,
    RuntimeError,
    MemoryError,
    OSError,
    EOFError,
    zipfile.BadZipFile,
    zlib.error,
)
"""What skops, numpy and zipfile raise on a file that is damaged or made to do harm: it nests too deep, or claims a huge array."""


@dataclass(frozen=True, slots=True, eq=False)
class SklearnModel:
    """A fitted classifier with what it needs to read raw rows.

    Attributes:
        estimator: has `predict_proba` over two classes.
        transformations: fitted on the training split.
        label: name of what is predicted.
    """

    estimator: Any
    transformations: FittedTransformations
    label: str

    FILE: ClassVar[str] = "model.skops"

    def predict(self, rows: Rows) -> FloatArray:
        return self.predict_matrix(self.transformations.matrix(rows))

    def predict_matrix(self, matrix: MatrixArray) -> FloatArray:
        """The same for rows that were transformed already."""
        if not len(matrix):
            return np.empty(0, dtype=np.float64)
        return np.asarray(self.estimator.predict_proba(matrix)[:, 1], dtype=np.float64)

    def save(self, folder: Path) -> Path:
        import skops.io

        described = Description(transformations=self.transformations, label=self.label, settings={})
        path = folder / self.FILE
        path.write_bytes(_reproducible(skops.io.dumps({KEY: described.text, "estimator": self.estimator})))
        return path

    @classmethod
    def from_bytes(cls, content: bytes, *, source: str = "the given bytes") -> SklearnModel:
        """Reads the content of a model file; `source` names it in errors.

        Raises:
            ModelFileError: it was not written by `save`, is damaged, or holds a type that is not allowed.
        """
        import skops.io

        check_archive(content, source, suffixes=(".json", ".npy"))
        try:
            refused = sorted(set(skops.io.get_untrusted_types(data=content)) - ALLOWED_TYPES)
            if refused:
                raise ModelFileError(
                    f"{source} holds types that a model may not be made of: {', '.join(refused)}. Nothing of it was loaded.",
                    next_step="Train the model anew; only if you know the file's author, add the types to ALLOWED_TYPES.",
                )
            said = skops.io.loads(content, trusted=sorted(ALLOWED_TYPES))
        except _UNREADABLE as error:
            raise ModelFileError(f"skops cannot read {source} ({len(content):,} bytes): {error!r}.") from error
        if not isinstance(said, dict) or not hasattr(said.get("estimator"), "predict_proba"):
            raise ModelFileError(f"{source} is a skops file without an estimator.", next_step="Save it with SklearnModel.save.")
        described = Description.read(said.get(KEY), source)
        return cls(said["estimator"], described.transformations, described.label)


def _reproducible(content: bytes) -> bytes:
    """The archive without the time of day and addresses in memory, so that the same model has the same bytes."""
    numbers: dict[str, int] = {}
    written = BytesIO()
    with zipfile.ZipFile(BytesIO(content)) as given, zipfile.ZipFile(written, "w") as made:
        schema = _numbered(json.loads(given.read("schema.json")), numbers)
        arrays = {f"{number}.npy": f"{name}.npy" for name, number in numbers.items() if f"{name}.npy" in given.NameToInfo}
        members = {name: given.read(old) for name, old in arrays.items()}
        for name, one in {**members, "schema.json": json.dumps(schema, indent=2).encode()}.items():
            made.writestr(zipfile.ZipInfo(name), one, zipfile.ZIP_DEFLATED)
    return written.getvalue()


def _numbered(said: Any, numbers: dict[str, int]) -> Any:
    """The schema of skops with 0, 1, .. in the place of addresses, in the order in which they are met."""
    if isinstance(said, list):
        return [_numbered(one, numbers) for one in said]
    if not isinstance(said, dict):
        return said
    made = {name: _numbered(one, numbers) for name, one in said.items()}
    if isinstance(made.get("__id__"), int):
        made["__id__"] = numbers.setdefault(str(made["__id__"]), len(numbers))
    if isinstance(made.get("file"), str):
        stem, _, suffix = made["file"].partition(".")
        made["file"] = f"{numbers.setdefault(stem, len(numbers))}.{suffix}"
    return made
