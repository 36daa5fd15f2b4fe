#!/bin/bash
# Writes results/published/NAME from a finished sweep: publish.sh RESULTS NAME ...  (pictures are chosen by hand, with `sweeper plot`)
# ALSO: further columns, such as task.nuisance_entropy,loss.token_weighting,train.baseline_warmup for style
set -eu
from=$1; shift
swept=loss.reduction,loss.beta,loss.posterior_entropy_weight,loss.router_marginal_kl_to_prior_weight,loss.router_support_weight
swept=$swept,loss.inter_latent_divergence_weight,loss.token_weighted_reconstruction_weight,loss.schedules.beta.kind${ALSO:+,$ALSO}
metrics="task_accuracy posterior_entropy alignment alignment_hard"
more=alignment_hard_tie,alignment_nmi,controllability,nll,diagnostics/inter_latent_jsd/weighted_mean
more=$more,diagnostics/inter_latent_jsd/ceiling,diagnostics/information/z_x,diagnostics/information/z_y_given_x
for name in "$@"; do
  to=results/published/$name
  mkdir -p "$to"
  cp "$from/$name/ledger.jsonl" "$from/$name/sweep.yaml" "$to/"
  of=(--results results/published)
  sweeper export "$name" "${of[@]}" --columns "trial,seed,state,$swept,${metrics// /,},$more,steps,wall_s,device,code" --output "$to/trials.csv"
  sweeper export "$name" "${of[@]}" --format parquet --output "$to/trials.parquet"
  means=$(for m in $metrics; do printf ',%s.mean,%s.ci_low,%s.ci_high' "$m" "$m" "$m"; done)
  sweeper export "$name" "${of[@]}" --level config --format markdown --columns "$swept$means,alignment.n" --output "$to/configs.md"
  sweeper verify "$name" "${of[@]}" --json >"$to/verify.json" || [ $? -eq 3 ]
  COLUMNS=150 sweeper verify "$name" "${of[@]}" --no-color >"$to/verify.txt" || [ $? -eq 3 ]
done
