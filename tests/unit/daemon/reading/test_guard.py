"""A device that fails, shrinks or slows down is seen, and never silent."""

import json

import numpy as np
import onnxruntime as ort
import pytest
from onnxruntime.capi.onnxruntime_pybind11_state import EPFail, Fail, RuntimeException
from typer.testing import CliRunner

from daemon.__main__ import app
from daemon.errors import Misconfigured, Unavailable
from daemon.ledger.ledger import Ledger
from daemon.ledger.notes import Notes
from daemon.reading.device.guard import Guard, Offline
from daemon.reading.device.outputs import PREDICTED
from daemon.reading.device.providers import CPU, CUDA
from daemon.reading.device.sessions import Session
from daemon.reading.signalling import InLedger
from daemon.settings import Reading
from daemon.signals import Signal
from model.package import write_package
from tests.support.graphs import SIZE, tiny_manifest, write_graph
from tests.support.ledgers import empty_file
from tests.support.node import settings_text

NO_MEMORY = RuntimeException(
    "[ONNXRuntimeError] : 6 : RUNTIME_EXCEPTION : Non-zero status code returned while running Conv "
    "node. Name:'node_conv2d_7' Status Message: bfc_arena.cc:376 void* onnxruntime::BFCArena::"
    "AllocateRawInternal(size_t, bool) Failed to allocate memory for requested buffer of size 6039"
)
CUDNN_NO_MEMORY = EPFail("CUDNN failure 4: CUDNN_STATUS_ALLOC_FAILED ; GPU=0 ; hostname=reader1")
DEVICE_GONE = Fail(
    "[ONNXRuntimeError] : 1 : FAIL : CUDA failure 719: unspecified launch failure ; GPU=0 ; "
    "hostname=reader1 ; file=cuda_common.cc ; line=66 ; expr=cudaStreamSynchronize(stream)"
)


class Device:
    """ONNX Runtime on a device whose health a test decides.

    It really runs the graph, on the CPU, and says that it is the GPU; `ticks` is the time that has
    passed on it.
    """

    def __init__(self, graph, options, providers):
        self.session = ort.InferenceSession(graph, options, providers=[CPU])
        self.largest, self.seconds_per_call = 1000, 1.0
        self.broken = self.hiccup = None
        self.batches = []
        self.ticks = 0.0

    def run(self, names, feed):
        images = len(feed["image"])
        if self.broken is not None:
            raise self.broken
        if self.hiccup is not None:
            error, self.hiccup = self.hiccup, None
            raise error
        if images > self.largest:
            raise NO_MEMORY
        self.batches.append(images)
        self.ticks += self.seconds_per_call
        return self.session.run(names, feed)

    def get_providers(self):
        return [CUDA, CPU]

    def get_inputs(self):
        return self.session.get_inputs()

    def get_outputs(self):
        return self.session.get_outputs()


@pytest.fixture
def ledger(tmp_path):
    ledger = Ledger(empty_file(tmp_path / "ledger.sqlite"))
    yield ledger
    ledger.close()


@pytest.fixture
def device(package):
    return Device(package.graph, ort.SessionOptions(), [])


@pytest.fixture
def guard(package, ledger, device):
    def build(**settings):
        made = Guard(
            network=Session(package, "auto", 1, create=lambda *_, **__: device),
            package=package,
            settings=Reading(**{"batch_size": 8, **settings}),
            signals=InLedger(ledger),
            worker="reader1",
            model="wrist",
            on_cpu=lambda: Session(package, "cpu", 1),
            stopwatch=lambda: device.ticks,
        )
        made.warm_up()
        device.batches.clear()
        return made

    return build


def images(number):
    values = np.arange(number, dtype=np.float32)[:, None, None, None]
    return np.broadcast_to(values, (number, 3, SIZE, SIZE)).copy(), np.full(number, PREDICTED)


