"""What the listening port answers to storage commitment: requests of peers, reports on ours."""

import logging

from daemon.commitment.asker import Hearing
from daemon.commitment.keeper import PromiseKeeper
from daemon.commitment.transaction import PUSH_MODEL
from daemon.dicom.status import Status
from daemon.errors import Rejected, Unavailable
from daemon.intake.association.command import Field
from daemon.intake.association.requests import AnswerTable, Request, Response

logger = logging.getLogger(__name__)


def answers(keeper: PromiseKeeper, hearing: Hearing) -> AnswerTable:
    """Return the receiver's entries for storage commitment."""

    def requested(request: Request) -> Response:
        data, syntax = bytes(request.data_set), request.transfer_syntax
        return Response(keeper.requested(request.calling_ae, data, syntax))

    def reported(request: Request) -> Response:
        try:
            hearing.report(bytes(request.data_set), request.transfer_syntax)
        except Rejected as error:
            logger.warning("report refused: %s", error, extra={"peer": request.calling_ae})
            return Response(Status.INVALID_ARGUMENT)
        except Unavailable as error:
            logger.warning("report not taken: %s", error, extra={"peer": request.calling_ae})
            return Response(Status.PROCESSING_FAILURE)
        return Response()

    return {
        (Field.N_ACTION, PUSH_MODEL): requested,
        (Field.N_EVENT_REPORT, PUSH_MODEL): reported,
    }
