"""Finds the API server and the user as kubectl does: kubeconfig files, else the Pod's service account.

The rules are those of client-go's `clientcmd`: of several files in KUBECONFIG the first to name a context, a
cluster or a user wins; paths are relative to the file that contains them; a Pod's own account is used where
no kubeconfig says anything.
"""

import os
from collections.abc import Iterable, Mapping, Sequence
from functools import reduce
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from mljobs.controller.kube import schema
from mljobs.controller.kube.access import Access, Impersonation, Oidc, Plugin, Server, User
from mljobs.controller.kube.errors import KubeError
from mljobs.controller.kube.proxy import proxy_for

POD = Path("/var/run/secrets/kubernetes.io/serviceaccount")
"""Where Kubernetes puts a Pod's credentials."""

REMOVED_PROVIDERS = {"gcp": "gke-gcloud-auth-plugin", "azure": "kubelogin"}
"""Login methods that Kubernetes 1.26 has removed from kubectl, and the plugins that replace them."""

_PROXY_SCHEMES = ("http", "https", "socks5")


def find_access(
    kubeconfig: str | None = None,
    context: str | None = None,
    *,
    environ: Mapping[str, str] = os.environ,
    pod: Path = POD,
) -> Access:
    """Find the API server and its user.

    Args:
        kubeconfig: a file; None: those in KUBECONFIG, else the one in the home directory.
        context: the context's name; None: the current one.
        environ: the environment.
        pod: where a Pod's credentials are.

    Raises:
        KubeError: there is none, or it cannot be used; the message names the remedy.
    """
    config = _merged(kubeconfig, environ)
    name = context or config.current_context
    if not name and kubeconfig is None and (found := _in_cluster(environ, pod)):
        return found
    if not name and not config.clusters:
        looked = _looked(kubeconfig, environ)
        raise KubeError(f"no API server is known: run inside a cluster, or set KUBECONFIG ({looked})")
    return _of_context(config, name, environ)


def _merged(kubeconfig: str | None, environ: Mapping[str, str]) -> schema.Config:
    if kubeconfig is not None:
        found = _read(Path(kubeconfig))
        if found is None:
            raise KubeError(f"{kubeconfig}: there is no such file")
        return found
    read = (_read(path) for path in _files(environ))
    return reduce(schema.Config.under, (config for config in read if config), schema.Config())


def _files(environ: Mapping[str, str]) -> Iterable[Path]:
    if named := environ.get("KUBECONFIG"):
        return dict.fromkeys(Path(part) for part in named.split(os.pathsep) if part)
    home = environ.get("HOME") or environ.get("USERPROFILE")
    return [Path(home) / ".kube" / "config"] if home else []


def _looked(kubeconfig: str | None, environ: Mapping[str, str]) -> str:
    paths = [kubeconfig] if kubeconfig is not None else [*map(str, _files(environ))]
    return ", ".join(f"{path} is not there, or is empty" for path in paths) or "there is no HOME either"


