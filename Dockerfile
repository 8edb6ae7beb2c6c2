# What was not tried: our machines have no container engine, so no image was ever built from this file.
# tests/packaging/test_dockerfile.py copies what it copies, runs what it runs (with the paths moved to a
# temporary folder) and asks the entry point for its version; base image, USER and ENV were not tried.

# The version of Python that the tests run with.
ARG PYTHON=3.11

FROM python:${PYTHON}-slim AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /src

# First what changes seldom. Without pip in it, the environment holds nothing but what runs.
COPY requirements/runtime.txt requirements/
RUN python -m venv --without-pip /venv
RUN python -m pip --python /venv/bin/python install --only-binary :all: --require-hashes -r requirements/runtime.txt

# Of the locked development tools only what builds the wheel; pip refuses should one be missing.
COPY requirements/dev.txt requirements/
RUN awk '/^[a-z]/ {wanted = /^(hatchling|packaging|pathspec|pluggy|tomlkit|trove-classifiers)==/} wanted' requirements/dev.txt > build.txt
RUN python -m pip install --target /build --only-binary :all: --require-hashes -r build.txt

COPY pyproject.toml README.md LICENSE ./
COPY crds crds
COPY operator operator
COPY reconcilers reconcilers
RUN PYTHONPATH=/build python -m pip wheel --no-deps --no-build-isolation --wheel-dir /wheels .
RUN python -m pip --python /venv/bin/python install --no-deps --no-index --find-links /wheels engage-sync

FROM python:${PYTHON}-slim
COPY --from=build /venv /venv
# Unbuffered: the last line before a crash must reach the log. No bytecode: the file system is read-only.
ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
# A number, so that Kubernetes can see that it is not root.
USER 65532:65532
EXPOSE 8080
ENTRYPOINT ["/venv/bin/engage-sync"]
CMD ["run"]
