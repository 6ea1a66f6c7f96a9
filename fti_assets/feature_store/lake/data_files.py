"""Where a lake's Parquet files are: a folder, unless an S3-compatible bucket is named."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal, Protocol
from urllib.parse import parse_qsl, urlsplit

import duckdb
from duckdb import DuckDBPyConnection

from fti_assets.errors import FtiError
from fti_assets.feature_store.errors import AddressError, UnreachableError

SECRET = "lake_data"  # noqa: S105  the name of one
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_SEGMENT = re.compile(r"[\w.=+@-]+", re.ASCII)
_OPTIONS = ("endpoint", "region", "path_style")
_WRITTEN = "Write data='s3://bucket/prefix', where needed with '?endpoint=https://host:port&region=...&path_style=true'."

FilesKind = Literal["folder", "s3"]


class DataFiles(Protocol):
    """Where DuckLake keeps the rows.

    Attributes:
        kind: of place.
        extensions: those of DuckDB that reach it.
    """

    kind: ClassVar[FilesKind]
    extensions: ClassVar[tuple[str, ...]]

    @property
    def path(self) -> str:
        """An absolute folder or `s3://bucket/prefix`, without a slash at the end."""

    def prepare(self, connection: DuckDBPyConnection) -> None:
        """Gives `connection` what it needs to reach the files: their secret."""

    def check(self, connection: DuckDBPyConnection) -> None:
        """Lists what is there, so that a place that cannot be reached is found before the first write."""

    def explain(self, error: duckdb.Error) -> FtiError | None:
        """What an error of DuckDB comes from, where it comes from reaching these files."""


@dataclass(frozen=True, slots=True)
class Folder:
    """Files in the folder `data` of the lake's folder; they move with it."""

    kind: ClassVar[FilesKind] = "folder"
    extensions: ClassVar[tuple[str, ...]] = ()

    lake: Path

    def __str__(self) -> str:
        return f"'{self.lake / 'data'}'"

    @property
    def path(self) -> str:
        return str(self.lake.resolve() / "data")

    def prepare(self, connection: DuckDBPyConnection) -> None:
        """A folder has no secret."""

    def check(self, connection: DuckDBPyConnection) -> None:
        """It is made by the first write."""

    def explain(self, error: duckdb.Error) -> FtiError | None:  # noqa: ARG002  what DuckDB says of a file is clear
        return None


@dataclass(frozen=True, slots=True)
class Bucket:
    """Files below a prefix of an S3-compatible bucket.

    Credentials are those of AWS's variables at the time of each connection. So are endpoint and region, unless they are given.

    Attributes:
        prefix: folders in the bucket, without slashes around them; may be empty.
        endpoint: address of the service, `https://host:port`.
        path_style: whether the bucket is written after the host instead of before it; by default where an endpoint is named.
    """

    kind: ClassVar[FilesKind] = "s3"
    extensions: ClassVar[tuple[str, ...]] = ("httpfs",)

    name: str
    prefix: str = ""
    endpoint: str | None = None
    region: str | None = None
    path_style: bool | None = None

    @classmethod
    def at(cls, address: str) -> Bucket:
        """The bucket at `s3://bucket/prefix?...`; see `files_at`."""
        url = urlsplit(address)
        prefix = url.path.strip("/")
        problem = _problem(url.netloc, prefix) or ("'#' has no meaning in it" if url.fragment else None)
        if problem:
            raise AddressError(f"The address of the lake's files is not one of a bucket: {problem}.", next_step=_WRITTEN)
        options = _options(url.query)
        style = options.get("path_style")
        endpoint = options.get("endpoint")
        if endpoint is not None:
            _host(endpoint, "the address of the lake's files")
        return cls(url.netloc, prefix, endpoint, options.get("region"), None if style is None else style == "true")

    def __str__(self) -> str:
        return f"'{self.path}'"

    @property
    def path(self) -> str:
        return f"s3://{self.name}/{self.prefix}".rstrip("/")

    def prepare(self, connection: DuckDBPyConnection) -> None:
        values = self._secret()
        given = ", ".join(f"{name} ${name}" for name in values)
        connection.execute(f"CREATE OR REPLACE TEMPORARY SECRET {SECRET} (TYPE s3, {given})", values)

    def check(self, connection: DuckDBPyConnection) -> None:
        connection.execute("SELECT count(*) FROM glob($files)", {"files": f"{self.path}/*"}).fetchall()

    def explain(self, error: duckdb.Error) -> FtiError | None:
        text = str(error)
        if not re.search(r"HTTP|NoSuchBucket|hostname", text):
            return None
        said = " ".join(text.partition("LINE 1:")[0].split())
        for pattern, what, step in _FAILURES:
            if re.search(pattern, text):
                return UnreachableError(f"The lake's files in {self} {what}. {said.removesuffix('.')}.", next_step=step)
        return None

    def _secret(self) -> dict[str, str | bool]:
        key, secret = os.environ.get("AWS_ACCESS_KEY_ID"), os.environ.get("AWS_SECRET_ACCESS_KEY")
        if not key or not secret:
            missing = " and ".join(
                name for name, value in (("AWS_ACCESS_KEY_ID", key), ("AWS_SECRET_ACCESS_KEY", secret)) if not value
            )
            raise UnreachableError(
                f"The lake's files in {self} need credentials, and {missing} is not set.",
                next_step="Set AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and, for a passing key, AWS_SESSION_TOKEN."
                " Profiles and roles are not looked up.",
            )
        found = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
        endpoint = self.endpoint or found
        values: dict[str, str | bool] = {
            "KEY_ID": key,
            "SECRET": secret,
            "REGION": self.region or os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or "us-east-1",
            "URL_STYLE": "path" if self._by_path(endpoint) else "vhost",
            "SCOPE": self.path,
        }
        if endpoint:
            host, encrypted = _host(endpoint, "AWS_ENDPOINT_URL")
            values |= {"ENDPOINT": host, "USE_SSL": encrypted}
        token = os.environ.get("AWS_SESSION_TOKEN")
        return values | ({"SESSION_TOKEN": token} if token else {})

    def _by_path(self, endpoint: str | None) -> bool:
        if self.path_style is not None:
            return self.path_style
        return endpoint is not None or "." in self.name  # a dot in front of the host breaks its certificate


