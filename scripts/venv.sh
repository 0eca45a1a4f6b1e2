# Sourced by the other scripts: makes .venv with this checkout in it (once), needs python3 and pip.
# usage: . scripts/venv.sh [extra]      e.g. . scripts/venv.sh test
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"
extra=${1:-}
stamp=".venv/.installed-${extra:-core}"
if [ ! -e "$stamp" ] || [ pyproject.toml -nt "$stamp" ]; then
  echo "setting up .venv (python3 -m venv, pip install; a minute or two) ..."
  python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
    echo "replicadnn needs Python 3.11 or newer; python3 is $(python3 --version)" >&2
    exit 2
  }
  python3 -m venv .venv
  .venv/bin/python -m pip install --quiet --disable-pip-version-check \
    -e ".${extra:+[$extra]}"
  touch "$stamp"
fi
