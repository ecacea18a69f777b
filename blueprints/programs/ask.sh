# What the login scripts share. Sourced with `program` set; usage of each: PASSWORD=... login.sh BASEURL
# shellcheck shell=sh disable=SC2034,SC2154
set -eu
base=${1:?usage: PASSWORD=... login.sh BASEURL}
: "${PASSWORD:?PASSWORD is not set: neargate secret get password --reveal}"
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

# ask STATUS ARGUMENT...: a request by curl that must be answered so; its body goes to standard output.
ask() {
    wanted=$1
    shift
    found=$(curl -sS --max-time 30 -o "$folder/body" -w '%{http_code}' "$@") || found="curl exit $?"
    if [ "$found" != "$wanted" ]; then
        echo "$program: $* was answered with $found, not $wanted:" >&2
        head -c 2000 "$folder/body" >&2
        exit 1
    fi
    cat "$folder/body"
}

# member NAME: the value of a member of a JSON object, wherever it is.
member() {
    sed -n "s/.*\"$1\": *\"\([^\"]*\)\".*/\1/p"
}
