# The image in which the nodes of a compiled pipeline run: this package beside TFX 1.16 and kfp, in
# the versions that the tests run with.
#
#   docker build --tag REGISTRY/nsl-tfx:VERSION .
#   nsl-tfx compile PIPELINE --image REGISTRY/nsl-tfx:VERSION --output pipeline.yaml
#
# TFX offers what its containers start with on Kubeflow below Python 3.12 alone, hence the older of
# the two stacks. Code of your own goes on top: FROM this image, and pip install it.
ARG BASE=python:3.10-slim-bookworm

FROM ${BASE} AS build

# pyfarmhash, of which TFDV has need, comes as source only.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends g++ \
    && rm -rf /var/lib/apt/lists/*

WORKDIR /src
COPY requirements/uv.txt requirements/build.txt requirements/tfx-1.16.txt requirements/
RUN python -m pip install --no-cache-dir --require-hashes --requirement requirements/uv.txt \
    && uv venv --no-project --python /usr/local/bin/python /opt/nsl-tfx

COPY setup.py pyproject.toml MANIFEST.in README.md CHANGELOG.md LICENSE ./
COPY nsl_tfx nsl_tfx
# pip and wheel: TFX installs a user's module files with them.
RUN uv build --wheel --no-cache --out-dir dist --python /usr/local/bin/python \
        --build-constraints requirements/build.txt . \
    && uv pip install --no-cache --python /opt/nsl-tfx/bin/python \
        --constraints requirements/tfx-1.16.txt --build-constraints requirements/build.txt \
        "$(ls dist/*.whl)[kfp]" pip wheel

# Again from the base: a compiler is no part of what runs.
FROM ${BASE}

COPY --from=build /opt/nsl-tfx /opt/nsl-tfx
# Compiled pipelines start `python`, by that name.
ENV PATH=/opt/nsl-tfx/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    TF_CPP_MIN_LOG_LEVEL=1
WORKDIR /work

# What each task imports first; better found missing here than in a cluster.
RUN python -c "import nsl_tfx.components, tfx.orchestration.kubeflow.v2.container.kubeflow_v2_run_executor"

CMD ["nsl-tfx", "--help"]
