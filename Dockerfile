# prunelab on a CPU: docker build -t prunelab . && docker run --rm -v "$PWD/work:/work" prunelab experiment=report
#
# torch from the package registry brings CUDA's libraries, which a CPU never loads: they are removed in the same layer.
FROM python:3.11-slim

RUN apt-get update \
 && apt-get install -y --no-install-recommends git libgomp1 \
 && rm -rf /var/lib/apt/lists/*

WORKDIR /src
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY src src
COPY conf conf

ARG EXTRAS=joblib,onnx,search
RUN pip install --no-cache-dir -c constraints.txt ".[${EXTRAS}]" \
 && pip freeze | grep -E '^(nvidia-|cuda-|triton)' | cut -d= -f1 | xargs -r pip uninstall -y

# Stores, data and outputs are below the folder in which prunelab is started.
RUN useradd --create-home prunelab && mkdir /work && chown prunelab /work
USER prunelab
WORKDIR /work
ENTRYPOINT ["prunelab"]
CMD ["--help"]
