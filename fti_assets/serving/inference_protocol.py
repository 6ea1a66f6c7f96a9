"""The Open Inference Protocol, version 2, by HTTP: how clients of KServe and Triton ask."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

from fti_assets.serving.errors import RequestError
from fti_assets.serving.http import JSON, Headers, Scope, check_type, header, whole_number
from fti_assets.serving.prediction import Answer
from fti_assets.serving.prediction_route import PredictionRoute
from fti_assets.serving.request_reading import REQUEST_TIME, Asked, read_json
from fti_assets.serving.tensors import DATATYPES, Tensor, read_tensor

if TYPE_CHECKING:
    from fti_assets.serving.prediction_route import House, Serving
    from fti_assets.vocabulary import ColumnType

JSON_LENGTH = b"inference-header-content-length"
OCTETS = b"application/octet-stream"
OUTPUTS: Mapping[str, str] = {"prediction": "FP64", "model_version": "INT64", "missing": "BYTES"}
"""What can be asked for: predictions, the version of each, and the sources that gave nothing, as a list in JSON."""
_BODY = '{"inputs": [{"name": ..., "shape": [rows], "datatype": ..., "data": [...]}, ...]}'


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the answer is to hold.

    Attributes:
        identity: given by the asker, to be given back.
        outputs: names, and whether each is wanted as bytes.
    """

    identity: str
    outputs: Sequence[tuple[str, bool]]


class InferenceRoute(PredictionRoute):
    """An ASGI application: `POST /v2/models/MODEL/infer`. Inputs are columns by name; `request_time` may be one."""

    route = "infer"

    def __init__(self, serving: Serving, house: House) -> None:
        super().__init__(serving, house)
        columns = serving.reader.row_reader.columns
        self._kinds: dict[str, ColumnType] = {name: column.type for name, column in columns.items()}
        self._kinds[REQUEST_TIME] = "timestamp"

    def check_type(self, scope: Scope) -> None:
        said = header(scope, b"content-type").partition(b";")[0].strip().lower()
        if said not in (b"", OCTETS):  # Triton's client says nothing
            check_type(scope)

    def read(self, scope: Scope, body: bytes) -> tuple[Asked, Wanted]:
        text, binary = _parts(scope, body)
        said = read_json(text)
        if type(said) is not dict or type(said.get("inputs")) is not list:
            raise RequestError(422, "The body has no list of inputs.", where="inputs", expected=_BODY)
        wanted, tensors = _wanted(said), dict[str, Tensor]()
        for number, one in enumerate(said["inputs"]):
            tensor, used = read_tensor(one, f"inputs[{number}]", self._kinds, binary)
            if tensor.name in tensors:
                raise RequestError(422, f"'{tensor.name}' is given twice.", where=f"inputs[{number}].name")
            tensors[tensor.name], binary = tensor, binary[used:]
        if len(binary):
            raise RequestError(422, f"{len(binary):,} bytes of binary data belong to no input.", where="body")
        return self._asked(said, tensors), wanted

    def _asked(self, said: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> Asked:
        counts = {len(tensor.values) for tensor in tensors.values()}
        if len(counts) > 1:
            lengths = ", ".join(f"{name}: {len(tensor.values)}" for name, tensor in tensors.items())
            raise RequestError(422, f"The inputs have different numbers of rows: {lengths}.", where="inputs")
        count = next(iter(counts), 0)
        self._serving.reader.check_count(count)
        rows = [
            dict(zip(tensors, values, strict=True)) for values in zip(*(tensor.values for tensor in tensors.values()), strict=True)
        ]
        parameters = said.get("parameters")
        time = parameters.get(REQUEST_TIME) if isinstance(parameters, dict) else None
        return self._serving.reader.read_rows(rows, time, self._serving.now)

    def write(self, answer: Answer, told: Wanted) -> tuple[bytes, Headers]:
        made: dict[str, list[Any]] = {
            "prediction": answer.predictions,
            "model_version": [scorer.version for scorer in answer.scorers],
            "missing": [orjson.dumps(list(missing)).decode() for missing in answer.missing],
        }
        outputs, binary = [], []
        for name, as_bytes in told.outputs:
            tensor = Tensor(name, OUTPUTS[name], made[name])
            if as_bytes:
                binary.append(tensor.as_bytes())
                outputs.append({**tensor.described(), "parameters": {"binary_data_size": len(binary[-1])}})
            else:
                outputs.append({**tensor.described(), "data": tensor.values})
        said: dict[str, Any] = {
            "model_name": self._model,
            "model_version": str(answer.scorers[0].version),
            "outputs": outputs,
            "parameters": {"request_id": answer.request_id},
        }
        text = orjson.dumps({**said, "id": told.identity} if told.identity else said)
        if not binary:
            return text, [(b"content-type", JSON)]
        return b"".join([text, *binary]), [(b"content-type", OCTETS), (JSON_LENGTH, str(len(text)).encode())]

    def said_of(self, error: RequestError) -> Any:
        return {"error": str(error)}


def _parts(scope: Scope, body: bytes) -> tuple[bytes, memoryview]:
    """The JSON, and the binary data behind it."""
    said = header(scope, JSON_LENGTH)
    if not said:
        return body, memoryview(b"")
    length = whole_number(said)
    if length is None or length > len(body):
        raise RequestError(
            400,
            f"The header says that {said.decode('latin-1')[:40]} bytes are JSON; the body has {len(body):,}.",
            where="header Inference-Header-Content-Length",
            expected="the length of the JSON before the binary data",
        )
    return body[:length], memoryview(body)[length:]


def _wanted(said: Mapping[str, Any]) -> Wanted:
    identity, parameters, outputs = said.get("id"), said.get("parameters"), said.get("outputs")
    by_default = isinstance(parameters, dict) and parameters.get("binary_data_output") is True
    if outputs is None or outputs == []:
        return Wanted(identity if isinstance(identity, str) else "", [("prediction", by_default)])
    if type(outputs) is not list:
        raise RequestError(422, "The outputs are no list.", where="outputs", expected='[{"name": "prediction"}]')
    named = [_output(one, number, by_default) for number, one in enumerate(outputs)]
    return Wanted(identity if isinstance(identity, str) else "", list(dict(named).items()))


def _output(said: Any, number: int, by_default: bool) -> tuple[str, bool]:
    name = said.get("name") if isinstance(said, dict) else None
    if type(name) is not str or name not in OUTPUTS:
        raise RequestError(422, "There is no such output.", where=f"outputs[{number}]", expected=f"one of: {', '.join(OUTPUTS)}")
    parameters = said.get("parameters")
    as_bytes = parameters.get("binary_data", by_default) if isinstance(parameters, dict) else by_default
    return name, as_bytes is True


def metadata(serving: Serving) -> dict[str, Any]:
    """What `GET /v2/models/MODEL` says."""
    served, reader = serving.predictor.served, serving.reader.row_reader
    champion = served.answering.champion
    inputs = [
        {"name": name, "datatype": DATATYPES[column.type], "shape": [-1], **({} if name in reader.required else {"optional": True})}
        for name, column in reader.columns.items()
    ]
    return {
        "name": served.name,
        "versions": [str(champion.version)] if champion else [],
        "platform": "fti_assets",
        "inputs": [*inputs, {"name": REQUEST_TIME, "datatype": "BYTES", "shape": [-1], "optional": True}],
        "outputs": [{"name": name, "datatype": kind, "shape": [-1]} for name, kind in OUTPUTS.items()],
    }
