# memcell on a CPU, with every extra that a command needs:
#   docker build -t memcell .
#   docker run --rm -v "$PWD/recordings:/data:ro" -v "$PWD/found:/found" memcell predict sleep /data --out /found
FROM python:3.12-slim-bookworm

# generated code is compiled when it is first used; without a compiler cells run in a plain loop
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends gcc libc6-dev \
    && rm -rf /var/lib/apt/lists/*

WORKDIR /src
COPY . .
# the CPU build of torch is a tenth of the size of the one for GPUs
RUN pip install --no-cache-dir --extra-index-url https://download.pytorch.org/whl/cpu \
    -c constraints.txt '.[bids,cluster,live,onnx,parquet]' \
    && useradd --create-home --home-dir /var/memcell --uid 1000 memcell

USER 1000:1000
WORKDIR /var/memcell
ENTRYPOINT ["memcell"]
CMD ["--help"]
