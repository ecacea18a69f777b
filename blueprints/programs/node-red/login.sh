#!/bin/sh
# Logs in to Node-RED's editor: a wrong password is refused; with the token of the right one the flows
# are read, and without one they are not. The flow itself answers everybody.
program=node-red
. "$(dirname "$0")/../ask.sh"
log_in() { # log_in STATUS PASSWORD
    ask "$1" -d client_id=node-red-editor -d grant_type=password -d 'scope=*' -d username=rosa \
        --data-urlencode "password=$2" "$base/admin/auth/token"
}
log_in 403 wrong >"$folder/refused"
token=$(log_in 200 "$PASSWORD" | member access_token)
ask 200 -H "Authorization: Bearer $token" "$base/admin/flows" | grep -q Greeting
ask 401 "$base/admin/flows" >"$folder/refused"
ask 200 "$base/hello" | grep -q 'Hello from a flow'
