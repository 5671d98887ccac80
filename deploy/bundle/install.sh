#!/bin/sh
# sh install.sh [FOLDER]: installs the suite from the folder of this file into FOLDER (./stt), without a network.
# PYTHON names another Python than python3. `--system` only says what this one is.
set -e
here=$(cd "$(dirname "$0")" && pwd)
into=${1:-stt}
python=${PYTHON:-python3}
system=$("$python" -c 'import platform, sys; print(sys.platform, platform.machine(), "Python %d.%d" % sys.version_info[:2])')
if [ "$into" = --system ]; then
    echo "$system"
    exit
fi
if [ "$system" != "$(cat "$here/system")" ]; then
    echo "error: this bundle is for $(cat "$here/system"), and $python is $system; PYTHON names another one" >&2
    exit 1
fi
"$python" -m venv "$into"
install() { "$into/bin/python" -m pip --disable-pip-version-check install --quiet --no-index "$@"; }
install --find-links "$here/wheels" --require-hashes -r "$here/run.lock"
install --no-deps "$here"/wheels/realtime_stt_suite-*.whl
echo "Start it: MODELS_DIR=$here/models $into/bin/stt up"
