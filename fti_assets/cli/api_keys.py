"""`fti api-key`: keys for those who send events or ask for predictions."""

from __future__ import annotations

from typing import Annotated

import typer

from fti_assets.cli.terminal import say

EXAMPLES = """
[bold]Examples:[/bold]

fti api-key sensors                        [dim]# a key, and the line to be kept of it[/dim]

fti api-key sensors >> keys.txt            [dim]# the key is shown, the line goes into the file[/dim]

[dim]FTI_API_KEYS_FILE=keys.txt names the file to `fti stream` and `fti serve`. A key cannot be read from it.[/dim]
"""


def api_key(name: Annotated[str, typer.Argument(help="Whose key it is: lower-case letters, digits and underscores.")]) -> None:
    """Make a key. It is shown once, on standard error; what is to be kept of it is its hash, on standard output."""
    from fti_assets.api_keys import new_key

    key, line = new_key(name)
    say(f"The key of {name}, sent as 'Authorization: Bearer KEY', is shown only now:", stderr=True)
    say(key, "bold", stderr=True)
    say(line)
