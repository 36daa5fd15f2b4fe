"""What can be imported from `sweeper.cvae`."""

import subprocess
import sys

import sweeper.cvae
from tests.cvae.training.packs import SMALL


def test_the_public_names_are_these():
    settings = ["DEFAULTS", "METRICS", "CVAEConfig", "DisentanglementLossConfig"]
    model = ["Diverged", "SharedDiscreteCVAE", "inter_latent_jsd_loss", "inter_latent_jsd_from_hidden"]
    assert set(sweeper.cvae.__all__) == {*settings, *model, "evaluate", "load_model", "make_task", "train"}
    assert sweeper.cvae.__all__ == sorted(sweeper.cvae.__all__, key=lambda name: (not name.isupper(), name))


def test_a_model_is_trained_loaded_and_asked_for_its_task(tmp_path):
    params = SMALL | {"seed": 3}
    final = sweeper.cvae.train(params, lambda step, metrics: None, directory=tmp_path)
    model, task, rows = sweeper.cvae.load_model(tmp_path, params)
    assert isinstance(model, sweeper.cvae.SharedDiscreteCVAE)
    assert task.name == sweeper.cvae.make_task(sweeper.cvae.CVAEConfig().task).name
    assert len(rows) == SMALL["train.test_prompts"]
    assert "alignment" in final.keys() & sweeper.cvae.METRICS.keys()


def test_the_settings_are_read_without_torch():
    code = "import sys; from sweeper.cvae import DEFAULTS, METRICS, CVAEConfig; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
