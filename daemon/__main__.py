"""The command line: `wristd`, or `python -m daemon`."""

import dataclasses
import json
import logging
import os
import signal
import sys
import threading
from datetime import datetime
from pathlib import Path
from threading import Event
from types import FrameType
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress

from daemon import logs, service
from daemon.clock import utc_now
from daemon.ending import Ending
from daemon.errors import EXIT_MISCONFIGURED, Misconfigured, Rejected, Unavailable
from daemon.identity import VERSION
from daemon.ledger.decisions import Decisions, Done
from daemon.ledger.ledger import Ledger
from daemon.ledger.overview import study_states
from daemon.ledger.readings import stored_readings
from daemon.operate import bench as benches
from daemon.operate import redecide as trials
from daemon.operate import withdraw as withdrawals
from daemon.operate.listing import studies_table
from daemon.operate.status import status_of
from daemon.pull import night
from daemon.pull.criteria import Criteria
from daemon.results.withdrawal import Why
from daemon.settings import Place, Settings, load, resolve

logger = logging.getLogger("daemon")
app = typer.Typer(
    help="wristd: receives wrist radiographs, reads them, reports back as DICOM SR and SC.",
    no_args_is_help=False,
    add_completion=False,
    pretty_exceptions_enable=False,
)
Config = Annotated[Path, typer.Option("--config", "-c", help="The settings file.")]
_STUDY_HELP = "As `wristd studies` shows it, or its UID."
_THRESHOLD_HELP = (
    "FINDING=LOW,HIGH, or 'settings': decide stored scores anew at these operating points and "
    "show what would change. Nothing is read, written or sent."
)
Study = Annotated[str, typer.Argument(help=_STUDY_HELP)]
Stat = Annotated[bool, typer.Option("--stat", help="Before all others.")]
DEFAULT_CONFIG = Path("settings.toml")


@app.callback(invoke_without_command=True)
def _default(context: typer.Context, config: Config = DEFAULT_CONFIG) -> None:
    """Without a command: run the daemon in the foreground."""
    if context.invoked_subcommand is None:
        run(config)


@app.command()
def run(config: Config = DEFAULT_CONFIG) -> None:
    """Run the daemon in the foreground until SIGTERM or SIGINT."""
    settings = load(config)
    logs.configure(settings.log.level, settings.log.style)
    ending = Ending()

    def ask_to_stop(number: int, _frame: FrameType | None) -> None:
        if ending.has_come:
            sys.exit(128 + number)
        ending.ask()

    signal.signal(signal.SIGTERM, ask_to_stop)
    signal.signal(signal.SIGINT, ask_to_stop)
    with service.build(settings, config, ending=ending).running() as port:
        logger.info("ready: %s listens on port %d", settings.node.ae_title, port)
        ending.wait()
        logger.info("stopping")
    logger.info("stopped")
    _leave(ending.exit_code)


@app.command()
def check(config: Config = DEFAULT_CONFIG) -> None:
    """Check settings and model package, and say what is wrong."""
    settings = load(config)
    package = service.open_package(settings, config)
    print(f"{config}: good")
    print(f"model package: {package.manifest.name} {package.manifest.version}, verified")


@app.command()
def studies(
    config: Config = DEFAULT_CONFIG,
    limit: Annotated[int, typer.Option(help="How many, newest first.")] = 50,
    as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
) -> None:
    """List studies with their outcome and where their results are."""
    ledger = _ledger(load(config), config)
    states = study_states(ledger, limit)
    if as_json:
        print(json.dumps([dataclasses.asdict(state) for state in states], default=str))
        return
    Console().print(studies_table(states))


@app.command()
def status(config: Config = DEFAULT_CONFIG) -> None:
    """Print as JSON what reads, what is degraded, the backlog and its age, and counters."""
    settings = load(config)
    state_dir = resolve(config, settings.node.state_dir)
    shown = status_of(settings, state_dir, _ledger(settings, config), utc_now())
    print(json.dumps(shown, indent=2))


@app.command()
def retry(study: Study, config: Config = DEFAULT_CONFIG, stat: Stat = False) -> None:
    """Try a study again now: a failed reading, a waiting one, results that were refused."""
    decisions, study_id = _study(study, load(config), config)
    _say(decisions.retry(study_id, utc_now(), urgent=stat))


@app.command()
def release(study: Study, config: Config = DEFAULT_CONFIG) -> None:
    """Let a held study go: it is read as it is, whoever its images say the patient is."""
    decisions, study_id = _study(study, load(config), config)
    decisions.release(study_id, utc_now())
    print("released: the study is read as it is")


@app.command()
def skip(study: Study, config: Config = DEFAULT_CONFIG) -> None:
    """Leave a study: what is not read stays unread, what is not sent is not sent."""
    decisions, study_id = _study(study, load(config), config)
    _say(decisions.skip(study_id, utc_now()))


@app.command()
def replay(
    study: Annotated[str, typer.Argument(help=f"{_STUDY_HELP} Left out: all, on trial.")] = "",
    config: Config = DEFAULT_CONFIG,
    stat: Stat = False,
    threshold: Annotated[list[str] | None, typer.Option(help=_THRESHOLD_HELP)] = None,
    as_json: Annotated[bool, typer.Option("--json", help="A trial for machines.")] = False,
) -> None:
    """Read a study again with the present model package and settings; or try operating points."""
    settings = load(config)
    package = service.open_package(settings, config)
    if threshold:
        points = trials.points_of(threshold, package.manifest.findings)
        ledger = _ledger(settings, config)
        study_id = _find(Decisions(ledger), study) if study else None
        _show(trials.redecide(stored_readings(ledger, study_id), points), as_json)
        return
    if not study:
        raise Rejected("name the study that is to be read again, or try a --threshold")
    decisions, study_id = _study(study, settings, config)
    recipe = service.recipe_digest(settings, package)
    _say(decisions.replay(study_id, recipe, utc_now(), urgent=stat))


