#!/usr/bin/env python3
# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
"""PyTorch's modules against ketseal's models, in the current folder: torch_models.py KETSEAL"""
import datetime
import json
import os
import struct
import subprocess
import sys

import numpy
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import nn
from torch.nn import functional

SIDE = 16
CENTRE, SPREAD = 0.1307, 0.3081


def ketseal(*arguments):
    done = subprocess.run([sys.argv[1], "--json", "learn", *arguments], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"{arguments}: {done.stderr}")
    return json.loads(done.stdout)


def near(what, ours, theirs, tolerance):
    if not abs(ours - theirs) <= tolerance * (1 + abs(theirs)):
        sys.exit(f"{what}: ketseal {ours}, torch {theirs}")
    print(f"{what}: ketseal {ours:.7g}, torch {theirs:.7g}")


# --- images ----------------------------------------------------------------------------------------

def write_images(generator, part, count):
    labels = generator.integers(0, 10, count, dtype=numpy.uint8)
    pixels = generator.integers(0, 120, (count, SIDE, SIDE), dtype=numpy.uint8)
    for image, label in zip(pixels, labels):
        image[label:label + 3, label:label + 6] += 100
    with open(f"digits/{part}-images-idx3-ubyte", "wb") as file:
        file.write(struct.pack(">IIII", 0x803, count, SIDE, SIDE) + pixels.tobytes())
    with open(f"digits/{part}-labels-idx1-ubyte", "wb") as file:
        file.write(struct.pack(">II", 0x801, count) + labels.tobytes())
    images = (torch.tensor(pixels, dtype=torch.float32) / 255 - CENTRE) / SPREAD
    return images[:, None], torch.tensor(labels, dtype=torch.int64)


