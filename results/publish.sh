#!/bin/bash
# Writes results/published/NAME from a finished sweep: publish.sh RESULTS NAME ...  (pictures are chosen by hand, with `sweeper plot`)
# Further settings that a sweep varies get their columns behind these.
set -eu
from=$1; shift
swept=loss.reduction,loss.beta,loss.posterior_entropy_weight,loss.router_marginal_kl_to_prior_weight,loss.router_support_weight
swept=$swept,loss.inter_latent_divergence_weight,loss.token_weighted_reconstruction_weight,loss.schedules.beta.kind
metrics="task_accuracy posterior_entropy alignment alignment_hard"
more=alignment_hard_tie,alignment_nmi,controllability,nll,diagnostics/inter_latent_jsd/weighted_mean
more=$more,diagnostics/inter_latent_jsd/ceiling,diagnostics/information/z_x,diagnostics/information/z_y_given_x
for name in "$@"; do
  to=results/published/$name
  mkdir -p "$to"
  cp "$from/$name/ledger.jsonl" "$from/$name/sweep.yaml" "$to/"
  of=(--results results/published)
  columns=$swept
  for one in $(grep -m1 -o '"varied":\[[^]]*\]' "$to/ledger.jsonl" | grep -o '[a-z_]*\.[a-z_.]*'); do
    case ,$columns, in *,"$one",*) ;; *) columns=$columns,$one ;; esac
  done
  sweeper export "$name" "${of[@]}" --columns "trial,seed,state,$columns,${metrics// /,},$more,steps,wall_s,device,code" --output "$to/trials.csv"
  sweeper export "$name" "${of[@]}" --format parquet --output "$to/trials.parquet"
  means=$(for m in $metrics; do printf ',%s.mean,%s.ci_low,%s.ci_high' "$m" "$m" "$m"; done)
  sweeper export "$name" "${of[@]}" --level config --format markdown --columns "$columns$means,alignment.n" --output "$to/configs.md"
  sweeper verify "$name" "${of[@]}" --json >"$to/verify.json" || [ $? -eq 3 ]
  COLUMNS=150 sweeper verify "$name" "${of[@]}" --no-color >"$to/verify.txt" || [ $? -eq 3 ]
done
