"""Names that are safe as SQL identifiers, asset keys, file names and metric names alike."""

from __future__ import annotations

import re

from fti_assets.errors import DefinitionError

_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")


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


def quoted(name: str) -> str:
    """A validated name as a quoted SQL identifier."""
    return f'"{checked_name(name, "An identifier")}"'
