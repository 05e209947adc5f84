"""What the listening port answers to storage commitment: requests of peers, reports on ours."""

import logging
from io import BytesIO

from pydicom import Dataset
from pynetdicom.dsutils import decode

from daemon.commitment.asker import Hearing
from daemon.commitment.keeper import Keeper
from daemon.commitment.report import PUSH_MODEL
from daemon.dicom.status import Status
from daemon.errors import Unavailable
from daemon.intake.command import Field
from daemon.intake.requests import Answer, AnswerTable, Request

logger = logging.getLogger(__name__)


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
        (Field.N_ACTION, PUSH_MODEL): requested,
        (Field.N_EVENT_REPORT, PUSH_MODEL): reported,
    }


def _data(request: Request) -> Dataset:
    syntax = request.transfer_syntax
    return decode(BytesIO(request.data_set), syntax.is_implicit_VR, syntax.is_little_endian)
