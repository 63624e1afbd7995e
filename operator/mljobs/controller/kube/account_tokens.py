"""Tokens of ServiceAccounts, for whoever trusts the cluster's issuer: `backends.AccountTokens`."""

import asyncio
from concurrent.futures import CancelledError

from mljobs.controller.kube.client import Kube
from mljobs.controller.kube.errors import Forbidden, KubeError, ObjectNotFound, Refused
from mljobs.domain.errors import Denied, Unavailable


class AccountTokens:
    """Requests tokens; called from threads other than the event loop's, which it was made on.

    Args:
        kube: the API server.
    """

    def __init__(self, kube: Kube) -> None:
        self._kube = kube
        self._loop = asyncio.get_running_loop()

    def __call__(self, namespace: str, name: str, audience: str, /) -> str:
        """Request a token of a ServiceAccount for an audience, and wait for it.

        Raises:
            Denied: there is no such account, or the operator may not request its tokens.
            Unavailable: there was no answer.
        """
        what = f"ServiceAccount {namespace}/{name}"
        asked = self._kube.account_token(namespace, name, audience)
        try:
            return asyncio.run_coroutine_threadsafe(asked, self._loop).result()
        except ObjectNotFound as error:
            raise Denied(f"there is no {what}") from error
        except Forbidden as error:
            raise Denied(
                f"the operator may not request tokens of {what}: the chart's value "
                f"rbac.identityServiceAccounts has to name {name!r}"
            ) from error
        except Refused as error:
            raise Denied(f"the API server issues no token for {what}: {error}") from error
        except KubeError as error:
            raise Unavailable(f"no token for {what}: {error}") from error
        except (CancelledError, RuntimeError) as error:
            raise Unavailable(f"no token for {what}: the operator is being stopped") from error
