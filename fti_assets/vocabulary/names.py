"""Names that are safe as SQL identifiers, asset keys, file names and metric names alike."""

from __future__ import annotations

import re

from fti_assets.errors import DefinitionError

_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
_OWNER = re.compile(r"team:[A-Za-z0-9_-]+|[^@\s]+@[^@\s]+\.[^@\s]+")


def checked_name(name: object, what: str) -> str:
    """Returns `name` when it is a lower-case identifier of at most 63 characters.

    Raises:
        DefinitionError: it is not.
    """
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        shown = repr(name)[:80]
        raise DefinitionError(
            f"{what} cannot be named {shown}.",
            next_step="Use lower-case letters, digits and underscores, a letter first, at most 63 characters.",
        )
    return name


def checked_owner(owner: str) -> str:
    """Returns `owner` when it is `team:NAME` or an e-mail address, as Dagster wants it.

    Raises:
        DefinitionError: it is neither.
    """
    if not _OWNER.fullmatch(owner):
        raise DefinitionError(f"Owner {owner!r} is neither 'team:NAME' nor an e-mail address.")
    return owner


def quoted(name: str) -> str:
    """A validated name as a quoted SQL identifier."""
    return f'"{checked_name(name, "An identifier")}"'
