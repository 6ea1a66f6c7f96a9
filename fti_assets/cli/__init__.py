"""`fti`, the command line: lands data, runs a system, and shows what is in the stores."""


def main() -> None:
    """The entry point of `fti`."""
    from fti_assets.cli.app import app

    app(prog_name="fti")
