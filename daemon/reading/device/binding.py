"""Inputs and outputs that keep their places on the device from one call to the next.

ONNX Runtime otherwise allocates them anew for each call. A captured CUDA graph needs it: it is
replayed on the very addresses that it was captured with.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from daemon.reading.device.providers import CUDA, TENSORRT


class Bound:
    """An ONNX Runtime session behind IO binding, for calls of one thread at a time.

    The first call of a shape is a plain one: its answer shows how large the places must be. Only
    the places of the latest shape are kept.

    Parameters
    ----------
    session : onnxruntime.InferenceSession
    device : "cuda" or "cpu"
        Where the places are.
    """

    def __init__(self, session: ort.InferenceSession, device: str) -> None:
        self._session = session
        self._device = device
        self._shape: object = None
        self._binding: Any = None
        self._inputs: dict[str, Any] = {}
        self._outputs: list[Any] = []

    def run(self, names: Sequence[str], feed: dict[str, NDArray[Any]]) -> list[NDArray[Any]]:
        """Return the named outputs."""
        shape = [*names, *((array.shape, array.dtype) for array in feed.values())]
        if shape != self._shape:
            self._shape = None
            answers: list[NDArray[Any]] = self._session.run(names, feed)
            self._bind(names, feed, answers)
            self._shape = shape
            return answers
        for name, place in self._inputs.items():
            place.update_inplace(np.ascontiguousarray(feed[name]))
        self._session.run_with_iobinding(self._binding)
        return [place.numpy().copy() for place in self._outputs]  # on a CPU numpy() is a view

    def get_providers(self) -> list[str]:
        """Return the session's providers, best first."""
        providers: list[str] = self._session.get_providers()
        return providers

    def get_inputs(self) -> list[Any]:
        """Describe the inputs."""
        return list(self._session.get_inputs())

    def get_outputs(self) -> list[Any]:
        """Describe the outputs."""
        return list(self._session.get_outputs())

    def _bind(
        self, names: Sequence[str], feed: dict[str, NDArray[Any]], answers: list[NDArray[Any]]
    ) -> None:
        self._binding = self._session.io_binding()
        self._inputs = {name: self._place(array) for name, array in feed.items()}
        self._outputs = [self._place(array) for array in answers]
        for name, place in self._inputs.items():
            self._binding.bind_ortvalue_input(name, place)
        for name, place in zip(names, self._outputs, strict=True):
            self._binding.bind_ortvalue_output(name, place)

    def _place(self, array: NDArray[Any]) -> ort.OrtValue:
        return ort.OrtValue.ortvalue_from_shape_and_type(array.shape, array.dtype, self._device, 0)


def create(
    graph: object, options: ort.SessionOptions, providers: Sequence[object]
) -> "ort.InferenceSession | Bound":
    """Make a session, bound where it runs on a GPU."""
    session = ort.InferenceSession(graph, options, providers=providers)
    on_gpu = session.get_providers()[0] in (CUDA, TENSORRT)
    return Bound(session, "cuda") if on_gpu else session
