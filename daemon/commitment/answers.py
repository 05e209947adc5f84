"""What the listening port answers to storage commitment: requests of peers, reports on ours."""

import logging
import struct
from io import BytesIO

from pydicom import Dataset
from pynetdicom.dsutils import decode

from daemon.commitment.asker import Hearing
from daemon.commitment.keeper import Keeper
from daemon.commitment.report import PUSH_MODEL
from daemon.dicom.status import Status
from daemon.errors import Unavailable
from daemon.intake.command import Field
from daemon.intake.requests import Answer, Answerer, AnswerTable, Request

logger = logging.getLogger(__name__)

_UNREADABLE = (
    ArithmeticError, AttributeError, EOFError, LookupError, NotImplementedError, OSError,
    RecursionError, TypeError, ValueError, struct.error,
)  # fmt: skip
"""What pydicom raises where the bytes are no data set, or hold something else than they should."""


def answers(keeper: Keeper, hearing: Hearing) -> AnswerTable:
    """Return the receiver's entries for storage commitment."""

    def requested(request: Request) -> Answer:
        return Answer(keeper.requested(request.calling_ae, _data(request)))

    def reported(request: Request) -> Answer:
        try:
            hearing.report(_data(request))
        except Unavailable as error:
            logger.warning("report not taken: %s", error, extra={"peer": request.calling_ae})
            return Answer(Status.PROCESSING_FAILURE)
        return Answer()

    return {
        (Field.N_ACTION, PUSH_MODEL): _readable(requested),
        (Field.N_EVENT_REPORT, PUSH_MODEL): _readable(reported),
    }


def _readable(answerer: Answerer) -> Answerer:
    """Answer 0115 where the data set of a request cannot be read (PS3.7 C.5.4)."""

    def answer(request: Request) -> Answer:
        try:
            return answerer(request)
        except _UNREADABLE as error:
            kind = type(error).__name__
            logger.warning("request cannot be read: %s", kind, extra={"peer": request.calling_ae})
            return Answer(Status.INVALID_ARGUMENT)

    return answer


def _data(request: Request) -> Dataset:
    syntax = request.transfer_syntax
    return decode(BytesIO(request.data_set), syntax.is_implicit_VR, syntax.is_little_endian)
