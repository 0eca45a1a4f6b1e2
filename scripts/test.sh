#!/usr/bin/env bash
# The tests from nothing; arguments go to pytest, e.g. scripts/test.sh -m slow
set -euo pipefail
. "$(dirname "$0")/venv.sh" test
echo "running the tests (10 to 20 minutes of one core; a busy machine takes longer) ..."
exec .venv/bin/python -m pytest "$@"
