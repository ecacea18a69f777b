#!/bin/sh
# Logs in to MLflow: a wrong password is refused; the right one gets the page, makes an experiment and
# finds it. Nobody else does.
program=mlflow
. "$(dirname "$0")/../ask.sh"
api="$base/api/2.0/mlflow"
ask 401 -u rosa:wrong "$base/" >"$folder/refused"
ask 401 "$api/experiments/get-by-name?experiment_name=Default" >"$folder/refused"
ask 200 -u "rosa:$PASSWORD" "$base/" | grep -qi '<title>MLflow'
name="lunch-$(date +%s)-$$"
ask 200 -u "rosa:$PASSWORD" -H 'Content-Type: application/json' -d "{\"name\":\"$name\"}" "$api/experiments/create" >"$folder/made"
ask 200 -u "rosa:$PASSWORD" "$api/experiments/get-by-name?experiment_name=$name" | grep -q "$name"
