"""Commands that bring studies here."""

import json
from datetime import datetime
from typing import Annotated

import typer

from daemon import logs, service
from daemon.cli.app import DEFAULT_CONFIG, Config, app
from daemon.clock import utc_now
from daemon.operate import batch
from daemon.pull.night import criteria_for
from daemon.settings import load


@app.command()
def fetch(  # noqa: PLR0913  # every option of a command is an argument
    source: Annotated[str, typer.Argument(help="Name of an archive in [[sources]].")],
    config: Config = DEFAULT_CONFIG,
    first: Annotated[datetime | None, typer.Option("--from", help="First day.")] = None,
    last: Annotated[datetime | None, typer.Option("--to", help="Last day.")] = None,
    modality: Annotated[list[str] | None, typer.Option(help="Instead of the settings'.")] = None,
    body_part: Annotated[list[str] | None, typer.Option(help="Instead of the settings'.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Ask for nothing new.")] = False,
    now: Annotated[bool, typer.Option("--now", help="As fast as the archive gives.")] = False,
) -> None:
    """Fetch studies from an archive as a batch; what an earlier batch left is fetched too."""
    settings = load(config)
    logs.configure(settings.log.level, settings.log.style)
    wanted = criteria_for(settings.pull, utc_now()).changed(first, last, modality, body_part)
    interval_s = 0.0 if now else settings.pull.interval_s
    with service.fetching(settings, config, source) as fetcher:
        if not resume:
            print(f"{fetcher.query(wanted)} studies noted")
        batch.fetch_all(fetcher, wanted, interval_s)
        print(json.dumps(fetcher.pulls.counts(source)))
