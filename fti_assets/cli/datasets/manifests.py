"""`fti datasets list` and `fti datasets show`: what the manifests of stored datasets say."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer

from fti_assets.cli.options import AsJson
from fti_assets.cli.stores import data_root, feature_store, known
from fti_assets.cli.terminal import say, share, show_facts, show_json, show_table, title, width

if TYPE_CHECKING:
    from fti_assets.feature_store import FeatureStore, Manifest

LIST_EXAMPLES = """
[bold]Example:[/bold]

fti datasets list
"""
SHOW_EXAMPLES = """
[bold]Examples:[/bold]

fti datasets show flight_delay                            [dim]# the newest[/dim]

fti datasets show flight_delay/2014-01-01-s42-5f3a9c01    [dim]# one by its id, as `list` shows it[/dim]
"""
NEXT = "`fti run SYSTEM --only training` cuts one."
WIDE = 100

Name: TypeAlias = Annotated[
    str, typer.Argument(help="Training dataset; its newest version unless an id is given.", metavar="NAME[/ID]")
]


def list_(as_json: AsJson = False) -> None:
    """List the training datasets, oldest first."""
    store = feature_store()
    manifests = [manifest for name in store.dataset_names() for _, manifest in store.datasets(name)]
    if as_json:
        show_json([_without_definition(manifest) for manifest in manifests])
    elif not manifests:
        say(f"No training dataset is stored in {store.root / 'training_datasets'}. {NEXT}")
    else:
        names = ["dataset", "id", "train", "validation", "test", "positive in test", "cut (UTC)"]
        shown = len(names) if width() >= WIDE else 5
        show_table(names[:shown], [_row(manifest)[:shown] for manifest in manifests], whole=("id",))
        say("\nSplits, features and origin of one: fti datasets show NAME/ID", "dim")


def show(name: Name, as_json: AsJson = False) -> None:
    """Show the manifest of a training dataset: splits, features, and what it was cut from."""
    folder, manifest = find(feature_store(), name)
    if as_json:
        show_json({"folder": folder, **asdict(manifest)})
        return
    say(str(manifest), "bold")
    show_facts(_facts(manifest) | {"folder": folder})
    title("Splits")
    show_table(["split", "from (UTC)", "until (UTC)", "rows", "positive"], _splits(manifest))
    title(f"{len(manifest.features)} features")
    say(", ".join(manifest.features))


def find(store: FeatureStore, name: str) -> tuple[Path, Manifest]:
    """The stored dataset that `NAME`, its newest version, or `NAME/ID` means.

    Raises:
        NotFoundError: there is none; the error names those that exist.
    """
    wanted, _, dataset_id = name.partition("/")
    known("Training dataset", wanted, store.dataset_names(), where=str(data_root() / "training_datasets"), next_step=NEXT)
    return store.dataset(wanted, dataset_id or None)


def _without_definition(manifest: Manifest) -> dict[str, Any]:
    return {name: value for name, value in asdict(manifest).items() if name != "definition"}


def _row(manifest: Manifest) -> tuple[object, ...]:
    rows = (manifest.rows[split] for split in ("train", "validation", "test"))
    return manifest.dataset, manifest.id, *rows, share(manifest.positive_share["test"]), instant(manifest.created_at)


def _facts(manifest: Manifest) -> dict[str, object]:
    return {
        "view": f"{manifest.view}_v{manifest.view_version}",
        "label": manifest.label,
        "feature groups": ", ".join(f"{group}_v{version}" for group, version in manifest.groups.items()),
        "cut-off": f"{instant(manifest.cutoff)} UTC: rows and labels known before it",
        "snapshot": f"{manifest.snapshot} of the lake",
        "unlabelled": f"{manifest.unlabelled_rows:,} rows left out, since their label was not mature or not known",
        "content hash": manifest.content_hash,
        "code": manifest.code_version,
        "cut": f"{instant(manifest.created_at)} UTC",
    }


def _splits(manifest: Manifest) -> list[tuple[object, ...]]:
    return [
        (name, instant(start), instant(end), manifest.rows[name], share(manifest.positive_share[name]))
        for name, (start, end) in manifest.splits.items()
    ]


def instant(text: str) -> str:
    """An instant of a manifest, to the minute."""
    return text[:16].replace("T", " ")
