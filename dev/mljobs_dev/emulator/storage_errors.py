"""Errors of Cloud Storage's JSON API, which has another shape for them than `ml` has."""

from typing import Any

from mljobs_dev.emulator.errors import ApiError

_REASONS = {
    400: "invalid",
    401: "required",
    403: "forbidden",
    404: "notFound",
    409: "conflict",
    412: "conditionNotMet",
    416: "requestedRangeNotSatisfiable",
    429: "rateLimitExceeded",
}


class StorageError(ApiError):
    """An answer of Cloud Storage other than 200.

    Args:
        code: the HTTP status.
        message: the text for a person.
        reason: the API's word; the usual one for the code where it is left out.
        plain: whether the body is the text alone, as the upload servers answer.
    """

    def __init__(self, code: int, message: str, reason: str = "", *, plain: bool = False) -> None:
        super().__init__(code, message)
        self.reason = reason
        self.plain = plain


def storage_json(error: ApiError) -> dict[str, Any]:
    """The body of an error, in the shape that Cloud Storage has."""
    reason = getattr(error, "reason", "") or _REASONS.get(error.code, "backendError")
    problem = {"message": error.message, "domain": "global", "reason": reason}
    return {"error": {"code": error.code, "message": error.message, "errors": [problem]}}


def invalid(message: str) -> StorageError:
    """The 400 of a value that cannot be."""
    return StorageError(400, message)


def required() -> StorageError:
    """The 400 of an upload without a name."""
    return StorageError(400, "Required", "required")


def too_large(limit: int) -> StorageError:
    """The 413 of an object that the emulator has no room for; the service takes up to 5 TiB."""
    return StorageError(
        413, f"The emulator holds objects in memory: {limit} bytes are the limit.", "uploadTooLarge"
    )


def wrong_url() -> StorageError:
    """The 400 of an insert that is no upload."""
    text = "Upload requests must include an uploadType URL parameter and a URL path beginning with /upload/."
    return StorageError(400, text, "wrongUrlForUpload")


def bucket_not_found() -> StorageError:
    """The 404 of a bucket that there is not."""
    return StorageError(404, "The specified bucket does not exist.")


def object_not_found(bucket: str, name: str) -> StorageError:
    """The 404 of an object that there is not."""
    return StorageError(404, f"No such object: {bucket}/{name}")


def upload_not_found() -> StorageError:
    """The 404 of a resumable upload that there is not, or is no more."""
    return StorageError(404, "Not Found", plain=True)


def conditions_not_met() -> StorageError:
    """The 412 of a precondition that does not hold."""
    return StorageError(412, "At least one of the pre-conditions you specified did not hold.")


def access_denied(permission: str) -> StorageError:
    """The 403 of a caller who lacks a permission."""
    what = "bucket" if permission.startswith("storage.buckets.") else "object"
    return StorageError(
        403,
        f"Caller does not have {permission} access to the Google Cloud Storage {what}. "
        f"Permission '{permission}' denied on resource (or it may not exist).",
    )


def offset_ahead(offset: int, kept: int) -> StorageError:
    """The 503 of a chunk that begins behind what has been kept."""
    text = (
        f"Invalid request.  According to the Content-Range header, the upload offset is {offset} byte(s), "
        f"which exceeds already uploaded size of {kept} byte(s)."
    )
    return StorageError(503, text, plain=True)
