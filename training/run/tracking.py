"""Where the figures of a run go while it runs: TensorBoard, and wandb or MLflow when asked."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol, Self

from training.recipe.parsing import RecipeError


class Tracker(Protocol):
    """Takes figures of one step."""

    def log(self, step: int, figures: dict[str, float]) -> None:
        """Record figures."""

    def close(self) -> None:
        """Write what is left."""


class TensorBoard:
    """Event files in ``out/tensorboard``."""

    def __init__(self, out: Path) -> None:
        _import("tensorboard")
        from torch.utils.tensorboard import SummaryWriter

        self._writer: Any = SummaryWriter(str(out / "tensorboard"))

    def log(self, step: int, figures: dict[str, float]) -> None:
        """Record figures."""
        for name, value in figures.items():
            self._writer.add_scalar(name, value, step)

    def close(self) -> None:
        """Write what is left."""
        self._writer.close()


class Wandb:
    """A run of Weights & Biases; its own variables (WANDB_MODE, ...) apply."""

    def __init__(self, out: Path, name: str, settings: dict[str, Any]) -> None:
        module: Any = _import("wandb")
        out.mkdir(parents=True, exist_ok=True)
        self._run = module.init(project=name, config=settings, dir=str(out))

    def log(self, step: int, figures: dict[str, float]) -> None:
        """Record figures."""
        self._run.log(figures, step=step)

    def close(self) -> None:
        """Write what is left."""
        self._run.finish()


class MLflow:
    """A run of MLflow; its own variables (MLFLOW_TRACKING_URI, ...) apply."""

    def __init__(self, name: str, settings: dict[str, Any]) -> None:
        self._module: Any = _import("mlflow")
        self._module.set_experiment(name)
        self._module.start_run()
        self._module.log_dict(settings, "recipe.json")

    def log(self, step: int, figures: dict[str, float]) -> None:
        """Record figures."""
        self._module.log_metrics(figures, step=step)

    def close(self) -> None:
        """Write what is left."""
        self._module.end_run()


class Trackers:
    """All trackers of a run as one context; closed in any case."""

    def __init__(
        self, kinds: Sequence[str], out: Path, name: str, settings: dict[str, Any]
    ) -> None:
        makers: dict[str, Callable[[], Tracker]] = {
            "tensorboard": lambda: TensorBoard(out),
            "wandb": lambda: Wandb(out, name, settings),
            "mlflow": lambda: MLflow(name, settings),
        }
        self._trackers = [makers[kind]() for kind in kinds]

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close every tracker."""
        with ExitStack() as stack:
            for tracker in self._trackers:
                stack.callback(tracker.close)

    def log(self, step: int, figures: dict[str, float]) -> None:
        """Record figures of one step everywhere."""
        for tracker in self._trackers:
            tracker.log(step, figures)


def _import(name: str) -> ModuleType:
    """Import an optional package.

    Raises
    ------
    RecipeError
        It is not installed.
    """
    from importlib import import_module

    try:
        return import_module(name)
    except ImportError as error:
        raise RecipeError(f"watch.track: {name} is not installed (pip install {name})") from error
