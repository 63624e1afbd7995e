#!/usr/bin/env bash
# Builds the image mljobs-operator:VERSION with docker, podman or buildah, whichever works here.
#
# Usage: build.sh [OPTION OF THE ENGINE …]
#
# Variables: ENGINE and IMAGE, to choose another; BUILD_DIGEST and RUNTIME_DIGEST (sha256:…), the versions of
# the bases; BUILD_IMAGE and RUNTIME_IMAGE, other bases; ALLOW_UNPINNED=yes, to take whatever their tags mean
# today; SOURCE_DATE_EPOCH, the date of all files, in seconds. See "The image" in docs/install.md.
set -euo pipefail
cd "$(dirname "$0")/../.."
version=$(sed -n 's/^__version__ = "\(.*\)"/\1/p' operator/mljobs/__init__.py)
revision=$(git rev-parse HEAD 2>/dev/null || true)

works() { command -v "$1" >/dev/null && "$1" info >/dev/null 2>&1; }

engine=${ENGINE:-}
for candidate in docker podman buildah; do
  [[ -z $engine ]] && works "$candidate" && engine=$candidate
done
if [[ -z $engine ]]; then
  echo "found neither docker, podman nor buildah that works: install one, start it, or name it with ENGINE=…" >&2
  exit 1
fi
arguments=(--build-arg "VERSION=$version" --build-arg "REVISION=$revision")
for name in BUILD_IMAGE BUILD_DIGEST RUNTIME_IMAGE RUNTIME_DIGEST ALLOW_UNPINNED; do
  [[ -n ${!name:-} ]] && arguments+=(--build-arg "$name=${!name}")
done
# So that a second build gives the same bytes; docker has no option for it that works with every store.
[[ $engine == docker ]] || arguments+=(--timestamp "${SOURCE_DATE_EPOCH:-315532800}")
exec "$engine" build "${arguments[@]}" "$@" --tag "${IMAGE:-mljobs-operator:$version}" .
