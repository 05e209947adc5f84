"""Commands by which a person decides about a study, or about what a host left."""

import json
from pathlib import Path
from threading import Event
from typing import Annotated

import typer
from rich.console import Console

from daemon import service
from daemon.cli.app import DEFAULT_CONFIG, Config, app, ledger_of, model_of, place_of
from daemon.clock import utc_now
from daemon.errors import Rejected
from daemon.ledger.jobs.decisions import Decisions, Done
from daemon.ledger.jobs.readings import stored_readings
from daemon.ledger.ledger import open_ledger
from daemon.operate import adopt as adoption
from daemon.operate import redecide as trials
from daemon.operate import withdraw as withdrawals
from daemon.results.document.withdrawal import Why
from daemon.settings import Settings, load

_STUDY_HELP = "As `wristd studies` shows it, or its UID."
_THRESHOLD_HELP = (
    "FINDING=LOW,HIGH, or 'settings': decide stored scores anew at these operating points and "
    "show what would change. Nothing is read, written or sent."
)
Study = Annotated[str, typer.Argument(help=_STUDY_HELP)]
Stat = Annotated[bool, typer.Option("--stat", help="Before all others.")]


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
    model: Annotated[str, typer.Option(help="On trial: whose scores; the first one's.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="A trial for machines.")] = False,
) -> None:
    """Read a study again with the present model packages and settings; or try operating points."""
    settings = load(config)
    if threshold:
        tried = model_of(settings, model)
        package = service.open_package(tried, config)
        points = trials.points_of(threshold, package.manifest.findings)
        ledger = ledger_of(settings, config)
        study_id = _find(Decisions(ledger), study) if study else None
        readings = stored_readings(ledger, study_id)
        its_own = [one for one in readings if one.model_name == tried.name]
        _show(trials.redecide(its_own, points), as_json)
        return
    if not study:
        raise Rejected("name the study that is to be read again, or try a --threshold")
    decisions, study_id = _study(study, settings, config)
    recipes = service.recipes_of(settings, service.open_models(settings, config))
    _say(decisions.replay(study_id, recipes, utc_now(), urgent=stat))


@app.command()
def withdraw(
    study: Study,
    reason: Annotated[Why, typer.Option(help="Why, as the archive will be told.")],
    config: Config = DEFAULT_CONFIG,
) -> None:
    """Withdraw a study's results: every destination gets a rejection note (IHE IOCM)."""
    settings = load(config)
    place = place_of(settings, config)
    ledger = open_ledger(place, settings.ledger)
    study_id = _find(Decisions(ledger), study)
    names = settings.destination_names()
    number = settings.report.first_series_number
    done = withdrawals.withdraw(ledger, place.outbox, names, (study_id, reason), utc_now(), number)
    print(f"{done.objects} objects withdrawn, {done.unsent} deliveries not made any more")


@app.command()
def adopt(
    place: Annotated[str, typer.Argument(help="The place, as `wristd status` shows it.")],
    folder: Annotated[Path, typer.Option(help="Where its state folder is mounted here.")],
    config: Config = DEFAULT_CONFIG,
) -> None:
    """Take over what a host held that is gone; repeat it until it ends without an error."""
    settings = load(config)
    ours = place_of(settings, config)
    ledger = open_ledger(ours, settings.ledger)
    done = adoption.adopt(ledger, ours, (place, folder), utc_now, Event().wait)
    print(f"{done.studies} studies, {done.files} files adopted, {done.missing} files missing")


def _study(study: str, settings: Settings, config: Path) -> tuple[Decisions, int]:
    decisions = Decisions(ledger_of(settings, config))
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


def _show(trial: trials.Redecisions, as_json: bool) -> None:
    if as_json:
        print(json.dumps(trial.summed_up()))
        return
    Console().print(*trial.tables(), sep="\n")
    print(trial.in_words())
