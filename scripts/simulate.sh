#!/usr/bin/env bash
# A simulated year, by seed: the production worker, domain and Instagram client under outages, partitions, crashes, clock jumps
# and rate limits, over a real SQLite database. Prints a short report; fails where a connection was lost that could have been
# kept. The same arguments give the same year, to the last step.
#
#   scripts/simulate.sh                                    the full year of seed 1: 100,000 connections, 3 replicas
#   scripts/simulate.sh --seed 7 --connections 1000        a smaller one
#
# --world both-valid|same-token|old-dead   what a refresh does to the old grant (nobody knows Instagram's answer)
# --days N, --replicas N
# --jump-hours N                           how far a replica's clock jumps at most
# --shortest S, --longest S                how often a worker looks, in seconds (production: 1 and 15)
# --debug                                  with the build that the tests use
set -euo pipefail
cd "$(dirname "$0")/.."

profile=(--release)
while [ $# -gt 0 ]; do
  case $1 in
    --seed | --connections | --replicas | --days | --world | --jump-hours | --shortest | --longest)
      [ $# -ge 2 ] || { echo "$1 needs a value" >&2; exit 2; }
      name=${1#--}
      name=${name^^}
      export "HOLDFAST_SIM_${name//-/_}=$2"
      shift 2
      ;;
    --debug) profile=(); shift ;;
    *) sed -n '2,/^set/p' "$0" | sed '/^set/d; s/^# \{0,1\}//' >&2; exit 2 ;;
  esac
done

cargo test --quiet --locked "${profile[@]}" --package holdfast --test sim --no-run
TIMEFORMAT='  took         %R s, %U s of processor time and %S s of the system'
time cargo test --quiet --locked "${profile[@]}" --package holdfast --test sim -- \
  --exact years::as_asked --ignored --nocapture
