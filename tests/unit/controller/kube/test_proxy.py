"""Which proxy the environment wants: each answer is the one of Go's `httpproxy`, which kubectl uses."""

import pytest

from mljobs.controller.kube.proxy import proxy_for

PROXY = "http://proxy:3128"

CASES = [
    ("https://10.0.0.1:6443", "10.0.0.0/8", ""),
    ("https://10.0.0.1:6443", "10.0.0.1/8", ""),
    ("https://11.0.0.1:6443", "10.0.0.0/8", PROXY),
    ("https://10.0.0.1:6443", "10.0.0.1", ""),
    ("https://10.0.0.1:6443", "10.0.0.1:6443", ""),
    ("https://10.0.0.1:6443", "10.0.0.1:443", PROXY),
    ("https://10.0.0.1:6443", "10.*", PROXY),
    ("https://10.0.0.1:6443", "10.0.0.0/255.0.0.0", PROXY),
    ("https://10.0.0.1:6443", "010.0.0.1", PROXY),
    ("https://10.0.0.1:6443", "::ffff:10.0.0.0/104", ""),
    ("https://[fd00::1]:6443", "fd00::/8", ""),
    ("https://[fd00::1]:6443", "fd00::1", ""),
    ("https://[fd00::1]:6443", "[fd00::1]:6443", ""),
    ("https://[fd00::1]:6443", "10.0.0.0/8", PROXY),
    ("https://[fe80::1%25eth0]:6443", "fe80::1", ""),
    ("https://[::ffff:10.0.0.1]:6443", "10.0.0.0/8", ""),
    ("https://api.example.com", "example.com", ""),
    ("https://example.com", "example.com", ""),
    ("https://API.example.com", "EXAMPLE.com", ""),
    ("https://xexample.com", "example.com", PROXY),
    ("https://example.com", ".example.com", PROXY),
    ("https://api.example.com", ".example.com", ""),
    ("https://api.example.com", "*.example.com", ""),
    ("https://example.com", "*.example.com", PROXY),
    ("https://api.example.com", "example.com:443", ""),
    ("https://api.example.com:6443", "example.com:443", PROXY),
    ("https://bücher.example", "xn--bcher-kva.example", ""),
    ("https://api.example.com", " , other, example.com ", ""),
    ("https://api.example.com", "*", ""),
    ("https://api.example.com", "", PROXY),
    ("https://127.0.0.1:6443", "", ""),
    ("https://127.9.9.9:6443", "", ""),
    ("https://[::1]:6443", "", ""),
    ("https://localhost:6443", "", ""),
]


@pytest.mark.parametrize(("url", "no_proxy", "proxy"), CASES)
def test_exceptions(url: str, no_proxy: str, proxy: str) -> None:
    assert proxy_for(url, {"HTTPS_PROXY": PROXY, "NO_PROXY": no_proxy}) == proxy


@pytest.mark.parametrize(
    ("environ", "proxy"),
    [
        ({"HTTP_PROXY": "http://plain"}, ""),
        ({"ALL_PROXY": "http://all"}, ""),
        ({"https_proxy": "http://lower"}, "http://lower"),
        ({"HTTPS_PROXY": "", "https_proxy": "http://lower"}, "http://lower"),
        ({"HTTPS_PROXY": "http://upper", "https_proxy": "http://lower"}, "http://upper"),
        ({"HTTPS_PROXY": "proxy:3128"}, "http://proxy:3128"),
        ({"HTTPS_PROXY": "socks5://proxy:1080"}, "socks5://proxy:1080"),
        ({"HTTPS_PROXY": "http://proxy", "no_proxy": "10.0.0.0/8"}, ""),
        ({}, ""),
    ],
)
def test_the_variables(environ: dict[str, str], proxy: str) -> None:
    assert proxy_for("https://10.0.0.1:6443", environ) == proxy


def test_a_server_without_tls_has_a_variable_of_its_own() -> None:
    assert proxy_for("http://10.0.0.1:8001", {"HTTP_PROXY": "http://plain"}) == "http://plain"
