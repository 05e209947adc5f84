"""The daemon itself: `wristd`, `wristd run`."""

import logging
import os
import signal
import sys
import threading
from types import FrameType

import typer

from daemon import logs, service
from daemon.cli.app import DEFAULT_CONFIG, Config, app
from daemon.ending import Ending
from daemon.settings import load

logger = logging.getLogger("daemon")


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


def _leave(code: int) -> None:
    """End now, though a thread may still wait for something that does not answer."""
    if threading.active_count() > 1:
        logging.shutdown()
        sys.stdout.flush()
        os._exit(code)
    if code:
        sys.exit(code)
