#!/bin/sh
# Runs a command of Directus. Everything that differs between environments comes from the task's.
set -eu
export DB_CLIENT=pg DB_CONNECTION_STRING="$DATABASE_URL"
export ADMIN_EMAIL=rosa@example.com ADMIN_PASSWORD="$PASSWORD"
export HOST="${HOST:-127.0.0.1}" TELEMETRY=false
export TEMP_PATH="$TMPDIR/temp" EXTENSIONS_PATH="$TMPDIR/extensions" STORAGE_LOCAL_ROOT="$TMPDIR/uploads"
mkdir -p "$TMPDIR/temp" "$TMPDIR/extensions" "$TMPDIR/uploads"
# It answers 503 to everything, health checks too, while its event loop is busy: that takes a task that
# is only slow out of service, and a release with it.
export PRESSURE_LIMITER_ENABLED=false
exec node node_modules/directus/cli.js "$1"
