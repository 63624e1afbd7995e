"""Where the API server and the user are found: the same as kubectl finds, and why there is nothing."""

import base64
from pathlib import Path
from typing import Any

import pytest
import yaml

from mljobs.controller.kube.access import Access, Impersonation, Plugin
from mljobs.controller.kube.errors import KubeError
from mljobs.controller.kube.kubeconfig import find_access

Json = dict[str, Any]

CLUSTER: Json = {"server": "https://10.0.0.1:6443/"}
EXEC: Json = {
    "command": "get-token",
    "apiVersion": "client.authentication.k8s.io/v1",
    "interactiveMode": "Never",
}


def config(cluster: Json | None = None, user: Json | None = None, context: Json | None = None) -> Json:
    """A kubeconfig with one of each."""
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "here",
        "clusters": [{"name": "c", "cluster": cluster or CLUSTER}],
        "users": [{"name": "u", "user": user or {}}],
        "contexts": [{"name": "here", "context": {"cluster": "c", "user": "u", **(context or {})}}],
    }


def written(path: Path, document: Json | str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(document if isinstance(document, str) else yaml.safe_dump(document))
    return path


def found(path: Path, document: Json, *, context: str | None = None, **environ: str) -> Access:
    """What is found in a kubeconfig."""
    return find_access(str(written(path / "config", document)), context, environ=environ)


@pytest.fixture
def pod(tmp_path: Path) -> Path:
    """The files of a Pod's service account."""
    folder = tmp_path / "pod"
    for name, text in {"token": "secret", "ca.crt": "PEM", "namespace": "team-a\n"}.items():
        written(folder / name, text)
    return folder


POD_ENV = {"KUBERNETES_SERVICE_HOST": "10.0.0.1", "KUBERNETES_SERVICE_PORT": "443"}


class TestWhere:
    def test_the_home_directory_is_looked_in(self, tmp_path: Path) -> None:
        written(tmp_path / ".kube/config", config())
        assert find_access(environ={"HOME": str(tmp_path)}).server.url == "https://10.0.0.1:6443"

    def test_kubeconfig_goes_before_it(self, tmp_path: Path) -> None:
        written(tmp_path / ".kube/config", config())
        other = written(tmp_path / "other", config({"server": "https://other"}))
        environ = {"HOME": str(tmp_path), "KUBECONFIG": str(other)}
        assert find_access(environ=environ).server.url == "https://other"

    def test_the_first_file_to_name_something_wins(self, tmp_path: Path) -> None:
        first = {"users": [{"name": "u", "user": {"token": "first"}}]}
        second = config(user={"token": "second", "username": "ignored with the rest of the entry"})
        paths = [
            written(tmp_path / "a/1", first),
            tmp_path / "missing",
            written(tmp_path / "b/2", second),
            written(tmp_path / "b/3", {"current-context": "elsewhere"}),
        ]
        access = find_access(environ={"KUBECONFIG": ":".join(map(str, paths))})
        assert (access.user.token, access.user.username) == ("first", "")
        assert access.server.url == "https://10.0.0.1:6443"

    def test_a_pod_uses_its_own_account(self, pod: Path) -> None:
        access = find_access(environ=POD_ENV, pod=pod)
        assert access.server.url == "https://10.0.0.1:443"
        assert (access.server.ca_file, access.user.token_file) == (pod / "ca.crt", pod / "token")
        assert (access.namespace, access.origin) == ("team-a", "the Pod's service account")

    def test_an_address_of_ipv6_gets_its_brackets(self, pod: Path) -> None:
        environ = {**POD_ENV, "KUBERNETES_SERVICE_HOST": "fd00::1"}
        assert find_access(environ=environ, pod=pod).server.url == "https://[fd00::1]:443"

    def test_a_kubeconfig_goes_before_the_pod(self, tmp_path: Path, pod: Path) -> None:
        environ = {**POD_ENV, "KUBECONFIG": str(written(tmp_path / "c", config()))}
        assert find_access(environ=environ, pod=pod).server.url == "https://10.0.0.1:6443"

    @pytest.mark.parametrize("text", ["", "clusters: null\n", "apiVersion: v1\nkind: Config\n"])
    def test_an_empty_one_does_not(self, tmp_path: Path, pod: Path, text: str) -> None:
        environ = {**POD_ENV, "KUBECONFIG": str(written(tmp_path / "c", text))}
        assert find_access(environ=environ, pod=pod).origin == "the Pod's service account"

    def test_a_context_can_be_chosen(self, tmp_path: Path) -> None:
        document = config()
        document["clusters"].append({"name": "d", "cluster": {"server": "https://d"}})
        document["contexts"].append({"name": "there", "context": {"cluster": "d", "namespace": "n"}})
        access = found(tmp_path, document, context="there")
        assert (access.server.url, access.namespace) == ("https://d", "n")

    def test_the_namespace_is_default_without_one(self, tmp_path: Path) -> None:
        assert found(tmp_path, config()).namespace == "default"


class TestWhat:
    def test_paths_count_from_the_file(self, tmp_path: Path) -> None:
        user = {"tokenFile": "t", "client-certificate": "../c", "client-key": "/abs/k"}
        access = found(tmp_path, config({**CLUSTER, "certificate-authority": "pki/ca"}, user))
        assert access.server.ca_file == tmp_path / "pki/ca"
        assert access.user.token_file == tmp_path / "t"
        assert access.user.cert_file == tmp_path / "../c"
        assert access.user.key_file == Path("/abs/k")

    @pytest.mark.parametrize(
        ("command", "meant"),
        [("./get-token", "{}/get-token"), ("bin/get-token", "{}/bin/get-token"), ("get-token", "get-token")],
    )
    def test_a_plugin_with_a_path_too_and_one_without_is_looked_for(
        self, tmp_path: Path, command: str, meant: str
    ) -> None:
        plugin = found(tmp_path, config(user={"exec": {**EXEC, "command": command}})).user.plugin
        assert plugin is not None
        assert plugin.command == meant.format(tmp_path)

    def test_all_of_a_plugin(self, tmp_path: Path) -> None:
        spec = {
            **EXEC,
            "args": ["--for", "me"],
            "env": [{"name": "A", "value": "b"}],
            "installHint": "Install it.",
            "provideClusterInfo": True,
        }
        assert found(tmp_path, config(user={"exec": spec})).user.plugin == Plugin(
            "get-token", ("--for", "me"), {"A": "b"}, EXEC["apiVersion"], "Never", True, "Install it."
        )

    def test_data_is_decoded(self, tmp_path: Path) -> None:
        data = base64.b64encode(b"-----BEGIN").decode()
        cluster = {**CLUSTER, "certificate-authority-data": data}
        user = {"client-certificate-data": data, "client-key-data": data}
        access = found(tmp_path, config(cluster, user))
        assert {access.server.ca_data, access.user.cert_data, access.user.key_data} == {"-----BEGIN"}

    def test_whom_to_act_as(self, tmp_path: Path) -> None:
        user = {
            "as": "kim",
            "as-uid": "7",
            "as-groups": ["a", "b"],
            "as-user-extra": {"reason": ["x", "y"]},
        }
        assert found(tmp_path, config(user=user)).user.impersonation == Impersonation(
            "kim", "7", ("a", "b"), {"reason": ("x", "y")}
        )

    def test_the_cluster_has_the_last_word_on_the_proxy(self, tmp_path: Path) -> None:
        cluster = {**CLUSTER, "proxy-url": "socks5://bastion:1080", "tls-server-name": "api"}
        server = found(tmp_path, config(cluster), HTTPS_PROXY="http://proxy", NO_PROXY="10.0.0.0/8").server
        assert (server.proxy, server.tls_name) == ("socks5://bastion:1080", "api")

    def test_else_the_environment_says(self, tmp_path: Path) -> None:
        assert found(tmp_path, config(), HTTPS_PROXY="http://proxy").server.proxy == "http://proxy"
        assert found(tmp_path, config(), HTTPS_PROXY="http://p", NO_PROXY="10.0.0.0/8").server.proxy == ""


WRONG: dict[str, tuple[Json | str, str]] = {
    "no YAML": ("{", "it is not YAML"),
    "a list": ("- a", "the file: Input should be a valid dictionary"),
    "wrong type": (config({"server": 7}), r"clusters\.0\.cluster\.server: Input should be a valid string"),
    "no context": (config() | {"current-context": ""}, "no current-context"),
    "unknown context": (
        config() | {"current-context": "x"},
        "no context 'x' in the kubeconfig; it has: here",
    ),
    "unknown cluster": (config(context={"cluster": "x"}), "names the cluster 'x'"),
    "unknown user": (config(context={"user": "x"}), "names the user 'x'"),
    "no server": (config({"tls-server-name": "x"}), "cluster 'c' in .* has no server"),
    "insecure with an authority": (
        config({**CLUSTER, "certificate-authority": "ca", "insecure-skip-tls-verify": True}),
        "both a certificate-authority and insecure-skip-tls-verify",
    ),
    "another proxy": (config({**CLUSTER, "proxy-url": "ftp://p"}), "must begin with http, https or socks5"),
    "twice": (
        config() | {"users": [{"name": "u", "user": {}}] * 2},
        "two entries with the name 'u'",
    ),
    "token and password": (
        config(user={"token": "secret", "username": "kim"}),
        "both a token and a username",
    ),
    "no key": (config(user={"client-certificate": "c"}), "a client-certificate without a client-key"),
    "no base64": (config(user={"client-key-data": "/w=="}), "must be PEM in base64"),
    "groups alone": (config(user={"as-groups": ["a"]}), "without `as`"),
    "no command": (config(user={"exec": {**EXEC, "command": ""}}), "exec has no command"),
    "old plugin": (
        config(user={"exec": {**EXEC, "apiVersion": "client.authentication.k8s.io/v1alpha1"}}),
        "must be client.authentication.k8s.io/v1 or",
    ),
    "no mode": (config(user={"exec": {**EXEC, "interactiveMode": ""}}), "exec has no interactiveMode"),
    "two logins": (
        config(user={"exec": EXEC, "auth-provider": {"name": "oidc"}}),
        "both exec and auth-provider",
    ),
    "gcp": (config(user={"auth-provider": {"name": "gcp"}}), "install gke-gcloud-auth-plugin"),
    "unknown login": (config(user={"auth-provider": {"name": "x"}}), "auth-provider 'x' is not supported"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_cannot_be_used_is_named_and_no_secret_with_it(tmp_path: Path, case: str) -> None:
    document, message = WRONG[case]
    file = written(tmp_path / "config", document)
    with pytest.raises(KubeError, match=message) as caught:
        find_access(str(file), environ={})
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("environ", [{}, {"KUBECONFIG": "/nowhere"}, {"HOME": "/nowhere"}])
def test_nothing_at_all_says_what_to_do(environ: dict[str, str]) -> None:
    with pytest.raises(KubeError, match=r"run inside a cluster, or set KUBECONFIG \(.+\)"):
        find_access(environ=environ, pod=Path("/nowhere"))


def test_a_file_that_is_named_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(KubeError, match="there is no such file"):
        find_access(str(tmp_path / "none"), environ={})
