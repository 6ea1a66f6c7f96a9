"""Tensors of the Open Inference Protocol as columns of rows, and back: as JSON, or as bytes behind it."""

from __future__ import annotations

import itertools
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fti_assets.serving.column_checks import shown
from fti_assets.serving.errors import RequestError
from fti_assets.vocabulary import ColumnType

_WHOLE = ("INT8", "INT16", "INT32", "INT64", "UINT8", "UINT16", "UINT32", "UINT64")
_ARRAYS: Mapping[str, str] = {
    "BOOL": "?",
    **{kind: f"<{'u' if kind.startswith('U') else 'i'}{int(kind.lstrip('UINT')) // 8}" for kind in _WHOLE},
    "FP16": "<f2",
    "FP32": "<f4",
    "FP64": "<f8",
}
DATATYPES: Mapping[ColumnType, str] = {
    "float": "FP64",
    "int": "INT64",
    "bool": "BOOL",
    "string": "BYTES",
    "timestamp": "BYTES",
    "date": "BYTES",
}
"""How a column is described."""
ACCEPTED: Mapping[ColumnType, tuple[str, ...]] = {
    "float": ("FP64", "FP32", "FP16", *_WHOLE),
    "int": _WHOLE,
    "bool": ("BOOL",),
    "string": ("BYTES",),
    "timestamp": ("BYTES",),
    "date": ("BYTES",),
}
"""How it may be given."""
_LENGTH = struct.Struct("<I")


@dataclass(frozen=True, slots=True)
class Tensor:
    """A column of a request, or of an answer.

    Attributes:
        values: one for each row.
    """

    name: str
    datatype: str
    values: Sequence[Any]

    def described(self) -> dict[str, Any]:
        return {"name": self.name, "datatype": self.datatype, "shape": [len(self.values)]}

    def as_bytes(self) -> bytes:
        """The values as the extension for binary data has them."""
        if self.datatype == "BYTES":
            texts = [text.encode() for text in self.values]
            return b"".join(itertools.chain.from_iterable((_LENGTH.pack(len(text)), text) for text in texts))
        return np.array(self.values, dtype=_ARRAYS[self.datatype]).tobytes()


def read_tensor(said: Any, where: str, kinds: Mapping[str, ColumnType], binary: memoryview) -> tuple[Tensor, int]:
    """An input of a request.

    Args:
        said: its description, with `data` or with `parameters.binary_data_size`.
        where: it stands.
        kinds: types of the columns that may be given, by name.
        binary: what of the binary data is not read yet.

    Returns:
        The tensor, and how many bytes of `binary` are its.

    Raises:
        RequestError: it is not written so, or of a type that does not fit its column.
    """
    if type(said) is not dict or type(said.get("name")) is not str:
        raise RequestError(422, "An input has no name.", where=where, expected="an object with name, shape, datatype and data")
    name, datatype = said["name"], said.get("datatype")
    if name not in kinds:
        raise RequestError(422, f"There is no column {shown(name)}.", where=f"{where}.name", expected=f"one of: {', '.join(kinds)}")
    if datatype not in ACCEPTED[kinds[name]]:
        expected = f"{' or '.join(ACCEPTED[kinds[name]])}: '{name}' is a {kinds[name]}"
        raise RequestError(422, f"The datatype is {shown(datatype)}.", where=f"{where}.datatype", expected=expected)
    count = _count(said.get("shape"), where)
    parameters = said.get("parameters")
    size = parameters.get("binary_data_size") if isinstance(parameters, dict) else None
    if size is None:
        return Tensor(name, datatype, _flat(said.get("data"), count, where)), 0
    if type(size) is not int or not 0 <= size <= len(binary):
        raise RequestError(
            422,
            f"binary_data_size is {shown(size)}; {len(binary):,} bytes are left.",
            where=f"{where}.parameters.binary_data_size",
            expected="the size of its data behind the JSON",
        )
    return Tensor(name, datatype, _of_bytes(binary[:size], datatype, count, where)), size


def _count(shape: Any, where: str) -> int:
    """Rows of a tensor of the shape [rows] or [rows, 1]."""
    is_list = isinstance(shape, list) and 1 <= len(shape) <= 2 and all(type(size) is int and size >= 0 for size in shape)
    if not is_list or shape[1:] not in ([], [1]):
        raise RequestError(422, f"The shape is {shown(shape)}.", where=f"{where}.shape", expected="[rows] or [rows, 1]")
    return int(shape[0])


def _flat(data: Any, count: int, where: str) -> list[Any]:
    if type(data) is not list:
        raise RequestError(422, f"The data is {shown(data)}.", where=f"{where}.data", expected="a list of values")
    values = [one[0] if type(one) is list and len(one) == 1 else one for one in data]
    return _counted(values, count, f"{where}.data")


def _of_bytes(data: memoryview, datatype: str, count: int, where: str) -> list[Any]:
    place = f"{where}: binary data"
    if datatype == "BYTES":
        return _counted(_texts(data, place), count, place)
    width = np.dtype(_ARRAYS[datatype]).itemsize
    if len(data) != count * width:
        raise RequestError(422, f"There are {len(data):,} bytes.", where=place, expected=f"{count} values of {width} bytes")
    values: list[Any] = np.frombuffer(data, dtype=_ARRAYS[datatype]).tolist()
    return values


def _texts(data: memoryview, where: str) -> list[str]:
    texts, position = [], 0
    while position < len(data):
        start = position + _LENGTH.size
        end = start + (_LENGTH.unpack(data[position:start])[0] if start <= len(data) else len(data))
        if end > len(data):
            expected = "texts, each behind its length in 4 bytes"
            raise RequestError(422, "A text ends beyond the data.", where=where, expected=expected)
        try:
            texts.append(bytes(data[start:end]).decode())
        except UnicodeDecodeError:
            raise RequestError(422, "A text is not UTF-8.", where=where, expected="texts in UTF-8") from None
        position = end
    return texts


def _counted(values: list[Any], count: int, where: str) -> list[Any]:
    if len(values) != count:
        raise RequestError(422, f"There are {len(values):,} values.", where=where, expected=f"{count:,}, as the shape says")
    return values
