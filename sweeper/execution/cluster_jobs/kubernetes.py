"""The RayJob manifest of a sweep, for KubeRay."""

from __future__ import annotations

import json
import math
import re
import textwrap
from pathlib import Path

from sweeper.execution.cluster_jobs.shape import gpus_for, job_shape
from sweeper.ledger.paths import similar_folder_name
from sweeper.spec.sweep import Sweep
from sweeper.value_text import plural

LONGEST = 47  # letters of a RayJob's name that KubeRay accepts
PACK_GI = 4  # memory for a pack: a sweep file has no key for it
RUN = "sweeper run /sweep/sweep.yaml --results /results"


def rayjob_manifest(sweep: Sweep, ray_version: str, image: str, claim: str, nodes: int) -> str:
    """The manifest: a RayJob with so many worker nodes, and the sweep file as a ConfigMap.

    `image` has Ray `ray_version`, sweeper and the trainer; `claim` names the volume of the results.
    """
    shape = job_shape(sweep, nodes)
    packs = shape.packs or 1
    # Kubernetes gives out what is asked for: with `auto` that is one pack, and a GPU only where the file names one.
    gpus = gpus_for(packs, sweep.resources.gpu or 0)
    limits = {"cpu": str(math.ceil(packs * sweep.resources.cpu)), "memory": f"{packs * PACK_GI}Gi"}
    limits |= {"nvidia.com/gpu": str(gpus)} if gpus else {}
    reason = "by resources.max_concurrent" if shape.packs else "resources.max_concurrent is auto"
    deadline = (
        f"  activeDeadlineSeconds: {math.ceil(shape.wall_s)} # budget.wall and ten minutes" if shape.wall_s else ""
    )
    final = '"$code" -le 5 ] && [ "$code" -ne 1 ]'
    parts = {
        "NAME": json.dumps(job_name(sweep.name)),
        "CLAIM": json.dumps(claim),
        "ENTRYPOINT": json.dumps(f"sh -c '{RUN}; code=$?; echo exit code $code; [ {final} || exit $code'"),
        "DEADLINE": deadline or "  # activeDeadlineSeconds: 86400 # budget.wall would give one",
        "RAY": json.dumps(ray_version),
        "IMAGE": json.dumps(image),
        "NODES": str(nodes),
        "PACKS": f"For {plural(packs, 'pack')} of trials at once ({reason}).",
        "RESOURCES": json.dumps(limits),
        "SWEEP": textwrap.indent(sweep.text, "    ").rstrip("\n"),
    }
    text = Path(__file__).with_name("rayjob.yaml").read_text(encoding="utf-8")
    return re.sub(r"@([A-Z]+)@", lambda match: parts[match[1]], text)


def job_name(name: str) -> str:
    """The name of the sweep as Kubernetes takes one: lower-case letters, digits and hyphens."""
    plain = re.sub(r"[^a-z0-9]+", "-", similar_folder_name(name).lower())[:LONGEST].strip("-")
    return plain if plain[:1].isalpha() else f"sweep-{plain}"[:LONGEST].strip("-")
