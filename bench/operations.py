"""The number of floating-point operations that a training step needs: the formula behind "share of the peak".

A multiplication and an addition are two operations. Norms, softmax, GELU, dropout, the head and the optimiser are not
counted. Operations that the result does not need are not counted either: products that attention's backward pass
computes again, the gradient of a projection below the first adapter, the gradient of a frozen weight. With T the
positions of each clip, D the width, F = 4 D, N layers and LoRA of rank R on v_proj of every layer:

  forward    N (24 D² ΣT + 4 D ΣT² + 4 D R ΣT)
             q k v out 8 D², fc1 fc2 16 D²; QKᵀ and PV 2 D T² each; A x and B A x 2 D R each
  backward, layers 1..N-1
             24 D² ΣT + 8 D ΣT² + 8 D R ΣT
             each projection once (its input's gradient); dV dP dQ dK; gradients of B, A x, A and x
  backward, layer 0
             18 D² ΣT + 2 D ΣT² + 6 D R ΣT
             fc2 fc1 out; dV alone, since no gradient of q and k is needed below; gradients of B, A x and A
"""
import math


def positions(seconds: float, tail: float = 0.5) -> int:
    """Number of encoder positions of a clip at its own length with a tail of silence."""
    return math.ceil(round((seconds + tail) * 16000) / 320)


def step(lengths: list[int], width: int, layers: int, rank: int) -> float:
    """Operations of the forward and backward pass of a step over clips with these numbers of positions."""
    once = sum(lengths)
    squares = sum(length * length for length in lengths)
    d, r = width, rank
    forward = layers * (24 * d * d * once + 4 * d * squares + 4 * d * r * once)
    upper = (layers - 1) * (24 * d * d * once + 8 * d * squares + 8 * d * r * once)
    lowest = 18 * d * d * once + 2 * d * squares + 6 * d * r * once
    return forward + upper + lowest
