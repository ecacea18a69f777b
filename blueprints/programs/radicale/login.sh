#!/bin/sh
# Logs in to Radicale: a wrong password is refused; the right one makes a calendar, puts an event into
# it and reads it, which nobody else may.
program=radicale
. "$(dirname "$0")/../ask.sh"
calendar="$base/rosa/calendar-$$/"
ask 401 -u rosa:wrong -X PROPFIND -H 'Depth: 0' "$base/rosa/" >"$folder/refused"
ask 201 -u "rosa:$PASSWORD" -X MKCALENDAR "$calendar"
printf '%s\r\n' BEGIN:VCALENDAR VERSION:2.0 PRODID:-//login//EN BEGIN:VEVENT UID:first \
    DTSTAMP:20260101T000000Z DTSTART:20260101T120000Z 'SUMMARY:Lunch with Rosa' \
    END:VEVENT END:VCALENDAR >"$folder/event"
ask 201 -u "rosa:$PASSWORD" -X PUT -H 'Content-Type: text/calendar' --data-binary "@$folder/event" "${calendar}first.ics"
ask 200 -u "rosa:$PASSWORD" "${calendar}first.ics" | grep -q 'Lunch with Rosa'
ask 401 "${calendar}first.ics" >"$folder/refused"
