# Two images. The last one is what a build without --target makes.
ARG PYTHON=3.11

# The query service, see compose.yaml and docs/service.md: docker build --target service .
# Its packages are the newest at the time.
FROM python:${PYTHON}-slim-bookworm AS service
# The extras of what it serves. cpu, or auto for the build of CUDA that fits the machine that builds.
ARG EXTRAS=faiss,heic,jxl,onnx,raw,s3,sample,serve
ARG TORCH=cpu
COPY pyproject.toml README.md LICENSE /tmp/clipvec/
COPY clipvec /tmp/clipvec/clipvec
COPY conf /tmp/clipvec/conf
COPY launchers /tmp/clipvec/launchers
# The service runs as any user, and keeps the weights of models in /cache.
RUN pip install --no-cache-dir uv \
 && uv pip install --system --no-cache --torch-backend "$TORCH" \
    "/tmp/clipvec[$EXTRAS]" \
 && rm -r /tmp/clipvec \
 && mkdir --mode 1777 /cache
ENV BENTOML_DO_NOT_TRACK=True BENTOML_HOST=0.0.0.0 HF_HOME=/cache HOME=/tmp XDG_CACHE_HOME=/cache
USER 1034:1034
WORKDIR /tmp
EXPOSE 3000
CMD ["bentoml", "serve", "clipvec.service.bento:Clipvec"]

# An image for cloud.image, with every package that jobs need in the versions that are installed
# where it is made; see docs/cloud.md. A dry run writes the folder that it is made from:
#   docker build -f Dockerfile --build-arg EXTRAS=s3 -t me/clipvec data/sweeps/SWEEP/workdir
FROM python:${PYTHON}-slim-bookworm AS jobs
# The extras of the jobs, as in the name of lock-s3.txt. cpu for machines without a GPU; the builds
# of CUDA 12.6 run on every driver since 525.
ARG EXTRAS=
ARG TORCH=cu126
COPY . /tmp/workdir
WORKDIR /tmp/workdir
RUN pip install --no-cache-dir uv \
 && lock=lock${EXTRAS:+-$(echo $EXTRAS | tr , -)}.txt \
 && { grep -v ^torch "$lock" || true; } > any-torch.txt \
 && uv pip install --system --no-cache --constraints any-torch.txt --torch-backend "$TORCH" \
    "$(echo clipvec-*.whl)${EXTRAS:+[$EXTRAS]}" \
 && pip uninstall --yes clipvec \
 && rm -r /tmp/workdir/*
WORKDIR /root
