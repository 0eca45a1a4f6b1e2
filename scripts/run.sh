#!/usr/bin/env bash
# The main job from nothing: teacher-student wetting profiles at L = 20 -> out/wetting.h5, .png
set -euo pipefail
. "$(dirname "$0")/venv.sh"
mkdir -p out
echo "solving the saddle-point equations at six alpha (the first run compiles for some seconds) ..."
.venv/bin/replicadnn solve --scenario teacher-student --L 20 --alpha 25,100,250,500,625,714 \
  --output out/wetting.h5 --plot out/wetting.png --overwrite
echo "look at out/wetting.png; ask what is in the data with: .venv/bin/replicadnn info out/wetting.h5"
