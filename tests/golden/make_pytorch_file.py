"""Networks as a PyTorch user would save them, and the scores that the oracle gives for them.

Writes pytorch_src.safetensors and pytorch_lif.safetensors, each the state_dict of a torch.nn.Module with a ModuleList named
"layers", and pytorch.json with spikes, labels and expected scores. Needs the oracle, src_reference.py, on PYTHONPATH:

    python -m venv venv && venv/bin/pip install torch safetensors numpy
    PYTHONPATH=FOLDER_OF_THE_ORACLE venv/bin/python make_pytorch_file.py --out .

With --check RUN.safetensors --data pytorch.json it reads a checkpoint of Spikelet instead, runs it through the oracle on the
same spikes, and prints the scores as JSON.
"""
import argparse, json, pathlib
import torch
from safetensors.torch import load_file, save_file
from src_reference import DEFAULTS, F64, lif_layer, readout, readout_weights, src_layer

# Short, since SRC doubles a difference every few timesteps: here float32 stays within 1e-5 of float64.
T, B, SIZES, C = 12, 10, [12, 16, 20], 5


class Src(torch.nn.Module):
    """W and b_h of each layer, as torch.nn.Linear holds them."""

    def __init__(self):
        super().__init__()
        self.layers = torch.nn.ModuleList(torch.nn.Linear(i, o) for i, o in zip(SIZES, SIZES[1:]))


class LifLayer(torch.nn.Module):
    def __init__(self, inputs, neurons):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.randn(neurons, inputs) * 2.0 / inputs**0.5)
        self.leak = torch.nn.Parameter(torch.tensor([0.85]))
        self.threshold = torch.nn.Parameter(torch.tensor([1.1]))


class Lif(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = torch.nn.ModuleList(LifLayer(i, o) for i, o in zip(SIZES, SIZES[1:]))


def scores(cell, state, s, dtype=F64):
    """v[T] of a batch, [B, C], by the oracle, from a state_dict."""
    s = s.to(dtype)
    p = {name: value.to(dtype) for name, value in state.items()}
    for l in range(len(SIZES) - 1):
        if cell == "src":
            s = src_layer(s, p[f"layers.{l}.weight"], p[f"layers.{l}.bias"], DEFAULTS)
        else:
            s = lif_layer(s, p[f"layers.{l}.weight"], p[f"layers.{l}.leak"], p[f"layers.{l}.threshold"])
    return readout(s, readout_weights(SIZES[-1], C).to(dtype))


def make(seed, out):
    torch.manual_seed(seed)
    s = (torch.rand(T, B, SIZES[0]) < 0.3).to(F64)
    s[0, :, 0] = 1  # so that every recording begins at timestep 0
    labels = [b % C for b in range(B)]
    src = Src()
    with torch.no_grad():
        for layer in src.layers:
            layer.weight.copy_(torch.randn_like(layer.weight) * 2.8 / layer.in_features**0.5)
            layer.bias.copy_(-6.2 + 2.4 * torch.rand_like(layer.bias))  # some above -4, to be held back
    lif = Lif()
    with torch.no_grad():
        lif.layers[1].leak.fill_(0.93)
    data = dict(
        made_by=f"make_pytorch_file.py --seed {seed}, torch {torch.__version__.split('+')[0]}",
        inputs=SIZES[0], layers=SIZES, classes=C, steps=T, labels=labels,
        spikes=[[[int(t), int(n)] for t, n in s[:, b].nonzero()] for b in range(B)],
    )
    for cell, module in (("src", src), ("lif", lif)):
        save_file(module.state_dict(), out / f"pytorch_{cell}.safetensors")
        exact = scores(cell, module.state_dict(), s)
        rounded = (scores(cell, module.state_dict(), s, torch.float32) - exact).abs() / exact.abs().clamp(min=1)
        right = [v.argmax().item() for v in exact]
        loss = torch.nn.functional.cross_entropy(exact, torch.tensor(labels)).item()
        print(f"{cell}: float32 is off by {rounded.max().item():.1e}, classes {right}")
        data[cell] = dict(scores=exact.tolist(), classes=right, cross_entropy=loss)
    json.dump(data, open(out / "pytorch.json", "w"))


def check(path, data):
    data = json.load(open(data))
    s = torch.zeros(data["steps"], len(data["spikes"]), data["inputs"], dtype=F64)
    for b, spikes in enumerate(data["spikes"]):
        for t, n in spikes:
            s[t, b, n] = 1
    state = load_file(path)
    cell = "src" if "layers.0.bias" in state else "lif"
    shapes = {name: list(value.shape) for name, value in state.items()}
    print(json.dumps(dict(shapes=shapes, scores=scores(cell, state, s).tolist())))


if __name__ == "__main__":
    a = argparse.ArgumentParser()
    a.add_argument("--seed", type=int, default=15)
    a.add_argument("--out", type=pathlib.Path, default=".")
    a.add_argument("--check")
    a.add_argument("--data")
    a = a.parse_args()
    if a.check:
        check(a.check, a.data)
    else:
        make(a.seed, a.out)
