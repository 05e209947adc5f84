"""Every key of a recipe with meaning and default, for ``--help-recipe``."""

from collections.abc import Iterator

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from model.networks.classifier import ClassifierConfig
from model.networks.hourglass import HourglassConfig
from model.networks.pim import PimConfig
from model.networks.registry import CLASSIFIERS
from training.recipe import Recipe
from training.recipe.sections import GateSection

_CONFIGURATIONS: dict[str, type[BaseModel]] = {
    "pim": PimConfig,
    ", ".join(CLASSIFIERS): ClassifierConfig,
    "hourglass": HourglassConfig,
}
_SET_BY_TASK = {"kind", "classes", "activation", "size"}


def recipe_help() -> str:
    """Return one line for each key: name, default, meaning; at the end the networks' own."""
    lines = ["extends  another recipe, relative to this one", *_lines(Recipe)]
    for name, configuration in _CONFIGURATIONS.items():
        lines += ["", f"network: keys of kind {name}"]
        lines += [
            _line(f"network.{key}", field)
            for key, field in configuration.model_fields.items()
            if key not in _SET_BY_TASK
        ]
    return "\n".join(lines)


def _lines(section: type[BaseModel], before: str = "") -> Iterator[str]:
    for key, field in section.model_fields.items():
        inner = GateSection if key == "gate" else field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            first = (inner.__doc__ or "").strip().splitlines()[0]
            yield f"\n{before}{key}: {first}"
            yield from _lines(inner, f"{before}{key}.")
        else:
            yield _line(f"{before}{key}", field)


def _line(key: str, field: FieldInfo) -> str:
    default = "required" if field.is_required() else repr(field.default)
    return f"{key:32} {default:24} {field.description or ''}".rstrip()
