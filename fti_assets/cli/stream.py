"""`fti stream`: events as they happen, into the online store at once and into the lake in small batches."""

from __future__ import annotations

import gc
import logging
import os
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from fti_assets.cli.stores import data_root, feature_store, lake_place
from fti_assets.cli.systems import online_groups, online_views, system_contracts
from fti_assets.cli.terminal import counted, say
from fti_assets.errors import NotFoundError
from fti_assets.stores import online_store

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from fti_assets.streaming import StreamedGroup
    from fti_assets.streaming.replay import EventSender, Sent
    from fti_assets.streaming.running import Settings, Stream
    from fti_assets.vocabulary import FeatureGroup

EXAMPLES = """
[bold]Examples:[/bold]

fti stream flights                                   [dim]# POST http://127.0.0.1:8090/events/GROUP, one JSON object a line[/dim]

fti stream flights --source redis://127.0.0.1:6379/0 [dim]# follows the streams fti:events:GROUP[/dim]

fti stream flights --replay 2013-12-31 --speed 600   [dim]# a day of history, ten minutes of it a second[/dim]

[dim]Beyond this machine it listens with API keys only: fti api-key NAME makes one.[/dim]
"""


def stream(
    system: Annotated[str, typer.Argument(help="A system, as flights, or a package of yours that has a module `contracts`.")],
    source: Annotated[str, typer.Option("--source", help="http, or redis://host:port/db.")] = "http",
    host: Annotated[str, typer.Option("--host", help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", "-p", min=0, max=65535, help="0 is any that is free.")] = 8090,
    land_every: Annotated[
        float, typer.Option("--land-every", min=0.1, metavar="SECONDS", help="Between two landings in the lake.")
    ] = 60.0,
    replayed: Annotated[
        str | None, typer.Option("--replay", metavar="DAY", help="Send the events that the lake has of this day.")
    ] = None,
    speed: Annotated[float, typer.Option("--speed", min=0.001, help="Of a replay: seconds of that day in a second.")] = 60.0,
) -> None:
    """Take events as they happen: readable in the online store at once, landed in the lake in small batches.

    A replay sends a day of history by HTTP: to a stream that listens already, else to one of its own, for which the windows are
    taken back to the beginning of that day.
    """
    from fti_assets.streaming.running import Settings

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    sys.setswitchinterval(0.001)  # a transaction is not to wait long for the thread that reads the next events
    settings = Settings(source=source, host=host, port=port, land_every=land_every)
    if replayed is None:
        made = _made(system, settings)
        gc.freeze()  # what is there now stays: to walk through it would hold up events for a tenth of a second
        made.run()
    else:
        _replay(system, settings, replayed, speed)


def _made(system: str, settings: Settings, until: datetime | None = None) -> Stream:
    """A stream of the groups of a system, with its windows ready: with the events of before, or with those until a time."""
    from fti_assets.streaming.running import Stream, prepare

    groups, online = _groups(system), online_store()
    made = Stream(online, feature_store, groups, data_root() / "refused_events", settings)
    prepare(online, feature_store, online_views(system_contracts(system)), until=until)
    say(f"Events of {', '.join(group.name for group in groups)}, into {online} and the lake in {lake_place()}.")
    say(f"http://{settings.host}:{settings.port}: POST /events/GROUP, GET /healthz, GET /metrics")
    return made


def _groups(system: str) -> list[StreamedGroup]:
    from fti_assets.streaming import streamed_groups

    contracts = system_contracts(system)
    return streamed_groups(online_groups(contracts), online_views(contracts))


def _replay(system: str, settings: Settings, day: str, speed: float) -> None:
    """Sends the events of a day, to a stream of its own if none listens."""
    from fti_assets.streaming.replay import EventSender, events_of_day

    group = _replayed(system)
    assert group.cadence is not None  # a group with an event time has one
    window = group.cadence.window(day)
    events = events_of_day(feature_store(), group, window)
    sender = EventSender(settings.host, settings.port, os.environ.get("FTI_API_KEY"))
    if sender.is_there():
        _send(sender, group, events, speed)
        return
    made = _made(system, settings, until=window.start)
    with made.running():
        _send(EventSender(settings.host, made.port or settings.port, sender.key), group, events, speed)
        made.land()


def _replayed(system: str) -> FeatureGroup:
    """The group whose events are replayed: the first that is read through windows.

    Raises:
        NotFoundError: there is none.
    """
    windowed = [streamed.group for streamed in _groups(system) if streamed.is_windowed]
    if not windowed:
        raise NotFoundError(f"No view of system '{system}' reads a group through windows, so there are no events to replay.")
    return windowed[0]


def _send(sender: EventSender, group: FeatureGroup, events: Sequence[tuple[datetime, bytes]], speed: float) -> None:
    from fti_assets.streaming.replay import replay

    say(f"Replaying {counted(len(events), 'event')} of {group.versioned_name}, {speed:,.10g} times as fast as they happened.")
    hour, sent = None, None
    for sent in replay(events, lambda some: sender.send(group.versioned_name, some), speed=speed):
        if sent.until.hour != hour:
            hour = sent.until.hour
            say(f"  {sent.until:%Y-%m-%d %H:%M} UTC: {_counts(sent)}")
    say(f"Sent: {_counts(sent)}." if sent else "Nothing was sent.")


def _counts(sent: Sent) -> str:
    return f"{sent.accepted:,} accepted, {sent.repeated:,} repeated, {sent.refused:,} refused"
