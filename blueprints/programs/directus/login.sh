#!/bin/sh
# Logs in to Directus: a wrong password is refused; with the token of the right one the user is read and
# a folder is made and found. Without one, nothing is.
program=directus
. "$(dirname "$0")/../ask.sh"
log_in() { # log_in STATUS PASSWORD
    ask "$1" -H 'Content-Type: application/json' -d "{\"email\":\"rosa@example.com\",\"password\":\"$2\"}" "$base/auth/login"
}
log_in 401 wrong >"$folder/refused"
token=$(log_in 200 "$PASSWORD" | member access_token)
ask 200 -H "Authorization: Bearer $token" "$base/users/me" | grep -q rosa@example.com
ask 200 -H "Authorization: Bearer $token" -H 'Content-Type: application/json' -d '{"name":"Lunch with Rosa"}' "$base/folders" >"$folder/made"
ask 200 -H "Authorization: Bearer $token" "$base/folders" | grep -q 'Lunch with Rosa'
ask 401 "$base/users/me" >"$folder/refused"
