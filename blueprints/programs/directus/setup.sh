#!/bin/sh
# Installs Directus from npm into `site`, beside the manifest, and puts the script of its tasks there.
# 10.13 is the last series for Node 20 that needs no licence key.
set -eu
cd "$(dirname "$0")"
../install npm directus@10.13.1
cp directus.sh site/
