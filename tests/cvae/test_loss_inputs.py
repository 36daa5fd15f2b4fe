"""What inter_latent_jsd_loss must not answer, as its answer would be wrong. Shapes as in losses.py."""

import math

import pytest
import torch

from sweeper.cvae import inter_latent_jsd_from_hidden, inter_latent_jsd_loss
from sweeper.cvae.chunked import scores_from_hidden, scores_from_logits

B, K, T, V = 2, 3, 4, 5


def inputs():
    torch.manual_seed(0)
    return {"logits_by_latent": torch.randn(B, K, T, V), "baseline_nll": torch.rand(B, T), "mask": torch.ones(B, T)}


def spoilt(name, value, index=(0, 0)):
    tensor = inputs()[name].clone()
    tensor[index] = value
    return {name: tensor}


WRONG = {
    "log-probabilities": ({"baseline_nll": -torch.rand(B, T)}, r"baseline_nll: expected finite .* found -.*log-prob"),
    "a baseline NLL of NaN": (spoilt("baseline_nll", math.nan), "baseline_nll: expected finite .* found nan at 1 of 8"),
    "an infinite baseline NLL": (spoilt("baseline_nll", math.inf), "baseline_nll: expected finite .* found inf"),
    "a forbidden token at -inf": (spoilt("logits_by_latent", -math.inf, (0, 0, 0, 0)), "logits.*found -inf"),
    "a logit of NaN": (spoilt("logits_by_latent", math.nan, (0, 0, 0, 0)), "logits.*found nan"),
    "a mask of one column": ({"mask": torch.ones(B, 1)}, r"mask: expected .* = \[2, 4\].*found shape \[2, 1\]"),
    "a negative mask": (spoilt("mask", -1.0), "mask: expected values from 0 to 1.*found -1.0 at 1"),
    "a mask of NaN": (spoilt("mask", math.nan), "mask: expected values from 0 to 1.*found nan"),
    "an NLL of sequences": ({"baseline_nll": torch.rand(B)}, r"baseline_nll: expected shape .*found shape \[2\]"),
    "an NLL of integers": ({"baseline_nll": torch.ones(B, T).long()}, "baseline_nll: expected floating .*int64"),
    "positions before latents": ({"logits_by_latent": torch.randn(B, T, K, V)}, r"found shape \[2, 4\] \(is .*\[B,T,K"),
    "probabilities": ({"logits_by_latent": torch.rand(B, K, T, V).softmax(-1)}, "expected logits .* probabilities"),
    "a list": ({"mask": [[1.0] * T] * B}, "mask: expected a torch.Tensor, found list"),
    "an array": ({"logits_by_latent": torch.randn(B, K, T, V).numpy()}, "logits_by_latent: .*Tensor, found ndarray"),
    "no vocabulary": ({"logits_by_latent": torch.randn(B, K, T, 0)}, "none of K and V 0"),
    "integers": ({"logits_by_latent": torch.ones(B, K, T, V).long()}, "logits_by_latent: expected floating .*int64"),
    "too much for float16": ({"logits_by_latent": 1e5 * torch.rand(B, K, T, V).half()}, "found inf .*65504: bfloat16"),
    "no latents": ({"logits_by_latent": torch.randn(B, T, V)}, r"logits_by_latent: expected shape \[B,K,T,V\]"),
}  # fmt: skip


@pytest.mark.parametrize("wrong", WRONG)
def test_refused_with_argument_expected_and_found(wrong):
    change, message = WRONG[wrong]
    with pytest.raises(ValueError, match=message):
        inter_latent_jsd_loss(**{**inputs(), **change})


def test_log_probabilities_are_logits():
    given = inputs()
    logp = given | {"logits_by_latent": given["logits_by_latent"].log_softmax(-1)}
    assert inter_latent_jsd_loss(**logp)[0].item() == pytest.approx(inter_latent_jsd_loss(**given)[0].item(), abs=1e-6)


def test_states_whose_product_overflows_float16_are_refused_with_the_reason():
    hidden, head = torch.full((B, K, T, 6), 200.0).half(), torch.full((V, 6), 200.0).half()
    head[0] = -200
    with pytest.raises(
        ValueError, match=r"hidden_by_latent and head: expected .* found nan .*65504, where float16 ends"
    ):
        inter_latent_jsd_from_hidden(hidden, head, torch.rand(B, T), torch.ones(B, T))


def test_scores_name_their_own_arguments():
    hidden, head, target = torch.randn(B, K, T, 6), torch.randn(V, 6), torch.zeros(B, T).long()
    for function, given, message in (
        (scores_from_logits, (torch.randn(B, T, V), target), r"logits_by_latent: expected shape \[B,K,T,V\], found"),
        (scores_from_logits, (hidden @ head.mT, target.int()), r"target: expected torch.int64 \(target.long\(\)\)"),
        (scores_from_logits, (hidden @ head.mT, target - 100), r"target: .*\(is -100 padding\? .*by a mask"),
        (scores_from_logits, (hidden @ head.mT, [[0]]), "target: expected a torch.Tensor, found list"),
        (scores_from_hidden, (hidden[0], head, target), r"hidden_by_latent: expected shape \[B,K,T,D\], found"),
        (scores_from_hidden, (hidden, head.mT, target), r"head: expected shape \[V,D\] with D = 6"),
    ):
        with pytest.raises(ValueError, match=message):
            function(*given)


def test_what_stands_under_the_mask_is_not_looked_at():
    given = inputs() | spoilt("baseline_nll", math.nan) | spoilt("mask", 0.0)
    assert inter_latent_jsd_loss(**given)[0].isfinite()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_sums_of_half_precision_do_not_overflow(dtype):
    logits, shape = torch.randn(1, 2, 70_000, 2), (1, 70_000)
    given = torch.full(shape, 2.0), torch.ones(shape)
    half, _ = inter_latent_jsd_loss(logits, *(one.to(dtype) for one in given))
    assert float(half) == pytest.approx(float(inter_latent_jsd_loss(logits, *given)[0]), rel=1e-6)


def test_a_boolean_mask_counts_like_ones():
    given = inputs()
    assert inter_latent_jsd_loss(**{**given, "mask": given["mask"].bool()})[0] == inter_latent_jsd_loss(**given)[0]


def test_a_head_of_another_width_or_dtype_is_refused():
    hidden, baseline, mask = torch.randn(B, K, T, 6), torch.rand(B, T), torch.ones(B, T)
    for head, message in (
        (torch.randn(V, 7), r"head: expected shape \[V,D\] with D = 6"),
        (torch.randn(V, 6).half(), "head: expected torch.float32"),
        (torch.full((V, 6), math.nan), "head: .*found nan"),
    ):
        with pytest.raises(ValueError, match=message):
            inter_latent_jsd_from_hidden(hidden, head, baseline, mask)