def _read(path: Path) -> schema.Config | None:
    """Read a file; None if there is none."""
    try:
        text = path.read_text("utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise KubeError(f"{path}: it cannot be read: {error}") from error
    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise KubeError(f"{path}: it is not YAML: {' '.join(str(error).split())}") from error
    try:
        return schema.Config.model_validate({} if document is None else document).placed(path.absolute())
    except ValidationError as error:
        raise KubeError(f"{path}: {_problems(error)}") from None


def _problems(error: ValidationError) -> str:
    """Describe the errors of a kubeconfig, without its values, which are secrets."""
    rows = error.errors(include_url=False, include_input=False)
    return "; ".join(
        f"{'.'.join(map(str, row['loc'])) or 'the file'}: {row['msg'].removeprefix('Value error, ')}"
        for row in rows
    )


def _of_context(config: schema.Config, name: str, environ: Mapping[str, str]) -> Access:
    if not name:
        raise KubeError("the kubeconfig has no current-context: set one with `kubectl config use-context`")
    entry = _named(config.contexts, name)
    if entry is None:
        known = ", ".join(one.name for one in config.contexts) or "none"
        raise KubeError(f"there is no context {name!r} in the kubeconfig; it has: {known}")
    context = entry.context
    cluster, user = _named(config.clusters, context.cluster), _named(config.users, context.user)
    if cluster is None:
        raise KubeError(f"context {name!r} names the cluster {context.cluster!r}, which the kubeconfig lacks")
    if user is None and context.user:
        raise KubeError(f"context {name!r} names the user {context.user!r}, which is not there")
    return Access(
        server=_server(cluster, environ),
        user=_user(user) if user else User(),
        namespace=context.namespace or "default",
        origin=f"context {name!r} of {cluster.origin}",
    )


def _named(entries: Sequence[schema.EntryT], name: str) -> schema.EntryT | None:
    return next((entry for entry in entries if entry.name == name), None)


def _server(entry: schema.ClusterEntry, environ: Mapping[str, str]) -> Server:
    cluster, where = entry.cluster, f"cluster {entry.name!r} in {entry.origin}"
    if not cluster.server:
        raise KubeError(f"{where} has no server")
    if cluster.insecure and (cluster.ca_file or cluster.ca_data):
        raise KubeError(f"{where} has both a certificate-authority and insecure-skip-tls-verify: choose one")
    url = (cluster.server if "://" in cluster.server else f"http://{cluster.server}").rstrip("/")
    if cluster.proxy_url and cluster.proxy_url.partition("://")[0] not in _PROXY_SCHEMES:
        raise KubeError(
            f"{where}: proxy-url {cluster.proxy_url!r} must begin with http, https or socks5 and ://"
        )
    return Server(
        url=url,
        ca_file=entry.path(cluster.ca_file),
        ca_data=cluster.ca_data,
        insecure=cluster.insecure,
        tls_name=cluster.tls_server_name,
        proxy=cluster.proxy_url or proxy_for(url, environ),
        extension=next((one.extension for one in cluster.extensions if one.name == schema.EXTENSION), None),
    )


def _user(entry: schema.UserEntry) -> User:
    user, where = entry.user, f"user {entry.name!r} in {entry.origin}"
    _check_user(user, where)
    return User(
        token=user.token,
        token_file=entry.path(user.token_file),
        username=user.username,
        password=user.password,
        cert_file=entry.path(user.cert_file),
        cert_data=user.cert_data,
        key_file=entry.path(user.key_file),
        key_data=user.key_data,
        plugin=_plugin(entry, user.exec, where) if user.exec else None,
        oidc=_oidc(entry, user.auth_provider, where) if user.auth_provider else None,
        impersonation=Impersonation(user.act_as, user.act_as_uid, user.act_as_groups, user.act_as_extra),
    )


def _check_user(user: schema.User, where: str) -> None:
    if user.token and (user.username or user.password):
        raise KubeError(f"{where} has both a token and a username: choose one")
    if (user.cert_file or user.cert_data) and not (user.key_file or user.key_data):
        raise KubeError(f"{where} has a client-certificate without a client-key")
    if user.exec and user.auth_provider:
        raise KubeError(f"{where} has both exec and auth-provider: choose one")
    if (user.act_as_uid or user.act_as_groups or user.act_as_extra) and not user.act_as:
        raise KubeError(f"{where} has as-uid, as-groups or as-user-extra without `as`")


def _plugin(entry: schema.UserEntry, spec: schema.Exec, where: str) -> Plugin:
    needed = {"command": spec.command, "apiVersion": spec.api_version}
    missing = [name for name, text in needed.items() if not text]
    if missing:
        raise KubeError(f"{where}: exec has no {' and no '.join(missing)}")
    if spec.api_version not in schema.EXEC_VERSIONS:
        known = " or ".join(schema.EXEC_VERSIONS)
        raise KubeError(f"{where}: exec.apiVersion {spec.api_version!r} must be {known}")
    if not spec.interactive_mode and spec.api_version != schema.EXEC_BETA:
        raise KubeError(f"{where}: exec has no interactiveMode; it must be Never, IfAvailable or Always")
    return Plugin(
        command=str(entry.path(spec.command)) if os.sep in spec.command else spec.command,
        args=spec.args,
        env={one.name: one.value for one in spec.env},
        api_version=spec.api_version,
        interactive=spec.interactive_mode or "IfAvailable",
        wants_server=spec.provide_cluster_info,
        install_hint=spec.install_hint,
    )


def _oidc(entry: schema.UserEntry, provider: schema.AuthProvider, where: str) -> Oidc:
    if replacement := REMOVED_PROVIDERS.get(provider.name):
        raise KubeError(
            f"{where}: the auth-provider {provider.name!r} was removed, also from kubectl: install "
            f"{replacement} and generate the kubeconfig again"
        )
    if provider.name != "oidc":
        raise KubeError(
            f"{where}: the auth-provider {provider.name!r} is not supported; kubectl supports only oidc"
        )
    return Oidc(entry.origin, entry.name, provider.config)


def _in_cluster(environ: Mapping[str, str], pod: Path) -> Access | None:
    """The Pod's own account; None outside of Pods."""
    host, port = environ.get("KUBERNETES_SERVICE_HOST"), environ.get("KUBERNETES_SERVICE_PORT")
    token, authorities, namespace = pod / "token", pod / "ca.crt", pod / "namespace"
    if not (host and port and token.exists()):
        return None
    url = f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}"
    return Access(
        server=Server(
            url, ca_file=authorities if authorities.exists() else None, proxy=proxy_for(url, environ)
        ),
        user=User(token_file=token),
        namespace=namespace.read_text("utf-8").strip() if namespace.exists() else "default",
        origin="the Pod's service account",
    )


def refreshed(oidc: Oidc) -> Mapping[str, str]:
    """The current entry of an OpenID Connect provider in the kubeconfig; empty if it was removed."""
    config = _read(oidc.origin)
    entry = _named(config.users, oidc.user) if config else None
    provider = entry.user.auth_provider if entry else None
    return provider.config if provider else {}


def as_exec_cluster(server: Server, authorities: str) -> dict[str, Any]:
    """The API server in the input of a credential plugin.

    Args:
        server: the API server.
        authorities: the CA certificates as base64 of PEM; empty for those of the system.
    """
    fields = {
        "server": server.url,
        "tls-server-name": server.tls_name,
        "insecure-skip-tls-verify": server.insecure,
        "certificate-authority-data": authorities,
        "proxy-url": server.proxy,
        "config": server.extension,
    }
    return {name: value for name, value in fields.items() if value}