class Cnn(nn.Module):
    """PyTorch's example of MNIST, for images of SIDE."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 32, 3)
        self.conv2 = nn.Conv2d(32, 64, 3)
        self.fc1 = nn.Linear(64 * ((SIDE - 4) // 2) ** 2, 128)
        self.fc2 = nn.Linear(128, 10)

    def forward(self, x):
        x = functional.max_pool2d(functional.relu(self.conv2(functional.relu(self.conv1(x)))), 2)
        return self.fc2(functional.relu(self.fc1(torch.flatten(x, 1))))


class Mcmahan(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 32, 5, padding=2)
        self.conv2 = nn.Conv2d(32, 64, 5, padding=2)
        self.fc1 = nn.Linear(64 * (SIDE // 4) ** 2, 512)
        self.fc2 = nn.Linear(512, 10)

    def forward(self, x):
        x = functional.max_pool2d(functional.relu(self.conv1(x)), 2)
        x = functional.max_pool2d(functional.relu(self.conv2(x)), 2)
        return self.fc2(functional.relu(self.fc1(torch.flatten(x, 1))))


def check_images(name, net, test):
    images, labels = test
    ours = ketseal("train", f"--model={name}", "--epochs=2", "--rate=0.02", f"--out={name}.safetensors", "digits")
    net.load_state_dict(load_file(f"{name}.safetensors"))
    with torch.no_grad():
        outputs = net(images)
    near(f"{name}, loss of ours there", ours["test"]["loss"], functional.cross_entropy(outputs, labels).item(), 1e-5)
    near(f"{name}, accuracy", ours["test"]["accuracy"], (outputs.argmax(1) == labels).double().mean().item(), 0)
    with safe_open(f"{name}.safetensors", "pt") as file:
        metadata = file.metadata()
    # A file that PyTorch's users write, in the order of that library.
    torch.manual_seed(3)
    for parameter in net.parameters():
        nn.init.normal_(parameter, std=0.05)
    save_file(net.state_dict(), "theirs.safetensors", metadata)
    ours = ketseal("evaluate", "--model=theirs.safetensors", "digits")
    with torch.no_grad():
        outputs = net(images)
    near(f"{name}, loss of theirs here", ours["test"]["loss"], functional.cross_entropy(outputs, labels).item(), 1e-5)


def check_step(net, train):
    """One step of each of three optimisers from the same parameters over the whole set."""
    images, labels = train
    optimisers = {
        "sgd": (["--rate=0.1", "--weight-decay=0.01"], lambda p: torch.optim.SGD(p, 0.1, weight_decay=0.01)),
        "momentum": (["--rate=0.1", "--momentum=0.9", "--clip-norm=0.05"], lambda p: torch.optim.SGD(p, 0.1, 0.9)),
        "adam": (["--optimiser=adam", "--rate=0.001"], lambda p: torch.optim.Adam(p, 0.001)),
    }
    ketseal("train", "--model=mcmahan-cnn", "--epochs=1", "--batch=8", "--out=start.safetensors", "digits")
    for name, (flags, optimiser) in optimisers.items():
        # Two epochs of one batch each: all steps are the same whatever the order of samples.
        ketseal("train", "--from=start.safetensors", "--epochs=2", f"--batch={len(labels)}", *flags, "--out=after.safetensors", "digits")
        net.load_state_dict(load_file("start.safetensors"))
        theirs = optimiser(net.parameters())
        for _ in range(2):
            theirs.zero_grad()
            functional.cross_entropy(net(images), labels).backward()
            if name == "momentum":
                nn.utils.clip_grad_norm_(net.parameters(), 0.05)
            theirs.step()
        after = load_file("after.safetensors")
        with torch.no_grad():
            farthest = max((after[key] - value).abs().max().item() for key, value in net.state_dict().items())
        # Where a gradient is all but 0, Adam goes a whole step by its sign.
        near(f"{name}, parameters after two steps", farthest, 0, 1e-4 if name == "adam" else 1e-6)


# --- series ----------------------------------------------------------------------------------------

class Gru(nn.Module):
    def __init__(self, features):
        super().__init__()
        self.gru1 = nn.GRU(features, 32, batch_first=True)
        self.fc1 = nn.Linear(32, 1)

    def forward(self, x):
        return self.fc1(self.gru1(x)[1][0])[:, 0]


def check_series():
    count, window, split = 300, 6, 200
    generator = numpy.random.default_rng(5)
    hours = numpy.arange(count)
    values = numpy.stack([numpy.sin(hours / 4) * 10 + generator.normal(size=count), generator.normal(size=count)], 1).round(3)
    start = datetime.datetime(2024, 1, 1)
    with open("series.csv", "w", encoding="ascii") as file:
        file.write("time,y,x\n")
        for hour, (y, x) in zip(hours, values):
            file.write(f"{start + datetime.timedelta(hours=int(hour))},{y},{x}\n")
    with open("series.yaml", "w", encoding="ascii") as file:
        file.write("name: s\ntime: time\ntarget: y\nfeatures: [x]\nstep_s: 3600\nwindow: 6\nhorizon: 1\n"
                   f"test_from: \"{start + datetime.timedelta(hours=split)}\"\n")
    ours = ketseal("train", "--schema=series.yaml", "--model=gru", "--optimiser=adam", "--epochs=3", "--out=gru.safetensors", "series.csv")
    spread = values[:split].std(0, ddof=1)
    rows = torch.tensor((values - values[:split].mean(0)) / spread, dtype=torch.float32)
    inputs = torch.stack([rows[i - window:i] for i in range(split, count)])
    net = Gru(2)
    net.load_state_dict(load_file("gru.safetensors"))
    with torch.no_grad():
        error = (net(inputs) - rows[split:, 0]).square().mean().sqrt().item() * spread[0]
    near("gru, error", ours["sites"][0]["error"], error, 1e-5)


def main():
    os.mkdir("digits")
    torch.set_num_threads(1)
    generator = numpy.random.default_rng(1)
    train = write_images(generator, "train", 96)
    test = write_images(generator, "t10k", 64)
    check_images("mnist-cnn", Cnn(), test)
    check_images("mcmahan-cnn", Mcmahan(), test)
    check_step(Mcmahan(), train)
    check_series()


if __name__ == "__main__":
    main()
