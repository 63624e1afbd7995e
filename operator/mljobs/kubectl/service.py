"""The job service's own methods, for the commands that the cluster cannot answer."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from mljobs.kubectl.failure import REFUSED, TROUBLE, Failure

T = TypeVar("T")

_CREDENTIALS = (
    "sign in with `gcloud auth application-default login`, or name an emulator by MLJOBS_ENDPOINT, "
    "MLJOBS_LOGGING_ENDPOINT, MLJOBS_STORAGE_ENDPOINT and MLJOBS_ANONYMOUS=true"
)


def ask(question: Coroutine[Any, Any, T]) -> T:
    """Run calls of the service to their end.

    Raises:
        Failure: the service refuses, or gives no answer.
    """
    from mljobs.domain.errors import JobServiceError

    try:
        return asyncio.run(question)
    except JobServiceError as error:
        raise failure_of(error) from None
    except ValueError as error:
        raise Failure(str(error), code=TROUBLE) from None


def failure_of(error: Exception) -> Failure:
    """Word an error of the port for a person at a terminal."""
    from mljobs.domain import errors

    message = " ".join(str(error).split()).removesuffix(".")
    match error:
        case errors.Denied(cause=errors.Denial.CREDENTIALS | errors.Denial.NO_CREDENTIALS):
            return Failure(message, hint=_CREDENTIALS, code=TROUBLE)
        case errors.Denied():
            return Failure(message, hint=error.hint, code=TROUBLE)
        case errors.StaleEtag():
            return Failure(message, hint="it has changed meanwhile: read it again, then try again")
        case errors.Throttled() | errors.NoCapacity() | errors.Unavailable():
            return Failure(message, hint="try again later", code=TROUBLE)
        case _:
            return Failure(message, code=REFUSED)
