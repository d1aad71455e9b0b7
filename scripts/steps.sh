# Sourced by the other scripts: named steps with their times.
# shellcheck shell=bash

steps_started=$SECONDS
steps_report=""

# step NAME COMMAND…: runs the command, remembers how long it took, and stops everything where it fails.
step() {
  local name=$1 began=$SECONDS
  shift
  printf '\n== %s\n' "$name"
  if ! "$@"; then
    printf '\nFAILED: %s (after %s s)\n' "$name" "$((SECONDS - began))" >&2
    exit 1
  fi
  steps_report+=$(printf '%6s s  %s' "$((SECONDS - began))" "$name")$'\n'
}

# steps_summary: prints what took how long.
steps_summary() {
  printf '\n%s%6s s  in all\n' "$steps_report" "$((SECONDS - steps_started))"
}