def flags(ledger):
    """What is so now besides the device: which signal, of which model and worker."""
    notes = [one for one in Notes(ledger).standing() if one.signal is not Signal.READS_ON]
    assert {(one.subject, one.worker) for one in notes} <= {("wrist", "reader1")}
    return [one.signal for one in notes]


def devices(ledger):
    return [one.words for one in Notes(ledger).standing() if one.signal is Signal.READS_ON]


def test_any_number_of_images_is_run_in_batches_and_keeps_its_order(guard, device):
    output = guard().run(*images(19))
    assert device.batches == [8, 8, 3]
    assert output.logits[:, 1] == pytest.approx([3.0 * number for number in range(19)])
    assert len(output.cam) == len(output.gate) == 19


@pytest.mark.parametrize("words", [NO_MEMORY, CUDNN_NO_MEMORY, MemoryError()])
def test_running_out_of_memory_is_told_from_other_failures(package, device, words):
    session = Session(package, "auto", 1, create=lambda *_, **__: device)
    device.broken = words
    with pytest.raises(Unavailable, match="out of memory"):
        session.run(*images(2))


def test_a_batch_that_does_not_fit_is_halved_for_good(guard, device, ledger, caplog):
    made = guard()
    device.largest = 3
    output = made.run(*images(9))
    assert device.batches == [2, 2, 2, 2, 1]
    assert output.logits[:, 1] == pytest.approx([3.0 * number for number in range(9)])
    assert made.batch_size == 2
    assert ledger.counters()["inference_out_of_memory"] == 2
    assert "2 images for each call from now on" in caplog.text
    assert made.provider == CUDA


def test_the_start_takes_no_batch_that_does_not_fit(guard, device):
    device.largest = 4
    device.seconds_per_call = 1.0  # however many: larger is better
    assert guard(batch_size=0).batch_size == 4


def test_a_device_without_memory_for_one_image_stops_the_start(guard, device):
    device.largest = 1
    with pytest.raises(Misconfigured, match="no memory for 8 images"):
        guard()


@pytest.mark.parametrize("cause", [DEVICE_GONE, NO_MEMORY])
def test_a_lost_device_is_replaced_by_the_cpu_for_all_to_see(guard, device, ledger, caplog, cause):
    made = guard()
    assert devices(ledger) == ["CUDA"]
    device.broken = cause
    output = made.run(*images(3))
    assert output.logits[:, 1] == pytest.approx([0.0, 3.0, 6.0])
    assert made.provider == CPU
    assert devices(ledger) == ["CPU"]
    assert flags(ledger) == [Signal.DEVICE_LOST]
    assert ledger.counters()["inference_device_lost"] == 1
    assert "the device is lost, on the CPU now" in caplog.text


def test_a_lost_device_is_not_replaced_where_the_site_does_not_want_it(guard, device, ledger):
    made = guard(on_device_lost="not_analysed")
    device.broken = DEVICE_GONE
    for _ in range(2):
        with pytest.raises(Offline):
            made.run(*images(3))
    device.broken = None
    with pytest.raises(Offline):  # a context that broke once is not trusted again
        made.run(*images(3))
    assert flags(ledger) == [Signal.DEVICE_LOST]
    assert ledger.counters()["inference_device_lost"] == 1


def test_a_failure_that_the_golden_input_does_not_share_is_the_calls_own(guard, device, ledger):
    made = guard()
    with pytest.raises(Unavailable, match="InvalidArgument"):
        made.run(np.ones((1, 3, 5, 5), np.float32), np.array([PREDICTED]))
    assert made.provider == CUDA
    assert flags(ledger) == []


def test_a_hiccup_after_which_the_golden_input_is_answered_is_tried_again_later(guard, device):
    made = guard()
    device.hiccup = DEVICE_GONE
    with pytest.raises(Unavailable, match="Fail"):
        made.run(*images(1))
    assert made.run(*images(1)).logits[0, 1] == pytest.approx(0.0)
    assert made.provider == CUDA


