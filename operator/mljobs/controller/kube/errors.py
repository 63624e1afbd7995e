"""The errors of a call to the API server."""


class KubeError(Exception):
    """A call to the API server has failed; the message names the object and the cause."""


class ObjectNotFound(KubeError):
    """The object does not exist (404, and the API server names it)."""


class NotServed(KubeError):
    """The kind is not served (404 that names no object): its CRD is missing, or a proxy answered."""


class Conflict(KubeError):
    """The object has changed since it was read, or another one has its name (409)."""


class Refused(KubeError):
    """The API server refuses the request (400, 403, 422, a webhook, a quota)."""


class TooLarge(Refused):
    """The object would be larger than what can be stored (413, or etcd's own limit behind a 500)."""


class Forbidden(Refused):
    """The permission was never granted, or is revoked (403)."""


class Unreachable(KubeError):
    """No answer, or none that can be used (network, time-out, 429, 5xx)."""


class NoCredentials(Unreachable):
    """There are no credentials: a file, a credential plugin or a login has failed. Nothing was sent."""
