"""`fti datasets`: training datasets by their manifests."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from fti_assets.cli.options import AsJson
from fti_assets.cli.stores import data_root, feature_store, known
from fti_assets.cli.terminal import say, share, show_facts, show_json, show_table, title

if TYPE_CHECKING:
    from fti_assets.feature_store import Manifest

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
app = typer.Typer(help="Training datasets: what was cut from the feature store, and when.", no_args_is_help=True)


@app.command("list", epilog=LIST_EXAMPLES)
def list_(as_json: AsJson = False) -> None:
    """List the training datasets, oldest first."""
    store = feature_store()
    manifests = [manifest for name in store.dataset_names() for _, manifest in store.datasets(name)]
    if as_json:
        show_json([asdict(manifest) for manifest in manifests])
    elif not manifests:
        say(f"No training dataset is stored in {store.root / 'training_datasets'}. {NEXT}")
    else:
        show_table(
            ["dataset", "id", "train", "validation", "test", "positive in test", "cut (UTC)"], map(_row, manifests), whole=("id",)
        )
        say("\nSplits, features and origin of one: fti datasets show NAME/ID", "dim")


@app.command(epilog=SHOW_EXAMPLES)
def show(
    name: Annotated[str, typer.Argument(help="Training dataset; its newest version unless an id is given.", metavar="NAME[/ID]")],
    as_json: AsJson = False,
) -> None:
    """Show the manifest of a training dataset: splits, features, and what it was cut from."""
    store = feature_store()
    wanted, _, dataset_id = name.partition("/")
    known("Training dataset", wanted, store.dataset_names(), where=str(data_root() / "training_datasets"), next_step=NEXT)
    folder, manifest = store.dataset(wanted, dataset_id or None)
    if as_json:
        show_json({"folder": folder, **asdict(manifest)})
        return
    say(f"{manifest.dataset}/{manifest.id}", "bold")
    show_facts(_facts(manifest) | {"folder": folder})
    title("Splits")
    show_table(["split", "from (UTC)", "until (UTC)", "rows", "positive"], _splits(manifest))
    title(f"{len(manifest.features)} features")
    say(", ".join(manifest.features))


def _row(manifest: Manifest) -> tuple[object, ...]:
    rows = (manifest.rows[split] for split in ("train", "validation", "test"))
    return manifest.dataset, manifest.id, *rows, share(manifest.positive_share["test"]), _instant(manifest.created_at)


def _facts(manifest: Manifest) -> dict[str, object]:
    return {
        "view": f"{manifest.view}_v{manifest.view_version}",
        "label": manifest.label,
        "feature groups": ", ".join(f"{group}_v{version}" for group, version in manifest.groups.items()),
        "cut-off": f"{_instant(manifest.cutoff)} UTC: rows and labels known before it",
        "snapshot": f"{manifest.snapshot} of the lake",
        "unlabelled": f"{manifest.unlabelled_rows:,} rows left out, since their label was not known",
        "content hash": manifest.content_hash,
        "code": manifest.code_version,
        "cut": f"{_instant(manifest.created_at)} UTC",
    }


def _splits(manifest: Manifest) -> list[tuple[object, ...]]:
    return [
        (name, _instant(start), _instant(end), manifest.rows[name], share(manifest.positive_share[name]))
        for name, (start, end) in manifest.splits.items()
    ]


def _instant(text: str) -> str:
    return text[:16].replace("T", " ")
