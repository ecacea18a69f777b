#!/bin/sh
# Logs in to JupyterLab: a wrong password is refused; with the session of the right one the page comes,
# a notebook is written and read, and a kernel starts. Without a session none of it does.
program=jupyterlab
. "$(dirname "$0")/../ask.sh"
log_in() { # log_in STATUS PASSWORD: by the form, with the cookie and the field against forged requests
    rm -f "$folder/cookies"
    ask 200 -c "$folder/cookies" "$base/login" >"$folder/form"
    xsrf=$(awk '$6 == "_xsrf" {print $7}' "$folder/cookies")
    ask "$1" -b "$folder/cookies" -c "$folder/cookies" --data-urlencode "password=$2" -d "_xsrf=$xsrf" "$base/login"
}
log_in 401 wrong >"$folder/refused"
log_in 302 "$PASSWORD"
session() { # session STATUS ARGUMENT...: a request of who is logged in
    status=$1
    shift
    ask "$status" -b "$folder/cookies" -H "X-XSRFToken: $xsrf" -H 'Content-Type: application/json' "$@"
}
session 200 "$base/lab" | grep -q '<title>JupyterLab</title>'
session 200 "$base/api/me" | grep -q username
session 201 -X PUT -d '{"type":"file","format":"text","content":"Lunch with Rosa"}' "$base/api/contents/lunch-$$.txt" >"$folder/made"
session 200 "$base/api/contents/lunch-$$.txt" | grep -q 'Lunch with Rosa'
kernel=$(session 201 -X POST -d '{"name":"python3"}' "$base/api/kernels" | member id)
session 204 -X DELETE "$base/api/kernels/$kernel"
ask 403 "$base/api/contents" >"$folder/refused"
