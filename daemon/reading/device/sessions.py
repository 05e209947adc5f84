"""Run a model package in ONNX Runtime, and know on which device.

The provider is asked for after the session exists, and the golden input is compared before the
session is used.
"""

import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, Generic, Protocol

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray
from typing_extensions import override

from daemon.errors import Misconfigured, Unavailable
from daemon.reading.device.binding import create as create_bound
from daemon.reading.device.outputs import (
    PREDICTED,
    Answers,
    LandmarkOutput,
    NetworkOutput,
    Output,
    Runs,
)
from daemon.reading.device.providers import (
    CPU,
    FAILURES,
    Choice,
    confirmed,
    device,
    translated,
    wanted,
)
from model.landmarks import LandmarkPackage
from model.package import ModelPackage, golden_input

logger = logging.getLogger(__name__)

Graph = ModelPackage | LandmarkPackage
"""One graph with its manifest."""

_CALLS_UNTIL_REPLAY = 4
"""A CUDA graph is captured in a thread's third call and replayed from the fourth on."""
_WITHOUT_GRAPH = "; set reading.cuda_graph to false to read without a captured CUDA graph"


class Runtime(Protocol):
    """The part of `onnxruntime.InferenceSession` that is used."""

    def run(self, names: Sequence[str], feed: dict[str, Any]) -> list[Any]:
        """Return the named outputs."""

    def get_providers(self) -> list[str]:
        """Return the providers it has, best first."""

    def get_inputs(self) -> list[Any]:
        """Describe the inputs."""

    def get_outputs(self) -> list[Any]:
        """Describe the outputs."""


class OnnxSession(ABC, Generic[Answers]):
    """A graph in ONNX Runtime.

    Parameters
    ----------
    package : ModelPackage or LandmarkPackage
    provider : "auto", "cuda", "tensorrt" or "cpu"
        "cuda" and "tensorrt" refuse to start without their device; "auto" takes the CPU where
        CUDA does not work, and says so.
    threads : int
        Threads inside one call; 0 takes one for each core.
    create : callable
        What makes a `Runtime` from the graph's path, options and providers; by default with IO
        binding on a GPU.
    graph_batch : int
        Images in each call of a captured CUDA graph, whose shapes never change; 0 captures none.

    Attributes
    ----------
    provider : str
        The execution provider that the session really has.
    device : str
        The same in words, and whether a CUDA graph is captured.
    fixed_batch : int or None
        Images in each call, where it does not take any number.

    Raises
    ------
    Misconfigured
        The graph cannot be loaded, the provider is not there, or the golden input is answered
        otherwise than at export.
    """

    def __init__(
        self,
        package: Graph,
        provider: Choice,
        threads: int,
        create: Callable[..., Runtime] = create_bound,
        graph_batch: int = 0,
    ) -> None:
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        # Receivers share the cores: a thread that spins while it waits would starve them.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        hint = _WITHOUT_GRAPH if graph_batch else ""
        try:
            asked = wanted(provider, cuda_graph=graph_batch > 0)
            self._runtime: Runtime = create(package.graph, options, providers=asked)
        except FAILURES as error:
            raise Misconfigured(
                f"model package {package.folder}: ONNX Runtime cannot load it: {error}{hint}"
            ) from error
        self.provider = confirmed(provider, self._runtime.get_providers()[0])
        if provider == "auto" and self.provider == CPU:
            logger.warning("no CUDA device in use: reading runs on the CPU")
        there = {output.name for output in self._runtime.get_outputs()}
        self._names = _asked(package, there)
        inputs = self._runtime.get_inputs()
        self._takes = {one.name for one in inputs}
        batch = inputs[0].shape[0]
        self.fixed_batch: int | None = batch if isinstance(batch, int) else graph_batch or None
        self.device = device(self.provider, cuda_graph=graph_batch > 0)
        check_golden(self, package)
        if graph_batch:
            self._capture(package)

    def run(self, images: NDArray[np.float32], targets: NDArray[np.int64]) -> Answers:
        """Run one batch.

        Raises
        ------
        OutOfMemory
            The device has no memory for so many images.
        Unavailable
            The device failed; the study is tried again later.
        """
        wanted_rows = len(images)
        if missing := (self.fixed_batch or wanted_rows) - wanted_rows:
            images = np.concatenate([images, np.repeat(images[-1:], missing, axis=0)])
            targets = np.concatenate([targets, np.repeat(targets[-1:], missing)])
        given = {"image": images, "target": targets}
        feed = {name: array for name, array in given.items() if name in self._takes}
        try:
            outputs = self._runtime.run(self._names, feed)
        except FAILURES as error:
            raise translated(error, self.provider) from error
        rows = [np.asarray(output)[:wanted_rows] for output in outputs]
        return self._answer(dict(zip(self._names, rows, strict=True)))

    @abstractmethod
    def _answer(self, named: dict[str, NDArray[np.float32]]) -> Answers:
        """Put the outputs together."""

    def _capture(self, package: Graph) -> None:
        """Let the runtime capture its CUDA graph, and compare what it replays."""
        try:
            for _ in range(_CALLS_UNTIL_REPLAY):
                check_golden(self, package)
        except Misconfigured as error:
            raise Misconfigured(f"{error}{_WITHOUT_GRAPH}") from error


class Session(OnnxSession[NetworkOutput]):
    """A classifier in ONNX Runtime."""

    @override
    def _answer(self, named: dict[str, NDArray[np.float32]]) -> NetworkOutput:
        return NetworkOutput(
            named["logits"], named["cam"], named.get("gate"), named.get("finding_cams")
        )


class LandmarkSession(OnnxSession[LandmarkOutput]):
    """A localiser in ONNX Runtime."""

    @override
    def _answer(self, named: dict[str, NDArray[np.float32]]) -> LandmarkOutput:
        [found] = named.values()
        return LandmarkOutput(found)


def check_golden(network: Runs[Output], package: Graph) -> None:
    """Compare the answer to the golden input with the one that was stored at export.

    Raises
    ------
    Misconfigured
        It is another one, or there is none.
    """
    where = f"model package {package.folder}: the golden input"
    try:
        output = network.run(golden_input(package.manifest.pixels.size), np.array([PREDICTED]))
    except Unavailable as error:
        raise Misconfigured(f"{where} is not answered: {error}") from error
    expected, tolerance, count = _stored(package)
    found, answered = output.of_golden(gated=expected.size > count)
    if found.shape != expected.shape:
        raise Misconfigured(f"{where} is answered with {answered}, the manifest names {count}")
    difference = float(np.abs(found - expected).max())
    if not difference <= tolerance:
        raise Misconfigured(
            f"{where} is answered {difference:.2g} away from its stored answer "
            f"(allowed {tolerance:.2g}) on {network.provider}"
        )


def _asked(package: Graph, there: set[str]) -> list[str]:
    """Name the outputs that are asked for, out of those that are there."""
    if isinstance(package, LandmarkPackage):
        return [package.manifest.output]
    gate = ["gate"] if package.manifest.gate is not None else []
    return ["logits", "cam", *gate, *({"finding_cams"} & there)]


def _stored(package: Graph) -> tuple[NDArray[np.float64], float, int]:
    """Return the golden answer, its tolerance, and the number of classes or landmarks."""
    if isinstance(package, LandmarkPackage):
        places = np.array(package.manifest.golden)
        return places.ravel(), package.manifest.tolerance, len(places)
    golden = package.manifest.golden
    gate = [] if golden.gate is None else [golden.gate]
    return np.array([*golden.logits, *gate]), golden.tolerance, len(golden.logits)
