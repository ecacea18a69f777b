#!/bin/sh
# Serves MLflow with its basic-auth application. URLs with passwords stay out of the process list.
set -eu
umask 077
cat >"$TMPDIR/auth.ini" <<EOF
[mlflow]
default_permission = READ
database_uri = $DATABASE_URL
admin_username = rosa
admin_password = $PASSWORD
EOF
export MLFLOW_AUTH_CONFIG_PATH="$TMPDIR/auth.ini" MLFLOW_BACKEND_STORE_URI="$DATABASE_URL"
exec python3 -m mlflow server --app-name basic-auth --host "${HOST:-127.0.0.1}" --port "$PORT" --workers 1 \
    --artifacts-destination "${ARTIFACTS:-$TMPDIR/artifacts}"
