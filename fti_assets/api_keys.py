"""Keys of those who may send events and ask for predictions: kept as SHA-256, compared in constant time."""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from hmac import compare_digest
from ipaddress import ip_address
from pathlib import Path

from fti_assets.errors import DefinitionError, FtiError
from fti_assets.vocabulary.names import checked_name

_FILE, _LIST = "FTI_API_KEYS_FILE", "FTI_API_KEYS"
_LINE = re.compile(r"([a-z][a-z0-9_]{0,62}):([0-9a-f]{64})")
_HOW = f"Write lines NAME:SHA256 into the file that {_FILE} names, or into {_LIST}; `fti api-key NAME` makes one."


class ApiKeyError(FtiError):
    """Keys are not written as they must be, or there are none where there have to be."""


@dataclass(frozen=True, slots=True)
class ApiKeys:
    """The hashes of some keys, by the name of whom each belongs to."""

    hashes: Mapping[str, str] = field(repr=False)

    @staticmethod
    def from_environment(environment: Mapping[str, str] | None = None) -> ApiKeys | None:
        """The keys in the file that FTI_API_KEYS_FILE names, and those in FTI_API_KEYS, one a line or divided by spaces.

        Returns:
            None where there are none, so that nobody is asked for one.

        Raises:
            ApiKeyError: the file cannot be read, or a line is not `name:sha256`.
        """
        said = os.environ if environment is None else environment
        hashes: dict[str, str] = {}
        if said.get(_FILE):
            hashes |= _read(_file(Path(said[_FILE])), f"'{said[_FILE]}'")
        if said.get(_LIST):
            hashes |= _read("\n".join(said[_LIST].replace(",", " ").split()), _LIST)
        return ApiKeys(hashes) if hashes else None

    def check(self, authorization: str | None, api_key: str | None = None) -> bool:
        """Whether a request may be answered: see `owner`."""
        return self.owner(authorization, api_key) is not None

    def owner(self, authorization: str | None, api_key: str | None = None) -> str | None:
        """Whose key came with a request; None where there was none, or one that nobody has.

        Args:
            authorization: the header `Authorization`, as `Bearer KEY`.
            api_key: the header `X-API-Key`.
        """
        scheme, _, bearer = (authorization or "").partition(" ")
        given = bearer.strip() if scheme.lower() == "bearer" else api_key
        return self._owner(given) if given else None

    def _owner(self, key: str) -> str | None:
        hashed, found = _hash(key), None
        for name, known in self.hashes.items():  # all of them, so that time tells nothing
            if compare_digest(hashed, known):
                found = name
        return found


def new_key(name: str) -> tuple[str, str]:
    """A key for someone: the key itself, to be given to them and kept nowhere, and the line to be kept."""
    key = secrets.token_urlsafe(32)
    return key, key_line(name, key)


def key_line(name: str, key: str) -> str:
    """What is kept of a key: `name:sha256`."""
    return f"{checked_name(name, 'The owner of a key')}:{_hash(key)}"


def check_binding(host: str, keys: ApiKeys | None) -> None:
    """Sees that a server that others can reach asks them for a key.

    Raises:
        ApiKeyError: the address is not one of this machine alone, and there are no keys.
    """
    if keys is None and not is_loopback(host):
        raise ApiKeyError(
            f"A server on {host or 'every address'} can be reached by others, and there are no API keys.",
            next_step=f"Listen on 127.0.0.1, or give keys. {_HOW}",
        )


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _hash(key: str) -> str:
    return sha256(key.encode()).hexdigest()


def _file(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is no text"
        raise ApiKeyError(f"The API keys in '{path}', which {_FILE} names, cannot be read: {why}.", next_step=_HOW) from error


def _read(text: str, where: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        said = line.partition("#")[0].strip()
        match = _LINE.fullmatch(said)
        if said and match is None:  # what it says is not repeated: it may be a key
            raise ApiKeyError(f"Line {number} of the API keys in {where} is not NAME:SHA256.", next_step=_HOW)
        if match and match[1] in found:
            raise DefinitionError(f"The API keys in {where} have '{match[1]}' twice.", next_step="Give each owner one key.")
        if match:
            found[match[1]] = match[2]
    return found
