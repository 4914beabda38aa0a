#!/usr/bin/env bash
# Create the Python environment of a job: install.sh NAME EXTRAS TORCH PYTHON
#
#   NAME    the environment becomes ~/clipvec/NAME
#   EXTRAS  extras of clipvec, comma-separated; may be empty
#   TORCH   the build of torch, as for uv's --torch-backend: auto (by the machine's driver), cpu;
#           or image: the machine's own Python already has everything
#   PYTHON  version of Python, such as 3.12
#
# Next to this file are the wheel of clipvec and, for each set of extras, the versions installed
# where the job was launched: lock.txt, lock-s3-sample.txt.
set -euo pipefail
name=$1 extras=$2 torch=$3 version=$4
here=$(cd "$(dirname "$0")" && pwd)
wheel=$(echo "$here"/*.whl)
lock=$here/lock${extras:+-${extras//,/-}}.txt
environment=$HOME/clipvec/$name

say() { echo "clipvec: $*"; }

# Whether the machine's own Python has every version in the lock.
satisfied() {
  "$machine" - "$lock" "$version" 2> /dev/null << 'PYTHON'
import sys
from importlib.metadata import version
from pathlib import Path

from packaging.requirements import Requirement

wanted = [Requirement(line) for line in Path(sys.argv[1]).read_text().splitlines()]
same_python = "{}.{}".format(*sys.version_info) == sys.argv[2]
sys.exit(not (same_python and all(version(r.name) in r.specifier for r in wanted)))
PYTHON
}

# Install only clipvec into an environment that finds everything else in the machine's Python.
add_to_machine() {
  "$machine" -m venv --without-pip "$environment"
  local site
  site=$("$environment/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
  "$machine" -c 'import sys; print(*(p for p in sys.path if p.endswith("-packages")), sep="\n")' \
    > "$site/machine.pth"
  "$environment/bin/python" -m zipfile -e "$wheel" "$site"
}

# Retry uv on connection errors, its exit code 2.
retried() {
  local code pause
  for pause in ${CLIPVEC_RETRY_PAUSES:-5 15 45} last; do
    code=0
    "$uv" "$@" || code=$?
    [ $code = 2 ] && [ "$pause" != last ] || return $code
    say "retrying in $pause s"
    sleep "$pause"
  done
}

install() {
  local constraints=$1
  shift
  retried pip install --quiet --python "$environment" --constraints "$constraints" "$@" \
    "$wheel${extras:+[$extras]}"
}

make_environment() {
  uv=$HOME/.local/bin/uv # SkyPilot installs it
  [ -x "$uv" ] || uv=$(command -v uv) || {
    uv=$HOME/clipvec/uv/bin/uv
    "$machine" -m pip install --quiet --target "$HOME/clipvec/uv" uv
  }
  retried venv --quiet --python "$version" "$environment"
  local any_torch=$environment/lock-any-torch.txt build code=0
  grep -v '^torch' "$lock" > "$any_torch" || true
  install "$lock" --torch-backend "$torch" || code=$?
  # The builds of CUDA 12.6 run on every driver since 525, and on GPUs as old as V100.
  for build in auto cu126; do
    if [ $code = 1 ] && [ "$torch" = auto ]; then
      say "the locked torch has no build for this GPU; trying other versions, $build"
      code=0
      install "$any_torch" --torch-backend "$build" || code=$?
    fi
  done
  if [ $code != 0 ]; then
    say "torch's own index (--torch-backend=$torch) has no such build; using the one from PyPI"
    install "$lock"
  fi
}

mkdir -p "$HOME/clipvec"
exec 9> "$HOME/clipvec/lock"
flock 9 # the jobs of a pool share a machine
# A Slurm allocation that is cancelled removes its home, and may be killed before all of it is gone.
made_for="${SLURM_JOB_ID:-this machine}"
[ "$(cat "$environment/ready" 2> /dev/null)" != "$made_for" ] || exit 0
rm -rf "$environment"
machine=$(command -v python || command -v python3 || true)
if [ "$torch" = image ]; then
  say "cloud.image: only clipvec itself is installed"
  add_to_machine
elif satisfied; then
  say "$machine has every version in $(basename "$lock"); only clipvec itself is installed"
  add_to_machine
else
  make_environment
fi
echo "$made_for" > "$environment/ready"
