"""Commands that look, and change nothing."""

import dataclasses
import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from daemon import service
from daemon.cli.app import DEFAULT_CONFIG, Config, app, ledger_of, model_of, place_of
from daemon.clock import utc_now
from daemon.errors import EXIT_MISCONFIGURED
from daemon.identity import VERSION
from daemon.ledger.overview import study_states
from daemon.operate import bench as benches
from daemon.operate import check as checks
from daemon.operate import listing
from daemon.operate.node_status import status_of
from daemon.settings import Model, load
from model.chain_package import AnyPackage


@app.command()
def check(
    config: Config = DEFAULT_CONFIG,
    peers: Annotated[bool, typer.Option("--peers", help="Ask every peer, too.")] = False,
) -> None:
    """Open what the daemon would open, and say what is wrong; exit code 78 if anything is."""
    settings = load(config)
    print(f"{config}: good")

    packages: dict[str, AnyPackage] = {}

    def name(model: Model) -> str:
        package = packages[model.name] = service.open_package(model, config)
        return f"{package.manifest.name} {package.manifest.version}"

    def room() -> str:
        return service.room_in_words(settings, packages)

    findings = list(checks.check_all(settings, config, name, room, peers=peers))
    print(*findings, sep="\n")
    if any(one.level is checks.Level.WRONG for one in findings):
        raise typer.Exit(EXIT_MISCONFIGURED)


@app.command()
def studies(
    config: Config = DEFAULT_CONFIG,
    limit: Annotated[int, typer.Option(help="How many, newest first.")] = 50,
    as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
) -> None:
    """List studies with their outcome and where their results are."""
    ledger = ledger_of(load(config), config)
    states = study_states(ledger, limit)
    if as_json:
        print(json.dumps([dataclasses.asdict(state) for state in states], default=str))
        return
    Console().print(listing.studies_table(states))


@app.command()
def status(config: Config = DEFAULT_CONFIG) -> None:
    """Print as JSON what reads, what is degraded, the backlog and its age, hosts, and counters."""
    settings = load(config)
    place, ledger = place_of(settings, config), ledger_of(settings, config)
    print(json.dumps(status_of(settings, place, ledger, utc_now()), indent=2))


@app.command()
def bench(
    config: Config = DEFAULT_CONFIG,
    model: Annotated[str, typer.Option(help="Its name in the settings; the first one.")] = "",
    quick: Annotated[bool, typer.Option("--quick", help="Fewer batches, fewer calls.")] = False,
    plot: Annotated[Path | None, typer.Option(help="Draw the curves into this PNG.")] = None,
) -> None:
    """Measure a model package on this machine: images a second, latency, memory, load time."""
    settings = load(config)
    package = service.open_package(model_of(settings, model), config)
    for stage, graph in package.graphs.items():
        measured = benches.bench(graph, settings.reading, quick=quick)
        Console().print(measured.table())
        if plot is not None:
            measured.plot(plot.with_stem(f"{plot.stem}-{stage}") if stage else plot)


@app.command()
def version() -> None:
    """Print the version."""
    print(VERSION)
