#!/usr/bin/env bash
# Builds the image with buildah, from base images that are made here.
#
# Usage: build.sh [IMAGE]   (as root; prints nothing but buildah's output)
#
# Where traffic is inspected, SSL_CERT_FILE names the bundle to trust; it is mounted for the build only.
set -euo pipefail
cd "$(dirname "$0")/../.."
export STORAGE_DRIVER=vfs BUILDAH_ISOLATION=chroot
image=${1:-localhost/mljobs-operator:test}
tests/image/base.sh
mounts=()
[[ -n ${SSL_CERT_FILE:-} ]] && mounts=(--volume "$SSL_CERT_FILE:/etc/ssl/certs/ca-certificates.crt:ro")
# The proxy's variables, if there are any, go to pip by buildah itself.
buildah bud --pull-never --no-cache --quiet --timestamp 315532800 "${mounts[@]}" \
  --build-arg BUILD_IMAGE=localhost/mljobs-test-build --build-arg RUNTIME_IMAGE=localhost/mljobs-test-runtime \
  --build-arg VERSION="$(sed -n 's/^__version__ = "\(.*\)"/\1/p' operator/mljobs/__init__.py)" \
  --build-arg REVISION="$(git rev-parse HEAD 2>/dev/null || true)" \
  --tag "$image" .
