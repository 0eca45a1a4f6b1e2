#!/usr/bin/env bash
# The tests from nothing; arguments go to pytest, e.g. scripts/test.sh -m slow
set -euo pipefail
. "$(dirname "$0")/venv.sh" test
echo "running the tests (some 7 minutes on two idle cores; a busy machine takes longer) ..."
exec .venv/bin/python -m pytest -n auto --maxprocesses 4 "$@"
