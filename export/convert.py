"""Other precisions, settled by the gate; and a finished package in another precision.

For int8 there are two ways (`export.precision`); the first that passes is taken.
"""

import tempfile
from dataclasses import replace
from pathlib import Path

from export.manifest import golden_answer, rounded
from export.options import FilmSets, Options, OptionsError
from export.parity import ParityError, of_graph
from export.precision import to_fp16, to_int8_dynamic, to_int8_static
from export.steps import SILENT, Steps
from export.trial import Found, Trial, batches
from model.package import GRAPH_FILE, Manifest, hash_file, load_package, write_package


def settle(graph: Path, trial: Trial, options: Options, films: FilmSets) -> Found:
    """Bring an fp32 graph to the wanted precision, in its place, and try it.

    Raises
    ------
    ParityError
        No way to the precision passes the gate.
    """
    judged, calibration = films
    count = options.batch or 1
    calibration = calibration[: len(calibration) // count * count]  # whole batches only
    if options.precision == "fp32":
        return trial.judge(of_graph(graph, options.batch), judged)
    whole = graph.with_name("whole.onnx")
    graph.rename(whole)
    trial.steps.say(f"converting to {options.precision}")
    if options.precision == "fp16":
        to_fp16(whole, graph)
        return trial.judge(of_graph(graph, options.batch), judged)
    refused = []
    for convert in (to_int8_static, to_int8_dynamic):
        if not convert(whole, graph, batches(calibration, trial.profile, count)):
            continue
        try:
            return trial.judge(of_graph(graph, options.batch), judged)
        except ParityError as error:
            trial.steps.say(f"{convert.__name__} does not pass")
            refused.append(f"{convert.__name__}: {error}")
    raise ParityError(" / ".join(refused))


def export_package(source: Path, out: Path, options: Options, steps: Steps = SILENT) -> str:
    """Write an fp32 package in another precision, compared with itself; `steps` hears how.

    Raises
    ------
    OptionsError
        Something else than the precision is wanted to change.
    ParityError
        The converted graph answers otherwise; `out` is as it was.
    """
    package = load_package(source)
    manifest = package.manifest
    if (
        options.layers
        or options.every_finding
        or options.external_data
        or options.precision == "fp32"
    ):
        raise OptionsError(
            "of a package only the precision can be changed: --precision fp16 or int8"
        )
    if manifest.precision != "fp32":
        raise OptionsError(f"the package is {manifest.precision} already; convert the fp32 one")
    films = options.read()
    with tempfile.TemporaryDirectory() as folder:
        graph = Path(folder) / GRAPH_FILE
        graph.write_bytes(package.graph.read_bytes())
        trial = Trial(
            reference=of_graph(package.graph, manifest.batch),
            oracle=None,
            against=f"{manifest.name} {manifest.version}, fp32, manifest {package.digest[:12]}",
            profile=manifest.pixels,
            classes=len(manifest.classes),
            activation=manifest.activation,
            findings=manifest.findings,
            precision=options.precision,
            steps=steps,
        )
        found = settle(graph, trial, replace(options, batch=manifest.batch), films)
        changed = _converted(manifest, graph, found, options)
        card = (source / "CARD.md").read_text(encoding="utf-8")
        card += f"\nConverted to {options.precision}; operating points are those of fp32.\n"
        steps.say(f"writing {out}")
        written = write_package(out, graph, changed, card)
    return f"{out}: {options.precision}, manifest sha256 {written.digest}"


def _converted(manifest: Manifest, graph: Path, found: Found, options: Options) -> Manifest:
    gated = manifest.golden.gate is not None
    answer = of_graph(graph, manifest.batch)
    changes = {
        "precision": options.precision,
        "graph_sha256": hash_file(graph),
        "external_data": {},
        "parity": rounded(found[0]),
        "parity_report": found[1],
        "golden": golden_answer(answer, manifest.pixels.size, gated, options.precision),
    }
    return Manifest.model_validate(manifest.model_dump() | changes)