_FAILURES = (
    # pattern of DuckDB's message, what it means, what to do
    ("NoSuchBucket", "cannot be reached: the bucket is not there", "Create the bucket, or mend its name in data='s3://...'."),
    (
        "ExpiredToken|RequestTimeTooSkewed",
        "cannot be reached: the credentials have expired, or the clock is wrong",
        "Renew AWS_SESSION_TOKEN and its keys, or set the clock.",
    ),
    (
        r"HTTP code 403|HTTP 403|AccessDenied|Forbidden|InvalidAccessKeyId|SignatureDoesNotMatch|InvalidClientTokenId",
        "refuse access",
        "Check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, and that they may list, read, write and delete there.",
    ),
    (
        r"PermanentRedirect|AuthorizationHeaderMalformed|HTTP code 301|HTTP 301",
        "cannot be reached: the bucket is in another region",
        "Set AWS_REGION, or write ?region=... into data='s3://...'.",
    ),
    (
        r"error for HTTP|Could not connect|Could not resolve|HTTP code 5\d\d|HTTP 5\d\d",
        "cannot be reached",
        "Check AWS_ENDPOINT_URL_S3 or ?endpoint=... in data='s3://...', and that the service is running.",
    ),
)


def files_at(address: str | None, folder: Path) -> Folder | Bucket:
    """The place of a lake's files, by default `data` in the lake's folder.

    Raises:
        AddressError: it is not written as an address of a bucket.
    """
    if address is None:
        return Folder(folder)
    if address.startswith("s3://"):
        return Bucket.at(address)
    raise AddressError(
        "The address of the lake's files does not begin with 's3://'.",
        next_step=f"{_WRITTEN} Leave it out for files in the lake's folder.",
    )


def _problem(bucket: str, prefix: str) -> str | None:
    if "@" in bucket:
        return "credentials do not belong into it, they are read from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
    if not _BUCKET.fullmatch(bucket):
        return f"'{bucket}' is not the name of a bucket" if bucket else "it names no bucket"
    wrong = [part for part in prefix.split("/") if prefix and (not _SEGMENT.fullmatch(part) or part in (".", ".."))]
    return f"'{wrong[0]}' is not a folder that can be used (letters, digits, and . _ = + @ -)" if wrong else None


def _options(query: str) -> dict[str, str]:
    options = dict(parse_qsl(query, keep_blank_values=True))
    unknown = [name for name in options if name not in _OPTIONS]
    if unknown or options.get("path_style", "true") not in ("true", "false"):
        what = f"'{unknown[0]}' is not an option, there are {', '.join(_OPTIONS)}" if unknown else "path_style is true or false"
        raise AddressError(f"The address of the lake's files cannot be read: {what}.", next_step=_WRITTEN)
    return options


def _host(endpoint: str, where: str) -> tuple[str, bool]:
    """Host and port of an endpoint, and whether it is encrypted."""
    url = urlsplit(endpoint)
    if url.scheme not in ("http", "https") or not url.netloc or "@" in url.netloc or url.path.strip("/") or url.query:
        raise AddressError(f"The endpoint in {where} is not one.", next_step="Write it as https://host:port.")
    return url.netloc, url.scheme == "https"
