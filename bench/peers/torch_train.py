#!/usr/bin/env python3
# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
"""PyTorch on the CPU as a peer of bench_learn: torch_train.py MODEL BATCH THREADS STEPS

Each line of standard input is one run of STEPS steps of SGD on random images of 28 x 28; the answer is its
seconds, and those of its CPU.
"""
import sys
import time

import torch
from torch import nn


def conv(inputs, outputs, size, padding=0):
    return nn.Conv2d(inputs, outputs, size, padding=padding)


MODELS = {
    "lenet5": lambda: nn.Sequential(
        conv(1, 6, 5, 2), nn.ReLU(), nn.MaxPool2d(2), conv(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10)),
    "mnist-cnn": lambda: nn.Sequential(
        conv(1, 32, 3), nn.ReLU(), conv(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(0.25), nn.Flatten(),
        nn.Linear(9216, 128), nn.ReLU(), nn.Dropout(0.5), nn.Linear(128, 10)),
    "mcmahan-cnn": lambda: nn.Sequential(
        conv(1, 32, 5, 2), nn.ReLU(), nn.MaxPool2d(2), conv(32, 64, 5, 2), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(3136, 512), nn.ReLU(), nn.Linear(512, 10)),
    "mlp": lambda: nn.Sequential(
        nn.Flatten(), nn.Linear(784, 200), nn.ReLU(), nn.Linear(200, 200), nn.ReLU(), nn.Linear(200, 10)),
}


def main():
    name, batch, threads, steps = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
    torch.set_num_threads(threads)
    torch.manual_seed(1)
    net = MODELS[name]()
    optimiser = torch.optim.SGD(net.parameters(), lr=0.01)
    loss = nn.CrossEntropyLoss()
    images = torch.rand(batch, 1, 28, 28)
    labels = torch.arange(batch) % 10
    for _ in sys.stdin:
        start, cpu = time.perf_counter(), time.process_time()
        for _ in range(steps):
            optimiser.zero_grad()
            loss(net(images), labels).backward()
            optimiser.step()
        print(time.perf_counter() - start, time.process_time() - cpu, flush=True)


if __name__ == "__main__":
    main()
