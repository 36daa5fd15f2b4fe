#!/bin/bash
# Writes results/paper from what is published: the tables as LaTeX (booktabs) and the figures as PDF, without a date.
set -eu
from=results/published to=results/paper
mkdir -p "$to"
for name in weighting length weighting_detour style style_again style_places style_detour style_detour_again style_detour_thirteen style_after_thirteen rivals rivals_again \
  infovae infovae_warmup occupancy occupancy_regions jsd_again jsd_again_detour jsd_again_detour_implicit scale scale_thirteen sort parts parts_detour \
  jsd_shares style_detour_last style_shares occupancy_thirteen occupancy_matched jsd_again_sum_value jsd_points \
  jsd_again_sum_position infovae_thirteen every_beta_ten detour_implicit_thirty_six style_detour_forty_eight \
  di_vae_seventy_two style_between_twenty_four occupancy_thirty_six jsd_mean_eighteen occupancy_sixty \
  detour_marker_forty_eight occupancy_accuracy jsd_mean_forty_eight sum_position_eighteen \
  infovae_forty_eight style_forty occupancy_seventy_two infovae_eighteen occupancy_sixty_more \
  sum_value_thirty_six jsd_seventy_two infovae_seventy_two jsd_mean_hundred_twenty style_between_seventy_two \
  sort_critical sort_collapse sort_strong; do
  sweeper export "$name" --results "$from" --level claims --format latex --output "$to/verdicts-$name.tex"
done
python results/statements.py >"$to/statements.tex"
plot() {  # SWEEP KIND: alignment as $to/KIND-SWEEP.pdf
  sweeper plot "$1" "$2" --results "$from" --metric alignment --format pdf --output "$to/new" >/dev/null
  mv "$to/new/$2-alignment.pdf" "$to/$2-$1.pdf"
  rmdir "$to/new"
}
for name in style style_places style_detour weighting length weighting_detour rivals parts_detour sort_critical; do plot "$name" seeds; done
plot jsd heatmap
