"""`fti datasets recreate`: a stored dataset cut again from what its manifest says."""

from __future__ import annotations

import warnings
from dataclasses import asdict

import typer

from fti_assets.cli.datasets.difference import show_comparison
from fti_assets.cli.datasets.manifests import Name, find
from fti_assets.cli.options import AsJson
from fti_assets.cli.stores import feature_store
from fti_assets.cli.terminal import console, say, show_facts, show_json

EXAMPLES = """
[bold]Examples:[/bold]

fti datasets recreate flight_delay                            [dim]# the newest[/dim]

fti datasets recreate flight_delay/2014-01-01-s42-5f3a9c01 && echo the same
"""
_FILES = {
    "intact": "intact: they hold what the manifest says",
    "missing": "some were missing",
    "damaged": "they did not hold what the manifest says",
}


def recreate(name: Name, as_json: AsJson = False) -> None:
    """Cut a training dataset again, from its snapshot and by its definition, and see whether it is the same.

    The code that defined it is not needed. Files that were lost or damaged are put back when the content is the same. The exit
    code is 1 when it is not.
    """
    from fti_assets.feature_store.catalogue.deprecation import DeprecatedFeatureGroupWarning

    warnings.simplefilter("ignore", DeprecatedFeatureGroupWarning)  # what was read once is read again, not anew
    store = feature_store()
    _, stored = find(store, name)
    with console(stderr=True).status(f"Cutting {stored} again from snapshot {stored.snapshot}"):
        made = store.recreate(stored.dataset, stored.id)
    if as_json:
        told = {"dataset": str(stored), "same": made.same, "files": made.files, "folder": made.folder}
        comparison = asdict(made.comparison) if made.comparison else None
        show_json({**told, "stored_hash": stored.content_hash, "hash": made.manifest.content_hash, "comparison": comparison})
    else:
        say(str(stored), "bold")
        say(
            "It is the same: the content hashes are equal." if made.same else "It is NOT the same.", "green" if made.same else "red"
        )
        files = f"{_FILES[made.files]}{'; put back' if made.same and made.files != 'intact' else ''}"
        hashes = {"content hash": stored.content_hash, "of the new cut": None if made.same else made.manifest.content_hash}
        show_facts({**hashes, "snapshot": f"{stored.snapshot} of the lake", "stored files": files, "folder": made.folder})
        if made.comparison is not None:
            show_comparison(made.comparison, "stored", "cut again")
    if not made.same:
        raise typer.Exit(1)
