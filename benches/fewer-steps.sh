#!/usr/bin/env bash
# Return and time by sampler, number of visits and guidance: a markdown table of evaluations in the same episodes.
#
#   benches/fewer-steps.sh CHECKPOINT ENV EPISODES OUT [OPTION…]
#   benches/fewer-steps.sh testdata/pendulum-hor32 Pendulum-v1 50 /tmp/pendulum --batch-size 8
#
# Every evaluation keeps its folder in OUT, so a run that was stopped goes on. GUIDES has the kinds of guidance, each with its options;
# STEPS what is visited. DIFFPLAN is the command; the one that cargo builds by default.
set -euo pipefail
if [ $# -lt 4 ]; then
  sed -n '2,8s/^# \{0,1\}//p' "$0" >&2
  exit 2
fi
checkpoint=$1 env=$2 episodes=$3 out=$4
shift 4
here=$(cd "$(dirname "$0")/.." && pwd)
: "${DIFFPLAN:=$here/target/release/diffplan}"
: "${STEPS:=ddpm:20 ddim:10 ddim:5 ddim:3 dpm++:10 dpm++:5 dpm++:3}"
: "${GUIDES:=unguided=--n-guide-steps 0;diffusers=--guidance diffusers;diffuser=--guidance diffuser}"
mkdir -p "$out"

# A number of a JSON object in one line, by its key; the first of that name.
number() { grep -o "\"$2\":[-0-9.e]*" <<<"$1" | head -n 1 | cut -d: -f2; }

echo "| sampler, visits | guidance | return | ms a plan |"
echo "| --- | --- | --- | --- |"
IFS=';' read -ra guides <<<"$GUIDES"
for guide in "${guides[@]}"; do
  name=${guide%%=*}
  read -ra options <<<"${guide#*=}"
  for visit in $STEPS; do
    sampler=${visit%:*} steps=${visit#*:}
    json=$("$DIFFPLAN" evaluate --checkpoint "$checkpoint" --env "$env" --episodes "$episodes" --seed 1000 --scheduler "$sampler" \
      --num-inference-steps "$steps" "${options[@]}" "$@" --out "$out/$name-$sampler-$steps" --resume --json 2>>"$out/log" | tail -n 1)
    printf '| `%s` %s | %s | %.1f ± %.1f | %.1f |\n' "$sampler" "$steps" "$name" "$(number "$json" mean_return)" \
      "$(number "$json" standard_error)" "$(awk "BEGIN { print 1000 / $(number "$json" plans_per_second) }")"
  done
done
