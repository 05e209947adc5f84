"""A checkpoint -> a package: trace, convert, try, describe, write."""

import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from export.card import fill_card, read_template
from export.convert import settle
from export.graph import write_graph, write_plain_graph
from export.manifest import describe, describe_localiser, findings_of
from export.model_card import describe_model
from export.options import Options, OptionsError
from export.parity import insist, of_graph, of_network, of_oracle
from export.pictures import drawn, tied
from export.steps import SILENT, Steps
from export.token_ranks import Follower, ranks_tokens
from export.trial import Trial
from model.checkpoint import Checkpoint
from model.gradcam import GradCam, own_layer
from model.landmarks import LandmarkManifest
from model.networks.classifier import Classifier
from model.networks.hourglass import Localiser
from model.networks.pim import Pim
from model.package import GRAPH_FILE, Manifest, write_package
from model.verified import Description, ParityReport, write_verified

_MEGABYTE = 1e6
_FACTS = ("name", "version", "megabytes", "size")
_CAM_LAYER = "cam_layer"

_CardOf = Callable[[Description, Path], str]
"""Writes the card of a package, once its manifest and its graph are there."""


def export_checkpoint(
    stored: Checkpoint, out: Path, template: Path | None, options: Options, steps: Steps = SILENT
) -> str:
    """Write the package of a checkpoint into `out`; return a line that says what was written.

    Parameters
    ----------
    stored : Checkpoint
    out : Path
    template : Path or None
        Of the card (`export.card`); None: `export.model_card` writes it.
    options : Options
    steps : Steps
        Hears of each step.

    Raises
    ------
    CardError
        The template asks for something that is not known.
    ParityError
        The graph differs from PyTorch; `out` is as it was.
    ValueError
        No package can be made of the checkpoint.
    """
    if stored.pixels.get("name", "letterbox") != "letterbox":
        raise OptionsError(f"pixels {stored.pixels['name']!r}: the daemon has only letterbox")
    network = stored.build()
    card_of = _card_of(stored, network, template)
    with tempfile.TemporaryDirectory() as folder:
        graph = Path(folder) / GRAPH_FILE
        if isinstance(network, Localiser):
            localiser = _localiser(stored, network, graph, options, steps)
            steps.say(f"writing {out}")
            digest = write_verified(out, graph, localiser, card_of(localiser, graph))
        else:
            manifest = _classifier(stored, network, graph, options, steps)
            steps.say(f"writing {out}")
            digest = write_package(out, graph, manifest, card_of(manifest, graph)).digest
        size = _megabytes(graph)
    return f"{out}: {size} MB, manifest sha256 {digest}"


def _card_of(
    stored: Checkpoint, network: Pim | Classifier | Localiser, template: Path | None
) -> _CardOf:
    """Choose who writes the card; a template is looked through before anything that takes long."""
    if template is None:
        return lambda manifest, graph: describe_model(stored, network, manifest, _megabytes(graph))
    facts = _FACTS if isinstance(network, Localiser) else (*_FACTS, _CAM_LAYER)
    read = read_template(template, stored, facts)
    return lambda manifest, graph: fill_card(read, stored, _facts(manifest, graph))


def _classifier(
    stored: Checkpoint, network: Pim | Classifier, graph: Path, options: Options, steps: Steps
) -> Manifest:
    if network.config.activation == "softmax" and len(network.config.classes) == 1:
        raise ValueError("one class with softmax scores 1 on every film; it needs sigmoid")
    films = options.read()  # before anything that takes long
    findings = findings_of(tuple(stored.network["classes"]), stored.decision)
    layers = options.layers or (_default_layer(stored, network),)
    asked = [finding.class_index for finding in findings] if options.every_finding else []
    cam = GradCam(network, layers, options.method, asked)
    steps.say("tracing the network and its gradient")
    write_graph(cam, cam.size, graph, options.batch, external=options.external_data)
    reference, oracle = of_network(cam), of_oracle(cam)
    if ranks_tokens(network) and options.precision == "fp32":
        follower = Follower.of(network, graph, options.batch)
        led = GradCam(follower, layers, options.method, asked)
        reference, oracle = follower.lead(of_network(led)), follower.lead(of_oracle(led))
    trial = Trial(
        reference=reference,
        oracle=oracle if options.precision == "fp32" else None,
        against=f"PyTorch {torch.__version__}",
        profile=stored.profile(),
        classes=len(network.config.classes),
        activation=network.config.activation,
        findings=findings,
        precision=options.precision,
        steps=steps,
    )
    found = settle(graph, trial, options, films)
    own = of_network(cam) if options.precision == "fp32" else of_graph(graph, options.batch)
    return describe(stored, cam, graph, found, own, options)


def _localiser(
    stored: Checkpoint, network: Localiser, graph: Path, options: Options, steps: Steps
) -> LandmarkManifest:
    if options.layers or options.every_finding or options.precision != "fp32":
        raise OptionsError("a localiser has no maps, and is exported in fp32")
    size = network.config.size
    steps.say("tracing the network")
    write_plain_graph(network, size, graph, "landmarks", options.batch)
    pictures = [*drawn(stored.profile()), tied(stored.profile())]
    count, reference = sum(len(image) for image in pictures), f"PyTorch {torch.__version__}"
    line = f"comparing {count} drawn and adversarial pictures with {reference}"
    run = steps.counted(of_graph(graph, options.batch), line, count)
    worst = 0.0
    for image in pictures:
        with torch.no_grad():
            theirs = network(torch.from_numpy(image)).numpy()
        ours = run(image, np.zeros(len(image), np.int64))["landmarks"]
        worst = float(np.maximum(worst, np.abs(ours - theirs).max()))
    found = {"landmarks": worst}
    insist(found, "fp32", reference)
    report = ParityReport(reference=reference, pictures=count)
    return describe_localiser(stored, network, graph, (found, report), options)


def _default_layer(stored: Checkpoint, network: Pim | Classifier) -> str:
    """Return the recipe's layer; a recipe that names a pyramid's means no other network."""
    named: str = stored.recipe["package"].get("cam_layer", "")
    if named.startswith("level") and not (isinstance(network, Pim) and _has_levels(network)):
        named = ""
    return named or own_layer(network)


def _has_levels(network: Pim) -> bool:
    """Return whether the answer passes through more than the last level."""
    return network.config.head != "pooled"


def _facts(manifest: Description, graph: Path) -> dict[str, str]:
    size = str(manifest.pixels.size)
    values = (manifest.name, manifest.version, _megabytes(graph), size)
    maps = {_CAM_LAYER: manifest.cam_layer} if isinstance(manifest, Manifest) else {}
    return dict(zip(_FACTS, values, strict=True)) | maps


def _megabytes(graph: Path) -> str:
    """Return the size of the graph with its weights, wherever they lie, in MB."""
    files = [graph, *graph.parent.glob(f"{graph.name}.*")]
    return f"{sum(file.stat().st_size for file in files) / _MEGABYTE:.1f}"
