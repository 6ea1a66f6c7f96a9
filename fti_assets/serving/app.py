"""The server as an ASGI application."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from fti_assets import stores as places
from fti_assets.api_keys import ApiKeys
from fti_assets.serving import inference_protocol as protocol
from fti_assets.serving import pages
from fti_assets.serving.errors import RequestError, close_to
from fti_assets.serving.http import Receive, Scope, Send
from fti_assets.serving.information import model_information
from fti_assets.serving.metrics import CONTENT_TYPE
from fti_assets.serving.openapi import description
from fti_assets.serving.prediction_route import PredictionRoute, check_key
from fti_assets.serving.responses import answered, json_response, refused
from fti_assets.serving.running import RunningServer, Stores
from fti_assets.serving.settings import Settings
from fti_assets.serving.system import ServedSystem

if TYPE_CHECKING:
    from fti_assets.online_store import OnlineStore

Handler = Callable[[Request], Awaitable[Response]]


class Application(Starlette):
    """Starlette, past which requests for predictions go straight to their route: its middlewares take as long as a prediction.

    Attributes:
        direct: the routes for predictions, by path.
    """

    direct: dict[str, PredictionRoute]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] == "POST":
            route = self.direct.get(scope["path"])
            if route is not None:
                await route(scope, receive, send)
                return
        await super().__call__(scope, receive, send)


def create_app(
    system: ServedSystem,
    settings: Settings | None = None,
    *,
    online: OnlineStore | None = None,
    registry: str | None = None,
    keys: ApiKeys | None = None,
) -> Application:
    """The server of a system.

    Args:
        system: with its models, as `ServedSystem.of(contracts)`.
        settings: how it serves.
        online: the online store; the one of the environment unless given.
        registry: address of the model registry; the one of the environment unless given.
        keys: who may ask for predictions; everybody unless given.

    Raises:
        DefinitionError: a model's view reads a feature group that is not online.
    """
    stores = Stores(
        online=online or places.online_store(),
        registry=registry or places.tracking_uri(),
        copies=places.data_root() / "serving",
        log=places.inference_log_folder(),
    )
    running = RunningServer(system, stores, settings or Settings(), keys)
    direct = _prediction_routes(running)
    app = Application(
        routes=[*(Route(path, route, methods=["POST"]) for path, route in direct.items()), *_routes(running)],
        exception_handlers={HTTPException: _not_there(running)},  # type: ignore[dict-item]
        lifespan=_lifespan(running),
    )
    app.direct, app.state.running = direct, running
    return app


def _lifespan(running: RunningServer) -> Callable[[Starlette], Any]:
    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        running.start()
        yield
        await running.stop()

    return lifespan


def _prediction_routes(running: RunningServer) -> dict[str, PredictionRoute]:
    made: dict[str, PredictionRoute] = {}
    for name, serving in running.servings.items():
        made[f"/predict/{name}"] = PredictionRoute(serving, running.house)
        made[f"/v2/models/{name}/infer"] = protocol.InferenceRoute(serving, running.house)
    return made


def _routes(running: RunningServer) -> list[Route]:
    said = description(
        running.system.name,
        list(running.served.values()),
        {name: list(one.reader.row_reader.columns.values()) for name, one in running.servings.items()},
        running.settings.limits,
    )
    handlers: dict[str, Handler] = {
        "/": pages.index,
        "/docs": pages.docs_page,
        "/docs/{name}": pages.docs_asset,
        "/openapi.json": answered(lambda _: said),
        "/healthz": answered(lambda _: {"alive": True}),
        "/readyz": _ready(running),
        "/metrics": _metrics(running),
        "/models": answered(lambda _: {"models": [model_information(running, name) for name in running.servings]}),
        "/models/{model}": answered(lambda request: model_information(running, _model(running, request))),
        "/examples/{model}": _examples(running),
        "/v2": answered(lambda _: {"name": "fti_assets", "version": said["info"]["version"], "extensions": ["binary_tensor_data"]}),
        "/v2/health/live": answered(lambda _: {"live": True}),
        "/v2/health/ready": _ready(running),
        "/v2/models/{model}": answered(lambda request: protocol.metadata(running.servings[_model(running, request)])),
        "/v2/models/{model}/ready": _model_ready(running),
        "/v2/models/{model}/versions/{version}": answered(
            lambda request: protocol.metadata(running.servings[_model(running, request)])
        ),
        "/v2/models/{model}/versions/{version}/ready": _model_ready(running),
    }
    return [Route(path, handler, methods=["GET"]) for path, handler in handlers.items()]


def _model(running: RunningServer, request: Request) -> str:
    """The model that a path names; of a version that answers, if it names one.

    Raises:
        RequestError: 404.
    """
    name, version = request.path_params["model"], request.path_params.get("version")
    if name not in running.servings:
        raise RequestError(
            404,
            f"There is no model '{name[:100]}'.",
            where="path",
            expected=f"one of: {', '.join(running.servings)}",
            next_step=close_to(name, running.servings),
        )
    champion = running.served[name].answering.champion
    if version is not None and (champion is None or version != str(champion.version)):
        answers = f"version {champion.version}" if champion else "no version yet"
        raise RequestError(404, f"Version {version[:20]} of model '{name}' does not answer.", where="path", expected=answers)
    return str(name)


def _ready(running: RunningServer) -> Handler:
    async def ready(_: Request) -> Response:
        is_ready, said = await asyncio.to_thread(running.readiness)  # the online store may keep one waiting
        return json_response(said, 200 if is_ready else 503)

    return ready


def _model_ready(running: RunningServer) -> Handler:
    @refused
    async def ready(request: Request) -> Response:
        name = _model(running, request)
        is_ready = running.served[name].answering.champion is not None
        return json_response({"name": name, "ready": is_ready}, 200 if is_ready else 503)

    return ready


def _metrics(running: RunningServer) -> Handler:
    async def metrics(_: Request) -> Response:
        running.look()
        return Response(running.house.metrics.text(), headers={"content-type": CONTENT_TYPE})

    return metrics


def _examples(running: RunningServer) -> Handler:
    @refused
    async def examples(request: Request) -> Response:
        check_key(running.house.keys, request.scope)
        found, limit = running.examples[_model(running, request)], request.query_params.get("limit", "20")
        if not limit.isdecimal() or not 1 <= int(limit[:9]) <= 200:
            raise RequestError(422, f"The limit is '{limit[:40]}'.", where="query limit", expected="a number from 1 to 200")
        now = running.clock.now()
        rows = await asyncio.to_thread(found.newest, now, int(limit))
        return json_response({"clock": running.clock.as_data(), "examples": rows})

    return examples


def _not_there(running: RunningServer) -> Callable[[Request, HTTPException], Awaitable[Response]]:
    """Paths and methods that there are not, told like every other error."""

    async def handler(request: Request, error: HTTPException) -> Response:
        path = request.url.path
        if error.status_code == 405:
            allowed = ", ".join(sorted((error.headers or {}).get("Allow", "").split(", ")))
            made = RequestError(405, f"{request.method} is not answered at {path[:200]}.", where="method", expected=allowed)
            return json_response(made.as_data(), 405, {"allow": allowed})
        known = [f"/predict/{name}" for name in running.servings]
        made = RequestError(
            error.status_code,
            f"There is nothing at {path[:200]}.",
            where="path",
            expected=f"one of: {', '.join(known)}, /readyz, /metrics, /docs",
            next_step=close_to(path, known) or "GET /docs shows all.",
        )
        return json_response(made.as_data(), error.status_code)

    return handler
