#!/bin/sh
# A worker of nothing but sh and curl: runs a command for each job.
#
#     cargo run --release                                  # the server, in one terminal
#     sh examples/shell/worker.sh words 'wc -w'            # this, in another one
#     curl -H 'Content-Type: application/json' 'localhost:3000/api/v1/jobs?wait=25' \
#          -d '{"type":"words","body":"three little words"}'
#
# The command gets the job's body (JSON) on stdin and prints the result (JSON). If it fails, so does the attempt, with what it
# wrote to stderr as the error. A command that takes longer than a minute needs jobs with a longer `lease_ms`.
#
# The members of an answer come in the same order each time, so a pattern finds them: no JSON tool is needed.
set -eu
export LC_ALL=C

usage='usage: worker.sh TYPE COMMAND [URL]'
type=${1:?$usage}
command=${2:?$usage}
api=${3:-http://127.0.0.1:3000}/api/v1

text='(([^"\\]|\\.)*)'
shape='^\{"jobs":\[\{"id":"'$text'","type":"'$text'","body":(.*),"priority":-?[0-9]+,.*"receipt":"([^"]*)"\}\]\}$'

# Any text, spelled so that it can stand in an address.
spelled() {
    printf %s "$1" | od -An -v -tx1 | tr -d ' \n' | sed 's/../%&/g'
}

# Any text, as JSON.
quoted() {
    printf '"'
    tr '\n\t' '  ' | tr -d '\000-\037' | sed 's/[\\"]/\\&/g' | tr -d '\n'
    printf '"'
}

# answer WORD: says a word on the job, whose members come on stdin.
answer() {
    curl -sS --fail-with-body -o /dev/null -H 'Content-Type: application/json' --data-binary @- "$api/jobs/$id/$1" || :
}

poll=
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
# A job in hand is finished and answered first.
stopping=
trap 'stopping=1; kill "$poll" 2> /dev/null || :' TERM INT

while [ -z "$stopping" ]; do
    # Without a job there is nothing in the answer, and without a server no answer. Behind `&`, a signal need not wait for it.
    curl -sS --fail-with-body --max-time 60 "$api/assignments?type=$(spelled "$type")&wait=25&worker=shell-$$" \
        > "$folder/answer" & poll=$!
    wait "$poll" || { [ -n "$stopping" ] || sleep 1; continue; }
    [ -s "$folder/answer" ] || continue
    tr '\n' ' ' < "$folder/answer" > "$folder/job"
    id=$(spelled "$(sed -E "s/$shape/\1/; s/\\\\(.)/\1/g" "$folder/job")")
    receipt=$(sed -E "s/$shape/\6/" "$folder/job")
    sed -E "s/$shape/\5/" "$folder/job" > "$folder/body"

    if sh -c "$command" < "$folder/body" > "$folder/result" 2> "$folder/error"; then
        { printf '{"receipt":"%s","body":' "$receipt"; cat "$folder/result"; printf '}'; } | answer complete
    else
        { printf '{"receipt":"%s","error":' "$receipt"; quoted < "$folder/error"; printf '}'; } | answer fail
    fi
done
