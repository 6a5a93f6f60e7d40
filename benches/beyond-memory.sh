#!/usr/bin/env bash
# Peak memory and time of inspecting and packing a dataset, and steps a second from memory and from the packed file, in turn.
#
#   benches/beyond-memory.sh DATASET SCRATCH [STEPS [ROUNDS]]
#   benches/beyond-memory.sh hopper-medium.hdf5 /tmp/packed 300 3
#
# Where the dataset does not fit in memory, it is trained on packed alone. Needs GNU time; DIFFPLAN is the command.
set -euo pipefail
if [ $# -lt 2 ]; then
  sed -n '2,7s/^# \{0,1\}//p' "$0" >&2
  exit 2
fi
dataset=$1 scratch=$2 steps=${3:-300} rounds=${4:-3}
here=$(cd "$(dirname "$0")/.." && pwd)
: "${DIFFPLAN:=$here/target/release/diffplan}"
: "${OPTIONS:=--batch-size 32 --sample-every 0 --log-every 100}"
mkdir -p "$scratch"
read -ra options <<<"$OPTIONS"

# Runs a command, and prints its seconds and peak resident memory in MB.
measured() {
  local name=$1
  shift
  /usr/bin/time -f "%e %M" -o "$scratch/time" "$@" >"$scratch/$name.json" 2>"$scratch/$name.err" || { cat "$scratch/$name.err" >&2; return 1; }
  awk -v name="$name" '{ printf "%-16s %8.1f s %8.0f MB\n", name, $1, $2 / 1024 }' "$scratch/time"
}

rm -f "$scratch/set.pack"
measured inspect "$DIFFPLAN" data inspect "$dataset" --json
measured pack "$DIFFPLAN" data pack "$dataset" --out "$scratch/set.pack" --json
measured inspect-packed "$DIFFPLAN" data inspect "$scratch/set.pack" --json
for round in $(seq "$rounds"); do
  for source in "$dataset" "$scratch/set.pack"; do
    name=train-$([ "$source" = "$dataset" ] && echo memory || echo packed)
    rm -rf "$scratch/run"
    measured "$name" "$DIFFPLAN" train planner --dataset "$source" --out "$scratch/run" --steps "$steps" --json "${options[@]}" || continue
    echo "                 $(grep -o '"steps_per_second":[0-9.]*' "$scratch/$name.json" | tail -n 1 | cut -d: -f2) steps/s, round $round"
  done
done
