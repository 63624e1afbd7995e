"""What can become of a call to the API server when it is not answered as it should be."""


class KubeError(Exception):
    """The API server has not done what it was asked; the message says which object and why."""


class ObjectNotFound(KubeError):
    """The object is no longer there (404, and the API server names it)."""


class NotServed(KubeError):
    """Nothing of the kind is served (404 that names no object): its definition is away, or a proxy spoke."""


class Conflict(KubeError):
    """The object has changed since it was read, or another one has its name (409)."""


class Refused(KubeError):
    """The API server does not want this write (400, 403, 422, a webhook, a quota)."""


class TooLarge(Refused):
    """The object would be larger than what can be stored (413, or etcd's own limit behind a 500)."""


class Forbidden(Refused):
    """The right to do this was never granted, or is gone (403)."""


class Unreachable(KubeError):
    """No answer, or none that can be used (network, time-out, 429, 5xx)."""


class NoCredentials(Unreachable):
    """Nothing says who we are: a file, a credential plugin or a login has failed. Nothing was sent."""
