"""`python -m fti_assets.cli` is `fti`."""

from fti_assets.cli import main

main()
