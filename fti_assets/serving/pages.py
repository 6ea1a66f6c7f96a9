"""The pages for people: `/`, where one asks by hand, and `/docs`. Neither loads anything from elsewhere."""

from __future__ import annotations

import base64
import hashlib
import re
from functools import cache
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, Response

_ASSETS = {"swagger-ui-bundle.js": "text/javascript", "swagger-ui.css": "text/css"}
_DOCS = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{system}: predictions</title><link rel="stylesheet" href="docs/swagger-ui.css"></head>
<body><div id="swagger-ui"></div><script src="docs/swagger-ui-bundle.js"></script><script src="docs/start.js"></script></body>
</html>
"""
_NO_DOCS = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{system}: predictions</title></head>
<body><p>The description is at <a href="openapi.json">openapi.json</a>. With the package <code>fastapi-offline</code> it is
shown here.</p></body></html>
"""
_START = 'SwaggerUIBundle({url: "openapi.json", dom_id: "#swagger-ui", validatorUrl: null, tryItOutEnabled: true});\n'
_POLICY = "default-src 'none'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
_DOCS_POLICY = f"{_POLICY}script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:"


async def index(_: Request) -> Response:
    """The page on which one picks an entity, and sees prediction, features and reasons."""
    text, policy = _page()
    return HTMLResponse(text, headers={"content-security-policy": policy, "cache-control": "no-cache"})


@cache
def _page() -> tuple[str, str]:
    """The page, and what it may do: run the one script and the one style in it, and ask this server."""
    text = files("fti_assets.serving").joinpath("index.html").read_text(encoding="utf-8")
    script, style = (_hash_of(text, tag) for tag in ("script", "style"))
    return text, f"{_POLICY}script-src '{script}'; style-src '{style}'; img-src data:"


def _hash_of(text: str, tag: str) -> str:
    found = re.search(f"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
    assert found is not None
    return f"sha256-{base64.b64encode(hashlib.sha256(found[1].encode()).digest()).decode()}"


def docs(system: str) -> str:
    """The page that shows the description."""
    return (_DOCS if _assets() else _NO_DOCS).format(system=system)


async def docs_page(request: Request) -> Response:
    return HTMLResponse(docs(request.app.state.running.system.name), headers={"content-security-policy": _DOCS_POLICY})


async def docs_asset(request: Request) -> Response:
    """A file that the page of the description needs."""
    name, folder = request.path_params["name"], _assets()
    if name == "start.js":
        return Response(_START, media_type="text/javascript")
    if name not in _ASSETS or folder is None:
        return Response("There is no such file.", status_code=404, media_type="text/plain")
    return FileResponse(folder / name, media_type=_ASSETS[name], headers={"cache-control": "max-age=3600"})


def _assets() -> Path | None:
    """Where Swagger UI lies; the package is not imported."""
    spec = find_spec("fastapi_offline")
    folders = list(spec.submodule_search_locations or ()) if spec else []
    return Path(folders[0]) / "static" if folders else None
