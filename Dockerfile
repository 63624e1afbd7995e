# The image of the operator: nothing but Python, the locked dependencies and mljobs; no shell, no pip.
#
#   docker build -t mljobs-operator:dev .
#
# A release pins both bases: --build-arg BUILD_DIGEST=sha256:… --build-arg RUNTIME_DIGEST=sha256:… (of the
# index of all platforms). Both have to bring the same minor version of Python. Nothing here depends on the
# platform, so that `docker buildx build --platform linux/amd64,linux/arm64` works as it stands.
ARG BUILD_IMAGE=python:3.11-slim-bookworm
ARG BUILD_DIGEST=
ARG RUNTIME_IMAGE=gcr.io/distroless/python3-debian12:nonroot
ARG RUNTIME_DIGEST=

FROM ${BUILD_IMAGE}${BUILD_DIGEST:+@${BUILD_DIGEST}} AS build
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
COPY deploy/ deploy/
RUN /tools/bin/pip wheel --quiet --no-deps --no-build-isolation --wheel-dir /wheels . \
    && /tools/bin/pip --python /opt/mljobs/bin/python3 install --quiet --no-deps --no-compile --no-index \
        --find-links /wheels mljobs-operator
RUN /opt/mljobs/bin/python3 deploy/image/trim.py /opt/mljobs /usr/bin/python3

FROM ${RUNTIME_IMAGE}${RUNTIME_DIGEST:+@${RUNTIME_DIGEST}}
ARG VERSION=dev
ARG REVISION=
LABEL org.opencontainers.image.title="mljobs-operator" \
      org.opencontainers.image.description="Runs TrainingJob and PredictionJob resources on Google's managed ML service" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=build /opt/mljobs /opt/mljobs
ENV PATH=/opt/mljobs/bin:/usr/bin:/bin PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
USER 65532:65532
EXPOSE 8080
ENTRYPOINT ["mljobs"]
CMD ["run"]
