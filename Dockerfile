# The image of the operator: nothing but Python, the locked dependencies and mljobs; no shell, no pip.
#
#   make image BUILD_DIGEST=sha256:… RUNTIME_DIGEST=sha256:…
#
# Both bases are pinned by the digest of their index of all platforms. None stands here, where it would grow old
# and keep the bases' security updates out: whoever builds gives those that they have checked, and a build
# without them fails unless ALLOW_UNPINNED is set. Both bases have to bring the same minor version of Python.
# Nothing here depends on the platform, so that `docker buildx build --platform linux/amd64,linux/arm64` works
# as it stands.
ARG BUILD_IMAGE=python:3.11-slim-bookworm
ARG BUILD_DIGEST=
ARG RUNTIME_IMAGE=gcr.io/distroless/python3-debian12:nonroot
ARG RUNTIME_DIGEST=

FROM ${BUILD_IMAGE}${BUILD_DIGEST:+@${BUILD_DIGEST}} AS build
ARG BUILD_DIGEST
ARG RUNTIME_DIGEST
ARG ALLOW_UNPINNED=
RUN [ -n "$ALLOW_UNPINNED" ] || { [ -n "$BUILD_DIGEST" ] && [ -n "$RUNTIME_DIGEST" ]; } || { \
        echo "The base images are not pinned: give BUILD_DIGEST and RUNTIME_DIGEST (sha256:...; docs/install.md" \
            "says where they come from), or ALLOW_UNPINNED=yes for an image that is only tried" >&2; exit 1; }
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore \
    PYTHONDONTWRITEBYTECODE=1 SOURCE_DATE_EPOCH=315532800
WORKDIR /src
RUN python3 -m venv /tools && python3 -m venv --without-pip /opt/mljobs
COPY requirements/ requirements/
# The build backend comes from the lock too, so that nothing is installed that has no hash.
RUN awk '/^[a-z]/ { on = /^(hatchling|packaging|pathspec|pluggy|trove-classifiers)==/ } on' \
        requirements/dev.txt > /tmp/backend.txt \
    && /tools/bin/pip install --quiet --no-deps --require-hashes --only-binary :all: -r /tmp/backend.txt \
    && /tools/bin/pip --python /opt/mljobs/bin/python3 install --quiet --no-deps --no-compile \
        --require-hashes --only-binary :all: -r requirements/runtime.txt
COPY pyproject.toml README.md LICENSE ./
COPY operator/ operator/
COPY deploy/image/trim.py deploy/image/trim.py
RUN /tools/bin/pip wheel --quiet --no-deps --no-build-isolation --wheel-dir /wheels . \
    && /tools/bin/pip --python /opt/mljobs/bin/python3 install --quiet --no-deps --no-compile --no-index \
        --find-links /wheels mljobs-operator
RUN /opt/mljobs/bin/python3 deploy/image/trim.py /opt/mljobs /usr/bin/python3

FROM ${RUNTIME_IMAGE}${RUNTIME_DIGEST:+@${RUNTIME_DIGEST}}
ARG RUNTIME_IMAGE
ARG RUNTIME_DIGEST
ARG VERSION=dev
ARG REVISION=
LABEL org.opencontainers.image.title="mljobs-operator" \
      org.opencontainers.image.description="Runs TrainingJob and PredictionJob resources on Google's managed ML service" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.base.name="${RUNTIME_IMAGE}" \
      org.opencontainers.image.base.digest="${RUNTIME_DIGEST}"
COPY --from=build /opt/mljobs /opt/mljobs
ENV PATH=/opt/mljobs/bin:/usr/bin:/bin PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
USER 65532:65532
EXPOSE 8080
ENTRYPOINT ["mljobs"]
CMD ["run"]
