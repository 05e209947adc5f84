"""What all commands share: the application, the settings file, ledger and folders behind it."""

from pathlib import Path
from typing import Annotated

import typer

from daemon.errors import Rejected
from daemon.ledger.ledger import Ledger, open_existing
from daemon.settings import Model, Place, Settings, resolve

app = typer.Typer(
    help="wristd: receives radiographs, reads them, reports back as DICOM SR and SC.",
    no_args_is_help=False,
    add_completion=False,
    pretty_exceptions_enable=False,
)
Config = Annotated[Path, typer.Option("--config", "-c", help="The settings file.")]
DEFAULT_CONFIG = Path("settings.toml")


def place_of(settings: Settings, config: Path) -> Place:
    """Return where the state lives."""
    return Place(root=resolve(config, settings.node.state_dir))


def model_of(settings: Settings, name: str) -> Model:
    """Return the model of this name; the first one where none is named.

    Raises
    ------
    Rejected
        There is no such model.
    """
    found = next((one for one in settings.models if name in ("", one.name)), None)
    if found is None:
        names = ", ".join(one.name for one in settings.models)
        raise Rejected(f"--model: the settings know no such model, but {names}")
    return found


def ledger_of(settings: Settings, config: Path) -> Ledger:
    """Open the ledger that the daemon has made.

    Raises
    ------
    Misconfigured
        There is none, or it cannot be opened.
    """
    return open_existing(place_of(settings, config), settings.ledger)