@app.command()
def withdraw(
    study: Study,
    reason: Annotated[Why, typer.Option(help="Why, as the archive will be told.")],
    config: Config = DEFAULT_CONFIG,
) -> None:
    """Withdraw a study's results: every destination gets a rejection note (IHE IOCM)."""
    settings = load(config)
    ledger = _ledger(settings, config)
    outbox = Place(root=resolve(config, settings.node.state_dir)).outbox
    study_id = _find(Decisions(ledger), study)
    names = settings.destination_names()
    number = settings.report.first_series_number
    done = withdrawals.withdraw(ledger, outbox, names, (study_id, reason), utc_now(), number)
    print(f"{done.objects} objects withdrawn, {done.unsent} deliveries not made any more")


@app.command()
def fetch(  # noqa: PLR0913  # every option of a command is an argument
    source: Annotated[str, typer.Argument(help="Name of an archive in [pull].")],
    config: Config = DEFAULT_CONFIG,
    first: Annotated[datetime | None, typer.Option("--from", help="First day.")] = None,
    last: Annotated[datetime | None, typer.Option("--to", help="Last day.")] = None,
    modality: Annotated[list[str] | None, typer.Option(help="Instead of the settings'.")] = None,
    body_part: Annotated[list[str] | None, typer.Option(help="Instead of the settings'.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Ask for nothing new.")] = False,
) -> None:
    """Fetch studies from an archive as a batch; what an earlier batch left is fetched too."""
    settings = load(config)
    logs.configure(settings.log.level, settings.log.style)
    usual = night.criteria_for(settings.pull, utc_now())
    wanted = Criteria(
        first=first.date() if first else usual.first,
        last=last.date() if last else usual.last,
        modalities=tuple(map(str.upper, modality or usual.modalities)),
        body_parts=tuple(map(str.upper, body_part or usual.body_parts)),
    )
    with service.fetching(settings, config, source) as fetcher:
        if not resume:
            print(f"{fetcher.query(wanted)} studies noted")
        with Progress(console=Console(stderr=True)) as bar:
            task = bar.add_task(source, total=fetcher.pulls.counts(source).get("found", 0))
            interval_s = 3600.0 / settings.pull.studies_per_hour
            fetcher.batch(interval_s, Event().wait, lambda: bar.advance(task))
        print(json.dumps(fetcher.pulls.counts(source)))


@app.command()
def bench(
    config: Config = DEFAULT_CONFIG,
    quick: Annotated[bool, typer.Option("--quick", help="Fewer batches, fewer calls.")] = False,
    plot: Annotated[Path | None, typer.Option(help="Draw the curves into this PNG.")] = None,
) -> None:
    """Measure the model package on this machine: images a second, latency, memory, load time."""
    settings = load(config)
    measured = benches.bench(service.open_package(settings, config), settings.reading, quick=quick)
    Console().print(measured.table())
    if plot is not None:
        measured.plot(plot)


@app.command()
def version() -> None:
    """Print the version."""
    print(VERSION)


def _leave(code: int) -> None:
    """End now, though a library's thread may still wait for a peer that says nothing."""
    left = [one for one in threading.enumerate() if one.is_alive() and not one.daemon]
    if left != [threading.main_thread()]:
        logging.shutdown()
        sys.stdout.flush()
        os._exit(code)
    if code:
        sys.exit(code)


def _study(study: str, settings: Settings, config: Path) -> tuple[Decisions, int]:
    decisions = Decisions(_ledger(settings, config))
    return decisions, _find(decisions, study)


def _find(decisions: Decisions, study: str) -> int:
    study_id = decisions.find(study)
    if study_id is None:
        raise Rejected("no such study in the ledger; see `wristd studies`")
    return study_id


def _say(done: Done) -> None:
    if not done.jobs and not done.deliveries:
        raise Rejected("nothing to do: see `wristd studies` for what this study waits for")
    print(f"{done.jobs} jobs, {done.deliveries} deliveries")


def _show(trial: trials.Trial, as_json: bool) -> None:
    if as_json:
        print(json.dumps(trial.summed_up()))
        return
    for table in trial.tables():
        Console().print(table)
    total = len(trial.decisions)
    print(f"{len(trial.changed())} of {total} studies would change; nothing was written or sent.")
    print(f"{trial.reproduced} of {total} stored outcomes follow from their scores and points.")


def _ledger(settings: Settings, config: Path) -> Ledger:
    place = Place(root=resolve(config, settings.node.state_dir))
    if settings.ledger.url:
        return Ledger(settings.ledger.url)
    if not place.ledger.exists():
        raise Misconfigured(f"{place.ledger} does not exist: the daemon has not run here yet")
    return Ledger(place.ledger)


def main() -> None:
    """Run the command line; what the operator must mend ends with exit code 78."""
    try:
        app()
    except Misconfigured as error:
        print(error, file=sys.stderr)
        sys.exit(EXIT_MISCONFIGURED)
    except (Rejected, Unavailable) as error:
        print(error, file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
