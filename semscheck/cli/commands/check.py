"""`check`, `demo` and `replay`: a report made and delivered."""

from __future__ import annotations

import asyncio
from argparse import Namespace
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from semscheck.cli.leaving import ending
from semscheck.cli.output import streams
from semscheck.cli.output.delivery import Delivery
from semscheck.cli.output.progress import Progress
from semscheck.cli.targets import target_of
from semscheck.profile.settings import SETTINGS

if TYPE_CHECKING:
    from semscheck.model.events import Event
    from semscheck.model.report import Report
    from semscheck.model.target import Target

Make = Callable[..., Awaitable["Report"]]  # of `listener` and `cancel`
# Names and addresses that were given stand in the report's `target`; its `options` have the rest.
_NOT_OPTIONS = ("fqdn", "member", "balancer", "ca_file")


def check(options: Namespace) -> int:
    """`semscheck check`: one run. Raises CommandError."""
    target = target_of(options)
    with Delivery(options) as delivery:
        report = run(target, options, delivery, origin="live", asked=_asked(options))
        return delivery.deliver(report)


def demo(options: Namespace) -> int:
    """`semscheck demo`: a check of a lab scenario, with nothing to configure. Raises CommandError."""
    from semscheck.cli.commands.lab import playing

    if options.list:
        from semscheck.lab.console import list_scenarios

        list_scenarios()
        return 0
    with Delivery(options) as delivery, playing(options.scenario) as (lab, target):
        if not options.quiet:
            streams.say(
                f"This is a lab: {lab.world.name}, an embedded cluster on this machine. {lab.world.sentence}"
            )
        report = run(target, options, delivery, origin="lab", asked={"scenario": lab.world.name})
        return delivery.deliver(report)


def replay(options: Namespace) -> int:
    """`semscheck replay`: a saved report judged again. Raises CommandError."""
    from semscheck.cli.output.saved import read_report
    from semscheck.pipeline import replay as judge_again

    report = read_report(options.report, quiet=options.quiet)
    if options.tui:
        from semscheck.cli.commands.tui import open_report

        return open_report(judge_again(report), Path(options.report))
    with Delivery(options) as delivery:
        return delivery.deliver(judge_again(report))


def run(
    target: Target, options: Namespace, delivery: Delivery, *, origin: str, asked: Mapping[str, str]
) -> Report:
    """One run with progress and Ctrl-C. Raises CommandError for a target that cannot be used."""
    from semscheck import pipeline

    make = partial(pipeline.check, target, seed=options.seed, origin=origin, options=asked)
    return asyncio.run(followed(Progress(wanted=not options.quiet), delivery, make))


async def followed(progress: Progress, delivery: Delivery, make: Make) -> Report:
    """A run with its progress, its lines as they come, and Ctrl-C."""
    cancel = asyncio.Event()
    streaming = delivery.stream(cancel.set)

    def listen(event: Event) -> None:
        progress.event(event)
        if streaming is not None:
            streaming(event)

    def stop() -> None:
        cancel.set()
        progress.stopping()

    def tidy() -> None:
        progress.clear()
        delivery.discard()

    with ending(stop, tidy):
        drawing = asyncio.create_task(progress.keep_drawing())
        try:
            return await make(listener=listen, cancel=cancel)
        finally:
            drawing.cancel()
            progress.clear()


def _asked(options: Namespace) -> dict[str, str]:
    """What the command line asked for, as text, for the report; outputs are nobody's business."""
    asked = {}
    names = (setting.name for setting in SETTINGS if setting.flag)
    for name in (*names, "seed"):
        value = None if name in _NOT_OPTIONS else getattr(options, name)
        if value in (None, False, []):
            continue
        asked[name] = ",".join(value) if isinstance(value, list) else str(value).lower()
    if options.families:
        asked["families"] = ",".join(map(str, sorted(set(options.families))))
    return asked
