"""IO binding and CUDA graphs: the places stay, the answers are the caller's own."""

import numpy as np
import onnxruntime as ort
import pytest
from onnxruntime.capi.onnxruntime_pybind11_state import Fail

from daemon.errors import Misconfigured, Unavailable
from daemon.reading.device.binding import Bound, create
from daemon.reading.device.opening import open_session
from daemon.reading.device.providers import CPU, CUDA, DEVICES, TENSORRT, device, on_gpu
from daemon.reading.device.sessions import PREDICTED, Session
from daemon.settings import Reading
from tests.support.graphs import SIZE

CANNOT_CAPTURE = Fail(
    "[ONNXRuntimeError] : 1 : FAIL : This session cannot use the graph capture feature as "
    "requested by the user as all compute graph nodes have not been partitioned to the CUDA EP"
)


class Watched(ort.InferenceSession):
    """An ONNX Runtime session on the CPU that counts how it was called."""

    plain = bound = 0

    def run(self, *arguments, **named):
        self.plain += 1
        return super().run(*arguments, **named)

    def run_with_iobinding(self, binding, run_options=None):
        self.bound += 1
        self.binding = binding
        super().run_with_iobinding(binding, run_options)


@pytest.fixture
def watched(package):
    return Watched(package.graph, providers=[CPU])


def bound(watched):
    """Return what makes a bound session on the CPU that says it is the GPU."""

    class Pretending(Bound):
        def get_providers(self):
            return [CUDA, CPU]

    return lambda *_, **__: Pretending(watched, "cpu")


def images(values):
    grey = np.array(values, np.float32)[:, None, None, None]
    return np.broadcast_to(grey, (len(values), 3, SIZE, SIZE)), np.full(len(values), PREDICTED)


def test_answers_through_places_that_stay_are_those_of_a_plain_call(package, watched):
    session = Session(package, "auto", 1, create=bound(watched))
    plain = Session(package, "cpu", 1)
    before = watched.plain
    for values in ([1, 2], [3, 4], [5, 6]):
        found, expected = session.run(*images(values)), plain.run(*images(values))
        for name in ("logits", "cam", "gate"):
            assert np.array_equal(getattr(found, name), getattr(expected, name))
    assert (watched.plain - before, watched.bound) == (1, 2)  # the first shows the shapes


def test_an_answer_is_not_overwritten_by_the_next_call(package, watched):
    session = Session(package, "auto", 1, create=bound(watched))
    answers = [session.run(*images([value])).logits for value in (1, 2, 3)]
    assert [answer[0, 1] for answer in answers] == pytest.approx([3.0, 6.0, 9.0])


def test_places_keep_their_addresses(watched):
    runtime = Bound(watched, "cpu")
    feed = dict(zip(("image", "target"), images([1, 2]), strict=True))
    runtime.run(["logits", "cam"], feed)
    places = []
    for _ in range(2):
        runtime.run(["logits", "cam"], feed)
        places.append([value.data_ptr() for value in watched.binding.get_outputs()])
    assert places[0] == places[1]
    assert len(places[0]) == 2


def test_another_batch_gets_other_places(package, watched):
    session = Session(package, "auto", 1, create=bound(watched))
    for values in ([1, 2, 3], [4], [5, 6, 7], [8, 9, 10]):
        assert session.run(*images(values)).logits[:, 1] == pytest.approx([3.0 * v for v in values])


def test_a_wrong_input_leaves_the_places_usable(package, watched):
    session = Session(package, "auto", 1, create=bound(watched))
    with pytest.raises(Unavailable, match="InvalidArgument"):
        session.run(np.ones((1, 3, 5, 5), np.float32), np.array([PREDICTED]))
    assert session.run(*images([2])).logits[0, 1] == pytest.approx(6.0)


def test_a_session_on_the_cpu_is_not_bound(package):
    made = create(package.graph, ort.SessionOptions(), [CPU])
    assert isinstance(made, ort.InferenceSession)


def test_with_a_captured_graph_no_call_has_another_shape(package, watched):
    session = Session(package, "auto", 1, create=bound(watched), graph_batch=4)
    before = watched.plain, watched.bound
    assert session.run(*images([1, 2, 3])).logits[:, 1] == pytest.approx([3.0, 6.0, 9.0])
    assert session.run(*images([4])).logits[:, 1] == pytest.approx([12.0])
    assert (watched.plain, watched.bound) == (before[0], before[1] + 2)
    assert session.fixed_batch == 4
    assert session.device == "CUDA, captured as a CUDA graph"


def test_the_golden_input_is_compared_with_what_the_captured_graph_replays(package, watched):
    Session(package, "auto", 1, create=bound(watched), graph_batch=1)
    assert watched.plain + watched.bound >= 4


@pytest.mark.parametrize(
    ("choice", "captured"),
    [
        ("cuda", {CUDA: {"use_tf32": "0", "enable_cuda_graph": "1"}}),
        ("tensorrt", {TENSORRT: {"trt_cuda_graph_enable": "1"}, CUDA: {"use_tf32": "0"}}),
    ],
)
def test_the_graph_is_asked_of_the_provider_that_runs_it(choice, captured):
    *gpu, last = on_gpu(choice, cuda_graph=True)
    assert dict(gpu) == captured
    assert last == CPU
    assert "graph" not in str(on_gpu(choice, cuda_graph=False))


def test_a_graph_that_cannot_be_captured_stops_the_start_in_one_line(package):
    def refuses(*_, **__):
        raise CANNOT_CAPTURE

    with pytest.raises(Misconfigured, match="cannot use the graph capture") as caught:
        Session(package, "auto", 1, create=refuses, graph_batch=1)
    assert "set reading.cuda_graph to false" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_capture_that_fails_in_its_call_stops_the_start(package, watched):
    def fails(binding, run_options=None):
        raise Fail("CUDA failure 900: operation not permitted when stream is capturing")

    watched.run_with_iobinding = fails
    with pytest.raises(Misconfigured, match=r"is not answered: .*; set reading\.cuda_graph"):
        Session(package, "auto", 1, create=bound(watched), graph_batch=1)


def test_a_captured_graph_needs_batches_of_one_size(package):
    with pytest.raises(Misconfigured, match=r"set reading\.batch_size, or export the package"):
        open_session(Reading(provider="cuda", cuda_graph=True), package)


@pytest.mark.parametrize("provider", ["auto", "cpu"])
def test_a_captured_graph_needs_a_gpu(provider):
    with pytest.raises(ValueError, match='cuda_graph needs provider "cuda" or "tensorrt"'):
        Reading(provider=provider, cuda_graph=True, batch_size=4)


def test_every_device_has_its_words():
    names = {device(one, cuda_graph=graph) for one in (CUDA, TENSORRT) for graph in (False, True)}
    assert {"CPU", *names} == set(DEVICES)
