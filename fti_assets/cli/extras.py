"""What to install where a command needs a package that is not there."""

from __future__ import annotations

import re

from fti_assets.errors import FtiError

_DISTRIBUTION = "fti-assets"
_OTHERWISE_NAMED = {"sklearn": "scikit-learn"}
_REQUIREMENT = re.compile(r"^([A-Za-z0-9._-]+).*extra == ['\"]([a-z0-9]+)['\"]")


def missing_extra(error: ModuleNotFoundError) -> FtiError | None:
    """The error in words, where the module belongs to an optional part of this package; else None."""
    module = (error.name or "").partition(".")[0]
    package = _OTHERWISE_NAMED.get(module, module.replace("_", "-"))
    extras = sorted({extra for name, extra in _optional() if name == package != _DISTRIBUTION and extra != "dev"})
    if not extras:
        return None
    return FtiError(
        f"This needs the package '{package}', which is not installed.",
        next_step=" or ".join(f"pip install '{_DISTRIBUTION}[{extra}]'" for extra in extras),
    )


def _optional() -> list[tuple[str, str]]:
    """Each package that only some parts need, with the name of the part."""
    from importlib.metadata import PackageNotFoundError, requires  # takes longer than all of this module's work

    try:
        written = requires(_DISTRIBUTION) or []
    except PackageNotFoundError:
        return []
    return [found.groups() for one in written if (found := _REQUIREMENT.match(one))]  # type: ignore[misc]
