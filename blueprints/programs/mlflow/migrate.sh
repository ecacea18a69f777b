#!/bin/sh
# Brings the tables of MLflow and of its users to what this version needs: once for a release, before
# any of its tasks starts.
set -eu
exec python3 -c '
import os
import sqlalchemy
import mlflow.db
from mlflow.server.auth.db.utils import migrate
from mlflow.store.db import utils

url = os.environ["DATABASE_URL"]
engine = utils.create_sqlalchemy_engine_with_retry(url)
if utils._is_empty_database(engine):
    utils._initialize_tables(engine)
else:
    utils._upgrade_db(engine)
migrate(engine, "head")
'
