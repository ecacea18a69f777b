#!/bin/sh
# Installs JupyterLab from PyPI into `site`, beside the manifest, and puts the settings there.
set -eu
cd "$(dirname "$0")"
../install pip jupyterlab==4.6.6
cp settings.py site/
