#!/bin/sh
# Installs Radicale from PyPI into `site`, beside the manifest.
set -eu
cd "$(dirname "$0")"
exec ../install pip radicale==3.9.0
