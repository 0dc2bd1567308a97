"""Writes a Whisper encoder with random weights and the given shapes: config.json, model.safetensors in bf16."""
import json
import pathlib

import torch
from models import answer, arguments, model_folder
from safetensors.torch import save_file

given = arguments()
width, mels, layers, heads = given["width"], 80, given["layers"], given["width"] // 64
folder = pathlib.Path(given["folder"])
folder.mkdir(parents=True, exist_ok=True)
config = json.loads((model_folder("base") / "config.json").read_text())
config |= {"d_model": width, "encoder_layers": layers, "encoder_attention_heads": heads, "encoder_ffn_dim": 4 * width,
           "decoder_layers": layers, "decoder_attention_heads": heads, "decoder_ffn_dim": 4 * width, "num_hidden_layers": layers,
           "num_mel_bins": mels}
shapes = {"conv1.weight": (width, mels, 3), "conv1.bias": (width,), "conv2.weight": (width, width, 3), "conv2.bias": (width,),
          "embed_positions.weight": (1500, width), "layer_norm.weight": (width,), "layer_norm.bias": (width,)}
for layer in range(layers):
    linears = {"self_attn.q_proj": (width, width), "self_attn.k_proj": (width, width), "self_attn.v_proj": (width, width),
               "self_attn.out_proj": (width, width), "fc1": (4 * width, width), "fc2": (width, 4 * width)}
    for name, shape in linears.items():
        shapes[f"layers.{layer}.{name}.weight"] = shape
        if name != "self_attn.k_proj":
            shapes[f"layers.{layer}.{name}.bias"] = shape[:1]
    for norm in ("self_attn_layer_norm", "final_layer_norm"):
        shapes |= {f"layers.{layer}.{norm}.weight": (width,), f"layers.{layer}.{norm}.bias": (width,)}
generator = torch.Generator().manual_seed(0)
tensors = {}
for name, shape in shapes.items():
    value = torch.randn(shape, generator=generator) * 0.02
    if "norm.weight" in name:
        value += 1
    tensors[f"model.encoder.{name}"] = value.to(torch.bfloat16)
save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
(folder / "config.json").write_text(json.dumps(config, indent=2))
answer(parameters=sum(value.numel() for value in tensors.values()))
