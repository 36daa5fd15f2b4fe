"""The commented file that `sweeper init` writes: it runs as it is."""

from __future__ import annotations

from sweeper.spec.writer import word

_TEXT = """\
# yaml-language-server: $schema=./sweeper.schema.json
# Written by `sweeper init`. Try: sweeper plan FILE, then sweeper run FILE
name: {name}                    # the folder in results/, the experiment in MLflow
description: what this sweep asks, in a sentence
trainer: cvae                   # the bundled one, or "package.module:function" of your own

base:                           # trainer settings that do not vary
  train.steps: 1000

method: grid                    # grid | list | random | qmc | tpe | gp | cmaes | nsga2
metric: {{name: alignment, goal: maximize}}

parameters:                     # what varies; bounds are inclusive
  loss.beta: {{values: [0.5, 1]}}
  loss.inter_latent_divergence_weight: {{values: [0, 1]}}
  # loss.router_marginal_kl_to_prior_weight: {{min: 0.01, max: 10, log: true, points: 4}}

# where: ["loss.beta + loss.inter_latent_divergence_weight <= 4"]   # keep only these combinations
seeds: 2                        # each configuration is trained with that many seeds, or with a list of them
# budget: {{trials: 200, wall: 2h, device_hours: 4}}
# resources: {{gpu: auto, cpu: 1, pack: auto, max_concurrent: auto}}

# expect:                       # claims about the finished sweep, checked by `sweeper verify`
#   - {{name: jsd helps, metric: alignment, compare: {{loss.inter_latent_divergence_weight: [1, 0]}}, effect: greater}}
"""


def starter(name: str = "sweep") -> str:
    """The text of a new sweep file. Raises Complaint for a name that cannot be a folder."""
    from sweeper.spec.sections import folder_name

    return _TEXT.format(name=word(folder_name(name)))
