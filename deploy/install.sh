#!/bin/sh
# Install the engine into a folder of its own, every package checked against its hash; what builds it stays outside.
#
#   deploy/install.sh /opt/soar                  both parts
#   deploy/install.sh /opt/soar dependencies     what it runs on: changes only with requirements/, so an image keeps it
#   deploy/install.sh /opt/soar project          the engine itself, from this tree, without the network once built
#
# The folder gets neither pip nor a compiler: packages are put into it by the pip of a second, passing environment.
# Needs Python 3.11 or later with venv (PYTHON names another one than python3).
set -eu

target=${1:?the folder to install into, such as /opt/soar}
part=${2:-all}
python=${PYTHON:-python3}
tree=$(cd "$(dirname "$0")/.." && pwd)

passing=$(mktemp -d)
trap 'rm -rf "$passing"' EXIT INT TERM
"$python" -m venv "$passing/venv"

into_target() {
    "$passing/venv/bin/python" -m pip --python "$target/bin/python" install \
        --no-input --no-cache-dir --disable-pip-version-check --quiet "$@"
}

dependencies() {
    "$python" -m venv --without-pip "$target"
    into_target --require-hashes -r "$tree/requirements/runtime.txt"
}

project() {
    "$passing/venv/bin/python" -m pip install --no-input --no-cache-dir --disable-pip-version-check --quiet \
        --require-hashes -r "$tree/requirements/build.txt"
    (cd "$tree" && "$passing/venv/bin/python" -m hatchling build -t wheel -d "$passing/dist" >/dev/null)
    into_target --no-index --no-deps --force-reinstall "$passing"/dist/*.whl
    # Compiled once here: where it runs the folder may be read-only.
    "$target/bin/python" -m compileall -q "$target/lib"
    "$target/bin/soar" version
}

case $part in
    all) dependencies && project ;;
    dependencies | project) "$part" ;;
    *) echo "$0: '$part' is no part; write dependencies or project, or leave it out" >&2 && exit 2 ;;
esac
