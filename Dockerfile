# prunelab on a CPU, writing into ./work, which must be there and yours:
#   mkdir -p work && docker build -t prunelab . \
#     && docker run --rm --user "$(id -u):$(id -g)" -e HOME=/work -v "$PWD/work:/work" prunelab experiment=report
#
# By default torch comes with CUDA's libraries, 4 GB that a CPU has no use for. Without them:
#   docker build --build-arg TORCH_INDEX=ADDRESS ... with the address of PyTorch's own index of CPU builds, see pytorch.org
FROM python:3.11-slim

RUN apt-get update \
 && apt-get install -y --no-install-recommends git libgomp1 \
 && rm -rf /var/lib/apt/lists/*

WORKDIR /src
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY src src
COPY conf conf

ARG EXTRAS=joblib,onnx,search
ARG TORCH_INDEX=
RUN if [ -n "$TORCH_INDEX" ]; then \
      pip install --no-cache-dir -c constraints.txt --extra-index-url "$TORCH_INDEX" torch torchvision; \
    fi \
 && pip install --no-cache-dir -c constraints.txt ".[${EXTRAS}]"

# Stores, data and outputs are below the folder in which prunelab is started.
RUN useradd --create-home prunelab && mkdir /work && chown prunelab /work
USER prunelab
WORKDIR /work
ENTRYPOINT ["prunelab"]
CMD ["--help"]
