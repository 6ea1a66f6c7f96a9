"""Reading a feature view online: every row gets what was known at its time, as in the point-in-time join."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

from fti_assets.errors import DefinitionError, not_found
from fti_assets.online_store.backend import OnlineBackend
from fti_assets.online_store.features import FoundFeatures, Source
from fti_assets.online_store.lookup_plan import plan
from fti_assets.online_store.lookup_work import Known, Work
from fti_assets.vocabulary import Column, ColumnType, FeatureView

NOTHING_KNOWN = Known(b"?", {})


class OnlineView:
    """A feature view made ready for reading, once; it follows the online tables as these change.

    Attributes:
        view: what is read.
        sources: where the features come from: the spine's own columns, if any are needed, then each joined selection.
        request_columns: all that a request may give: entity keys, columns of the spine but for the time of the row, features.
        required_keys: what it has to give, the entity keys of the spine.
    """

    def __init__(self, view: FeatureView, backend: OnlineBackend) -> None:
        """Nothing is read yet.

        Raises:
            DefinitionError: the view reads a group that is not online.
        """
        self.view = view
        self._plan = plan(view)
        self._backend = backend
        self._known = NOTHING_KNOWN
        self.sources: tuple[Source, ...] = self._plan.sources
        self.required_keys: tuple[Column, ...] = view.spine.entity.keys
        own = [column for column in view.spine.table.columns if column.name != view.at]
        self.request_columns = tuple({column.name: column for column in (*own, *view.feature_columns)}.values())

    def find(self, requests: Sequence[Mapping[str, Any]], at: Sequence[int], *, arrays: bool = False) -> FoundFeatures:
        """The features of some requests, all from one state of the store.

        A value that a request gives is used as it is, null included. The others are looked up: the newest value of the entity if
        it became known by the request's time and is not older than the ttl allows, else null.

        Args:
            requests: for each what it gives, by name; values have the types of their columns, times are aware or in microseconds.
            at: for each its time, in microseconds since 1970 (UTC).
            arrays: whether columns of floats may be arrays, in which what is null is NaN; so they are where many rows are read.

        Raises:
            OnlineStoreError: the store cannot be reached, or is damaged.
        """
        with self._backend.reading() as reader:
            work = Work(self._plan, reader, self._known, requests, at, arrays=arrays)
            found = work.done()
        self._known = work.known
        return found

    def check(self, requests: Sequence[Mapping[str, Any]]) -> None:
        """Sees that requests give what they must, nothing that the view does not have, and values of the right types.

        Raises:
            NotFoundError: one gives something else.
            DefinitionError: one lacks an entity key, or a value has another type.
        """
        known, required = {column.name: column for column in self.request_columns}, [key.name for key in self.required_keys]
        where = f"view '{self.view.versioned_name}'"
        for request in requests:
            for name, value in request.items():
                if name not in known:
                    raise not_found("Column", name, known, where=f"what a request to {where} can give")
                _check_type(known[name], value, where)
            lacking = [name for name in required if name not in request]
            if lacking:
                raise DefinitionError(
                    f"A request to {where} lacks {', '.join(lacking)}.",
                    next_step=f"Give the keys of its entity: {', '.join(required)}; None where one is not known.",
                )


_TYPES: dict[ColumnType, tuple[type, ...]] = {
    "float": (float, int),
    "int": (int,),
    "bool": (bool,),
    "string": (str,),
    "timestamp": (datetime, int),
    "date": (date,),
}


def _check_type(column: Column, value: Any, where: str) -> None:
    fits = value is None or (isinstance(value, _TYPES[column.type]) and isinstance(value, bool) == (column.type == "bool"))
    if not fits or (column.type == "date" and isinstance(value, datetime)):
        raise DefinitionError(
            f"A request to {where} gives {value!r} for '{column.name}': {type(value).__name__} where a {column.type} is promised.",
            next_step="Give plain Python values; those of numpy have .item().",
        )
