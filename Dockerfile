# calcigraph as a command and as a Dask worker; docker-compose.yml builds it. Every package has its hash in requirements.lock.
FROM python:3.11-slim AS build
# Extras of pyproject.toml. Without segment, cells have to come as masks, and the image lacks several GB (PyTorch).
ARG EXTRAS="formats exchange segment s3"
ENV UV_NO_CACHE=1 UV_COMPILE_BYTECODE=1
RUN python -m pip install --no-cache-dir uv==0.13.9
WORKDIR /source
# First what changes seldom, so that a change of calcigraph installs no package anew.
COPY pyproject.toml requirements.lock docker/pinned.py ./
RUN python pinned.py $EXTRAS > pinned.txt \
    && uv venv --python "$(command -v python)" /opt/calcigraph \
    && uv pip install --python /opt/calcigraph/bin/python --require-hashes --constraint requirements.lock -r pinned.txt
COPY . .
RUN uv pip install --python /opt/calcigraph/bin/python --no-deps --no-build-isolation .

FROM python:3.11-slim
COPY --from=build /opt/calcigraph /opt/calcigraph
# Batches and cultures run side by side already, so each needs one thread for its linear algebra.
ENV PATH=/opt/calcigraph/bin:$PATH OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1
RUN useradd --create-home --uid 1000 calcigraph
USER calcigraph
WORKDIR /lab
ENTRYPOINT ["calcigraph"]
CMD ["--help"]
