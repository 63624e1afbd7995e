#!/usr/bin/env bash
# Makes stand-ins for the two base images of the Dockerfile from Debian packages, where none can be pulled.
#
# Usage: base.sh            (as root; buildah and debootstrap are needed)
#
# localhost/mljobs-test-build: Debian 12 with python3 and venv, in place of python:3.11-slim-bookworm.
# localhost/mljobs-test-runtime: the packages of gcr.io/distroless/python3-debian12, unpacked as that image
# does it: no dpkg, no shell, a user 65532.
set -euo pipefail
export STORAGE_DRIVER=vfs BUILDAH_ISOLATION=chroot
SUITE=bookworm
RUNTIME_PACKAGES=(
  base-files netbase tzdata media-types
  libc6 libssl3 gcc-12-base libgcc-s1 libgomp1 libstdc++6
  libbz2-1.0 libcom-err2 libcrypt1 libdb5.3 libexpat1 libffi8 libgssapi-krb5-2 libk5crypto3 libkeyutils1
  libkrb5-3 libkrb5support0 liblzma5 libncursesw6 libnsl2 libreadline8 libsqlite3-0 libtinfo6 libtirpc3
  libuuid1 zlib1g
  libpython3.11-minimal libpython3.11-stdlib python3.11-minimal python3-distutils
)

have() { buildah inspect --type image "$1" >/dev/null 2>&1; }

# commit FOLDER IMAGE COMMAND…: one layer with the folder's content
commit() {
  local folder=$1 image=$2 container
  shift 2
  container=$(buildah from scratch)
  buildah add --quiet "$container" "$folder" / >/dev/null
  (($#)) && buildah config "$@" "$container"
  buildah commit --quiet --rm "$container" "$image" >/dev/null
}

have localhost/mljobs-test-build && have localhost/mljobs-test-runtime && exit 0
work=$(mktemp -d)
trap 'rm -rf --one-file-system "$work"' EXIT
build=$work/build runtime=$work/runtime
debootstrap --variant=minbase --include=python3,python3-venv,ca-certificates,tzdata,netbase,libgomp1 \
  "$SUITE" "$build" ${DEBIAN_MIRROR:+"$DEBIAN_MIRROR"} >"$work/log" || {
  tail -20 "$work/log" >&2
  exit 1
}
mkdir -p "$runtime"
for package in "${RUNTIME_PACKAGES[@]}"; do
  dpkg-deb --extract "$build/var/cache/apt/archives/${package}"_*.deb "$runtime"
done
rm -rf "$build/var/cache/apt/archives" "$runtime"/usr/share/{doc,man,lintian,locale}
install -D -m 0644 "$build/etc/ssl/certs/ca-certificates.crt" "$runtime/etc/ssl/certs/ca-certificates.crt"
ln -s python3.11 "$runtime/usr/bin/python3"
ln -s python3.11 "$runtime/usr/bin/python"
install -d -m 0755 -o 65532 -g 65532 "$runtime/home/nonroot"
install -d -m 1777 "$runtime/tmp"
printf '%s\n' 'root:x:0:0:root:/root:/sbin/nologin' 'nonroot:x:65532:65532:nonroot:/home/nonroot:/sbin/nologin' >"$runtime/etc/passwd"
printf '%s\n' 'root:x:0:' 'nonroot:x:65532:' >"$runtime/etc/group"
commit "$build" localhost/mljobs-test-build
commit "$runtime" localhost/mljobs-test-runtime --user 65532:65532
