"""Finding feature groups: by name, or by words of what is said about them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from fti_assets.errors import not_found
from fti_assets.feature_store.lake.tables import TableInfo

NEXT_STEP = "Materialise a feature group to publish it."
_WEIGHTS = {"group": 8, "feature": 6, "tag": 6, "entity": 4, "unit": 3, "owner": 3, "description": 2}


@dataclass(frozen=True, slots=True)
class Hit:
    """Where a word of the search was found.

    Attributes:
        field: `group`, `feature`, `tag`, `entity`, `unit`, `owner` or `description`.
        name: of the feature, where it is one that was found or whose unit or description it was; else of the group.
        text: what stands there.
    """

    field: str
    name: str
    text: str


@dataclass(frozen=True, slots=True)
class Match:
    """A feature group that was found; those with a higher score fit better."""

    table: TableInfo
    score: float
    hits: tuple[Hit, ...]


def find_group(tables: Sequence[TableInfo], name: str, *, where: str = "the lake", next_step: str = NEXT_STEP) -> TableInfo:
    """The feature group of that name (`origin_weather_v1`), or the newest version of it (`origin_weather`).

    Raises:
        NotFoundError: there is none; the error names those that exist.
    """
    by_table = {info.name: info for info in tables}
    newest = {str(info.description.get("group", info.name)): info for info in sorted(tables, key=_version)}
    found = by_table.get(name) or newest.get(name)
    if found is None:
        names = by_table if re.search(r"_v\d+$", name) else newest
        raise not_found("Feature group", name, names, where=where, next_step=None if names else next_step)
    return found


def _version(info: TableInfo) -> int:
    return int(info.description.get("version") or 0)


def search(tables: Iterable[TableInfo], text: str) -> list[Match]:
    """The feature groups in which every word of `text` is found, the best first.

    Words are looked for in names of groups and features, tags, entities, units, owners and descriptions; parts of words count
    too, for less. Case makes no difference.
    """
    words = text.lower().split()
    matches = [match for info in tables if (match := _match(info, words)) is not None]
    return sorted(matches, key=lambda match: (-match.score, match.table.name))


def suggestion(tables: Sequence[TableInfo], text: str) -> str | None:
    """The text with each word that is found nowhere replaced by one that looks like it; None where that finds nothing either."""
    said = [hit.text.lower() for info in tables for hit in _said(info)]
    known = sorted({word for one in said for word in _words(one) if len(word) > 2})
    words = [
        word if any(word in one for one in said) else next(iter(get_close_matches(word, known, n=1)), word)
        for word in text.lower().split()
    ]
    corrected = " ".join(words)
    return corrected if search(tables, corrected) else None


def _match(info: TableInfo, words: Sequence[str]) -> Match | None:
    said = list(_said(info))
    scores = [{hit: score for hit in said if (score := _score(hit, word))} for word in words]
    if not scores or not all(scores):
        return None
    total = {hit: sum(found.get(hit, 0) for found in scores) for hit in said}
    hits = sorted((hit for hit in said if total[hit]), key=lambda hit: -total[hit])
    # The best place of each word counts in full, further ones a little: ten features with a word say more than one.
    best = sum(max(found.values()) for found in scores)
    return Match(info, best + sum(total.values()) / 100, tuple(hits))


def _said(info: TableInfo) -> Iterator[Hit]:
    said, group = info.description, info.name
    yield Hit("group", group, group)
    yield from (Hit("tag", group, tag) for tag in said.get("tags") or ())
    yield Hit("entity", group, said.get("entity") or "")
    yield Hit("owner", group, said.get("owner") or "")
    yield Hit("description", group, said.get("description") or "")
    for column in said.get("columns") or ():
        if column["name"] in said.get("features", ()):
            name = column["name"]
            yield Hit("feature", name, name)
            yield Hit("unit", name, column.get("unit") or "")
            yield Hit("description", name, column.get("description") or "")


def _score(hit: Hit, word: str) -> float:
    """How well a word fits: as the whole text or one of its words, at the beginning of one, or somewhere inside."""
    text, weight = hit.text.lower(), _WEIGHTS[hit.field]
    if text == word:
        return 3.0 * weight
    if word not in text:
        return 0.0
    words = _words(text)
    return weight * (2.0 if word in words else 1.5 if any(one.startswith(word) for one in words) else 1.0)


def _words(text: str) -> list[str]:
    return [word for word in re.split(r"[\W_]+", text.lower()) if word]
