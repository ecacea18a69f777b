#!/bin/sh
# Installs FitTrackee from PyPI into `site`, beside the manifest. Nothing of it is in this repository.
# Uses Debian's python3: tasks run as another user, who cannot read an interpreter under a home folder.
set -eu
cd "$(dirname "$0")"
python=${PYTHON:-/usr/bin/python3}
if [ -f site/.complete ]; then
    exit 0
fi
rm -rf site
# setuptools: a dependency imports pkg_resources.
"$python" -m pip install --quiet --disable-pip-version-check --root-user-action=ignore --target site --constraint constraints.txt fittrackee
touch site/.complete
