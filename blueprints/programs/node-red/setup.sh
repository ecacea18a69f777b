#!/bin/sh
# Installs Node-RED from npm into `site`, beside the manifest, and puts the settings and flows there.
# 4.x is the last series for Node 20.
set -eu
cd "$(dirname "$0")"
../install npm node-red@4.1.15
cp settings.js flows.json site/
