#!/usr/bin/env bash
# Builds the image with buildah, from base images that are made here and pinned by their digests.
#
# Usage: build.sh [IMAGE]   (as root; prints nothing but buildah's output)
#
# Where traffic is inspected, SSL_CERT_FILE names the bundle to trust; it is mounted for the build only.
set -euo pipefail
cd "$(dirname "$0")/../.."
export STORAGE_DRIVER=vfs BUILDAH_ISOLATION=chroot
tests/image/base.sh
digest() { buildah images --digests --format '{{.Digest}}' --filter "reference=$1"; }
mounts=()
[[ -n ${SSL_CERT_FILE:-} ]] && mounts=(--volume "$SSL_CERT_FILE:/etc/ssl/certs/ca-certificates.crt:ro")
export ENGINE=buildah IMAGE=${1:-localhost/mljobs-operator:test}
export BUILD_IMAGE=localhost/mljobs-test-build RUNTIME_IMAGE=localhost/mljobs-test-runtime
# Set, though empty, they are left as they are: so a test sees what a build without digests does.
export BUILD_DIGEST=${BUILD_DIGEST-$(digest $BUILD_IMAGE)} RUNTIME_DIGEST=${RUNTIME_DIGEST-$(digest $RUNTIME_IMAGE)}
# The proxy's variables, if there are any, go to pip by buildah itself.
exec deploy/image/build.sh --pull-never --no-cache --quiet "${mounts[@]}"
