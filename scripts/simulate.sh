#!/usr/bin/env bash
# A simulated year, by seed: the production worker, domain and Instagram client under outages, partitions, crashes, clock jumps
# and rate limits, over a real SQLite database in memory. Prints a short report for each; fails where a connection was lost that
# could have been kept. The same arguments give the same year, to the last step.
#
#   scripts/simulate.sh                                    the full years of seeds 1 and 2: 100,000 connections, 3 replicas
#   scripts/simulate.sh --seed 7 --connections 1000        a smaller one
#
# --seed N[,N…]                            one year for each; as many at a time as there are processors
# --world both-valid|same-token|old-dead   what a refresh does to the old grant (nobody knows Instagram's answer)
# --days N, --replicas N
# --without journal                        what a year costs without the journal
# --jump-hours N                           how far a replica's clock jumps at most
# --shortest S, --longest S                how often a worker looks, in seconds (production: 1 and 15)
# --debug                                  with the build that the tests use
set -euo pipefail
cd "$(dirname "$0")/.."

profile=(--release)
seeds=1,2
while [ $# -gt 0 ]; do
  case $1 in
    --seed)
      [ $# -ge 2 ] || { echo "$1 needs a value" >&2; exit 2; }
      seeds=$2
      shift 2
      ;;
    --connections | --replicas | --days | --world | --jump-hours | --shortest | --longest | --without)
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

sim=(cargo test --quiet --locked "${profile[@]}" --package holdfast --test sim)
"${sim[@]}" --no-run

reports=$(mktemp -d)
trap 'rm -rf "$reports"' EXIT
year() {
  TIMEFORMAT='  took         %R s, %U s of processor time and %S s of the system'
  export HOLDFAST_SIM_SEED=$1
  time "${sim[@]}" -- --exact years::as_asked --ignored --nocapture
}

failed=0
running=0
for seed in ${seeds//,/ }; do
  if [ "$running" -ge "$(nproc)" ]; then
    wait -n || failed=1
    running=$((running - 1))
  fi
  { year "$seed" >"$reports/$seed" 2>&1 || { echo "seed $seed failed" >>"$reports/$seed"; false; }; } &
  running=$((running + 1))
done
while [ "$running" -gt 0 ]; do
  wait -n || failed=1
  running=$((running - 1))
done
for seed in ${seeds//,/ }; do
  cat "$reports/$seed"
done
exit "$failed"