def test_a_device_that_answers_the_golden_input_wrongly_after_a_failure_is_lost(
    guard, device, ledger, tmp_path
):
    made = guard()
    device.session = ort.InferenceSession(write_graph(tmp_path / "wrong.onnx", gain=1.5))
    device.hiccup = DEVICE_GONE
    assert made.run(*images(2)).logits[:, 1] == pytest.approx([0.0, 3.0])
    assert made.provider == CPU


def test_a_device_that_became_slow_is_shown_until_it_is_fast_again(guard, device, ledger, caplog):
    made = guard(slow_factor=3.0)
    device.seconds_per_call = 4.0
    for _ in range(4):
        made.run(*images(1))
    assert flags(ledger) == []  # a few slow calls are chance
    made.run(*images(1))
    assert flags(ledger) == [Signal.SLOWER]
    assert ledger.counters()["inference_slow"] == 1
    assert "4.0 times as long as at the start" in caplog.text
    device.seconds_per_call = 1.0
    for _ in range(5):
        made.run(*images(1))
    assert flags(ledger) == []


def test_a_failing_cpu_has_nothing_to_fall_back_to(package, ledger, device):
    device.get_providers = lambda: [CPU]
    made = Guard(
        network=Session(package, "cpu", 1, create=lambda *_, **__: device),
        package=package,
        settings=Reading(batch_size=1),
        signals=InLedger(ledger),
        worker="reader1",
        model="wrist",
        on_cpu=lambda: Session(package, "cpu", 1),
    )
    made.warm_up()
    device.broken = DEVICE_GONE
    with pytest.raises(Unavailable, match="Fail"):
        made.run(*images(1))
    assert flags(ledger) == []


def test_status_shows_what_is_degraded_apart_from_the_counters(guard, device, ledger, tmp_path):
    made = guard()
    ledger.count(Signal.DUPLICATE)
    device.broken = DEVICE_GONE
    made.run(*images(1))
    file = tmp_path / "settings.toml"
    file.write_text(
        settings_text(
            {"node": {"state_dir": "."}}, [type("Peer", (), {"ae_title": "A", "port": 1})()]
        )
    )
    shown = json.loads(CliRunner().invoke(app, ["status", "--config", str(file)]).output)
    assert shown["reads_on"] == ["CPU (wrist reader1)"]
    assert shown["degraded"] == ["device lost (wrist reader1)"]
    assert shown["counters"] == {"duplicate": 1, "inference_device_lost": 1}


@pytest.fixture
def fixed(tmp_path, ledger):
    """Return a guard over a graph that takes four images in each call, and its device."""
    graph = write_graph(tmp_path / "fixed.onnx", batch=4)
    package = write_package(tmp_path / "fixed", graph, tiny_manifest(graph), "")
    device = Device(package.graph, ort.SessionOptions(), [])
    session = Session(package, "auto", 1, create=lambda *_, **__: device)
    made = Guard(
        network=session,
        package=package,
        settings=Reading(batch_size=2),
        signals=InLedger(ledger),
        worker="reader1",
        model="wrist",
        on_cpu=lambda: Session(package, "cpu", 1),
        fixed_batch=session.fixed_batch,
        stopwatch=lambda: device.ticks,
    )
    made.warm_up()
    device.batches.clear()
    return made, device


def test_a_graph_of_a_fixed_batch_gets_whole_batches_and_answers_for_each_image_once(fixed):
    made, device = fixed
    assert made.batch_size == 4  # the setting gives way
    output = made.run(*images(6))
    assert device.batches == [4, 4]
    assert output.logits[:, 1] == pytest.approx([3.0 * number for number in range(6)])
    assert [len(output.cam), len(output.gate)] == [6, 6]


def test_a_fixed_batch_that_does_not_fit_any_more_cannot_shrink(fixed, ledger):
    made, device = fixed
    device.largest = 3
    assert made.run(*images(5)).logits[:, 1] == pytest.approx([3.0 * n for n in range(5)])
    assert made.provider == CPU
    assert flags(ledger) == [Signal.DEVICE_LOST]
    assert ledger.counters()["inference_out_of_memory"] == 1
