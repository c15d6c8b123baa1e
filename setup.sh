#!/usr/bin/env bash
# Make .venv from requirements.lock with a Python that fits, and install calcigraph into it. Called by `make setup`.
set -euo pipefail
cd "$(dirname "$0")"

fits='import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 12))'
python=
for candidate in python3.12 python3.11 python3 python; do
    if command -v "$candidate" >/dev/null && "$candidate" -c "$fits" >/dev/null 2>&1; then
        python=$candidate
        break
    fi
done
if [ -z "$python" ]; then
    echo "calcigraph needs Python 3.11 or 3.12 (cellpose 3 has no numpy beyond 3.12); none was found on PATH." >&2
    echo "Install one, for example: sudo apt install python3.11 python3.11-venv, and run make again." >&2
    exit 1
fi

rm -rf .venv
if command -v uv >/dev/null; then
    uv=uv
    uv venv --quiet --python "$("$python" -c 'import sys; print(sys.executable)')" .venv
else
    if ! "$python" -m venv .venv; then
        version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
        echo "$python cannot make virtual environments. Install its venv module, for example:" >&2
        echo "sudo apt install python$version-venv, and run make again." >&2
        exit 1
    fi
    .venv/bin/python -m pip install --quiet --disable-pip-version-check uv
    uv=.venv/bin/uv
fi
echo "Installing the locked dependencies (several GB with torch, the first time) ..."
"$uv" pip install --quiet --python .venv/bin/python --compile-bytecode --require-hashes -r requirements.lock
"$uv" pip install --quiet --python .venv/bin/python --no-deps --editable . --compile-bytecode
.venv/bin/python -c "import matplotlib.font_manager"  # builds its font cache
echo "calcigraph is ready: .venv/bin/calcigraph --help"
