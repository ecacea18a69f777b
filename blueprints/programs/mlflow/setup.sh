#!/bin/sh
# Installs MLflow from PyPI into `site`, beside the manifest, and puts the scripts of its tasks there.
# Flask-WTF is what its logins need; psycopg is SQLAlchemy's present driver for `postgresql://`.
set -eu
cd "$(dirname "$0")"
../install pip mlflow==3.17.2 Flask-WTF==1.3.0 'psycopg[binary]==3.3.9'
cp serve.sh migrate.sh site/
