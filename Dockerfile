# An image for cloud.image, with every package that jobs need in the versions that are installed
# where it is made; see docs/cloud.md. A dry run writes the folder that it is made from:
#   docker build -f Dockerfile --build-arg EXTRAS=s3 -t me/clipvec data/sweeps/SWEEP/workdir
ARG PYTHON=3.11
FROM python:${PYTHON}-slim-bookworm
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
