#!/usr/bin/env python3
# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
"""Files of federated learning, right and wrong, by their format pages: generate.py FOLDER"""

import hashlib
import os
import struct
import sys

ROOT = os.path.dirname(os.path.abspath(__file__))


def sealed(body):
    return body + hashlib.sha256(body).digest()


def u8(value):
    return struct.pack('>B', value)


def u16(value):
    return struct.pack('>H', value)


def u32(value):
    return struct.pack('>I', value)


def u64(value):
    return struct.pack('>Q', value)


def f32(*values):
    return struct.pack('>%df' % len(values), *values)


def f64(value):
    return struct.pack('>d', value)


def h(number):
    return bytes([number]) * 32


# --- accumulator -------------------------------------------------------------------------------------

def accumulator(params=3, width=64, bits=24, weight=None, members=((1, 11, 5), (2, 12, 7)), sums=None,
                magic=b'ketseal.fl-accumulator/1\n', count=None, tail=b''):
    if sums is None:
        # x of member i is i / 4, -i, 2^-24: all exact.
        sums = [sum(w * int(i / 4 * 2 ** bits) for i, _, w in members),
                sum(-w * i * 2 ** bits for i, _, w in members),
                sum(w * (2 ** bits >> 24) for _, _, w in members)]
    body = magic + h(9) + u32(params) + u8(width) + u8(bits)
    body += u64(sum(w for _, _, w in members) if weight is None else weight)
    body += u32(len(members) if count is None else count)
    for client, update, w in members:
        body += h(client) + h(update) + u32(w)
    for s in sums:
        body += (s % 2 ** width).to_bytes(width // 8, 'big')
    return sealed(body + tail)


ACCUMULATORS = {
    'accept': {
        '64': accumulator(),
        '128': accumulator(width=128, bits=64),
        'empty': accumulator(members=(), sums=[0, 0, 0]),
        'heavy': accumulator(members=((1, 1, 2 ** 31 - 1), (2, 2, 2 ** 31 - 1), (3, 3, 1)),
                             sums=[(2 ** 32 - 1) * 2 ** 31 - 1, -(2 ** 32 - 1) * 2 ** 31, 0]),
    },
    'reject': {
        'version': accumulator(magic=b'ketseal.fl-accumulator/2\n'),
        'no-params': accumulator(params=0, sums=[]),
        'width': accumulator(width=32),
        'bits-0': accumulator(bits=0, sums=[0, 0, 0]),
        'bits-49': accumulator(bits=49, sums=[0, 0, 0]),
        'bits-128': accumulator(width=128, bits=24, sums=[0, 0, 0]),
        'weight': accumulator(weight=13),
        'member-weight-0': accumulator(members=((1, 1, 0),), sums=[0, 0, 0]),
        'member-weight-big': accumulator(members=((1, 1, 2 ** 31),), sums=[0, 0, 0]),
        'weights-over': accumulator(members=tuple((i, i, 2 ** 31 - 1) for i in range(1, 4)), sums=[0, 0, 0],
                                    weight=3 * (2 ** 31 - 1)),
        'order': accumulator(members=((2, 12, 7), (1, 11, 5))),
        'twice': accumulator(members=((1, 11, 5), (1, 12, 7))),
        'sum-over': accumulator(members=((1, 11, 5),), sums=[5 * 2 ** 31 + 1, 0, 0]),
        'sum-under': accumulator(members=((1, 11, 5),), sums=[-5 * 2 ** 31 - 1, 0, 0]),
        'sum-128-over': accumulator(width=128, bits=64, members=((1, 1, 1),), sums=[(2 ** 24 + 1) * 2 ** 64, 0, 0]),
        'sum-of-nobody': accumulator(members=(), sums=[1, 0, 0]),
        'sum-128-of-nobody': accumulator(width=128, bits=64, members=(), sums=[1, 0, 0]),
        'short': accumulator(sums=[0, 0]),
        'long': accumulator(tail=b'\0'),
        'members-big': accumulator(count=2 ** 32 - 1),
        'params-big': accumulator(params=2 ** 32 - 1),
    },
}

# --- update -------------------------------------------------------------------------------------------


def update(params=3, samples=600, encoding=0, payload=None, magic=b'ketseal.fl-update/1\n', length=None, tail=b''):
    if payload is None:
        payload = f32(1, -2.5, 0)
    body = magic + bytes(range(16)) + u64(7) + h(3) + h(4) + u32(params) + u32(samples) + u8(encoding)
    return body + u32(len(payload) if length is None else length) + payload + tail


UPDATES = {
    'accept': {
        'f32': update(),
        'f16': update(encoding=1, payload=struct.pack('>3e', 1, -65504, 2 ** -24)),
        'q8': update(encoding=2, payload=f32(0.5) + bytes([127, 129, 0])),
        'q8-zeros': update(encoding=2, payload=f32(0) + bytes(3)),
        'q8-blocks': update(params=300, encoding=2,
                            payload=f32(2) + bytes([127]) * 256 + f32(0) + bytes(44)),
        'topk': update(encoding=3, payload=u32(2) + u32(0) + u32(2) + f32(3, -1e-40)),
        'topk-none': update(encoding=3, payload=u32(0)),
    },
    'reject': {
        'version': update(magic=b'ketseal.fl-update/2\n'),
        'no-params': update(params=0, payload=b''),
        'params-big': update(params=2 ** 28 + 1),
        'no-samples': update(samples=0),
        'samples-big': update(samples=2 ** 31),
        'encoding': update(encoding=4),
        'long': update(tail=b'\0'),
        'short': update(length=13),
        'f32-nan': update(payload=f32(1, float('nan'), 0)),
        'f32-inf': update(payload=f32(1, 0, float('-inf'))),
        'f32-few': update(payload=f32(1, 2)),
        'f16-inf': update(encoding=1, payload=bytes.fromhex('3c007c003c00')),
        'f16-nan': update(encoding=1, payload=bytes.fromhex('3c003c00fe00')),
        'q8-scale-inf': update(encoding=2, payload=f32(float('inf')) + bytes([1, 2, 3])),
        'q8-scale-big': update(encoding=2, payload=f32(3e38) + bytes([1, 2, 3])),
        'q8-scale-minus': update(encoding=2, payload=f32(-1) + bytes([1, 2, 3])),
        'q8-scale-minus-0': update(encoding=2, payload=f32(-0.0) + bytes(3)),
        'q8-scale-of-zeros': update(encoding=2, payload=f32(1) + bytes(3)),
        'q8-no-scale': update(encoding=2, payload=f32(0) + bytes([1, 2, 3])),
        'q8-code': update(encoding=2, payload=f32(1) + bytes([1, 128, 3])),
        'topk-order': update(encoding=3, payload=u32(2) + u32(2) + u32(0) + f32(3, 4)),
        'topk-twice': update(encoding=3, payload=u32(2) + u32(1) + u32(1) + f32(3, 4)),
        'topk-place': update(encoding=3, payload=u32(1) + u32(3) + f32(3)),
        'topk-zero': update(encoding=3, payload=u32(1) + u32(1) + f32(0)),
        'topk-nan': update(encoding=3, payload=u32(1) + u32(1) + f32(float('nan'))),
        'topk-many': update(encoding=3, payload=u32(4) + b''.join(u32(i) for i in range(4)) + f32(1, 1, 1, 1)),
        'topk-short': update(encoding=3, payload=u32(2) + u32(1) + f32(3)),
    },
}

# --- round --------------------------------------------------------------------------------------------

PREPARING, TRAINING, AGGREGATING, COMPLETED, FAILED = range(5)
PAUSED, METRIC, BEST = 1, 2, 4


def client(name, standing=0, samples=5, delivered=None):
    body = u16(len(name)) + name + u8(standing) + u32(samples)
    return body + (h(delivered) if delivered is not None else b'')


CLIENTS = [client(b'edge_1', 1), client(b'edge_2', 2, 9, 7), client(b'edge_3', 3), client(b'edge_4', 0)]


def round_(params=5, selection=0, invited=6, wanted=4, least=2, samples_max=100, prepare=10, train=60, gain=0.01,
           phase=TRAINING, failure=0, flags=0, clock=100, deadline=160, paused=0, metric=0.0, best=0.0, stale=0,
           result=bytes(32), clients=None, count=None, magic=b'ketseal.fl-round/1\n', tail=b''):
    clients = CLIENTS if clients is None else clients
    body = magic + bytes(range(16)) + u64(3) + h(3) + h(4) + u32(params) + u64(11) + u8(selection)
    body += u32(invited) + u32(wanted) + u32(least) + u32(samples_max) + u64(prepare) + u64(train) + u32(2) + f64(gain)
    body += u8(phase) + u8(failure) + u8(flags) + u64(clock) + u64(deadline) + u64(paused) + f64(metric) + f64(best)
    body += u32(stale) + result + u32(len(clients) if count is None else count) + b''.join(clients)
    return sealed(body + tail)


NAN = float('nan')
ROUNDS = {
    'accept': {
        'preparing': round_(phase=PREPARING, clients=[client(b'a'), client(b'b', 1)]),
        'training': round_(),
        'paused': round_(flags=PAUSED, paused=90),
        'aggregating': round_(phase=AGGREGATING, deadline=0, flags=BEST, best=0.5, stale=1),
        'completed': round_(phase=COMPLETED, deadline=0, flags=METRIC | BEST, metric=-1.5, best=0.5, result=h(8)),
        'failed': round_(phase=FAILED, failure=3, deadline=0),
    },
    'reject': {
        'version': round_(magic=b'ketseal.fl-round/2\n'),
        'no-params': round_(params=0),
        'selection': round_(selection=2),
        'invited-0': round_(invited=0),
        'invited-big': round_(invited=65537),
        'wanted': round_(wanted=7),
        'least': round_(least=5),
        'samples-max': round_(samples_max=2 ** 31),
        'no-time': round_(train=0),
        'long-time': round_(prepare=2592000000001),
        'gain-nan': round_(gain=NAN),
        'gain-minus-0': round_(gain=-0.0),
        'phase': round_(phase=5, deadline=0),
        'failure': round_(phase=FAILED, failure=5, deadline=0),
        'failed-for-nothing': round_(phase=FAILED, deadline=0),
        'reason-without-failure': round_(failure=1),
        'flags': round_(flags=8),
        'deadline-when-over': round_(phase=AGGREGATING),
        'paused-when-over': round_(phase=AGGREGATING, deadline=0, flags=PAUSED, paused=90),
        'paused-later': round_(flags=PAUSED, paused=101),
        'pause-of-nothing': round_(paused=90),
        'metric-early': round_(flags=METRIC | BEST, metric=1, best=1),
        'metric-nan': round_(phase=COMPLETED, deadline=0, flags=METRIC | BEST, metric=NAN, best=1, result=h(8)),
        'metric-unsaid': round_(phase=COMPLETED, deadline=0, metric=1, result=h(8)),
        'metric-without-best': round_(phase=COMPLETED, deadline=0, flags=METRIC, metric=1, result=h(8)),
        'best-minus-0': round_(best=-0.0),
        'stale-without-best': round_(stale=1),
        'result-early': round_(result=h(8)),
        'nobody': round_(clients=[]),
        'many': round_(clients=[client(b'%d' % i) for i in range(7)]),
        'count-big': round_(count=6),
        'order': round_(clients=CLIENTS[::-1]),
        'twice': round_(clients=[CLIENTS[0], CLIENTS[0]]),
        'no-name': round_(clients=[client(b'')]),
        'bad-name': round_(clients=[client(b'a b')]),
        'long-name': round_(clients=[client(b'a' * 101)]),
        'standing': round_(clients=[client(b'a', 4)]),
        'no-samples': round_(clients=[client(b'a', 0, 0)]),
        'samples': round_(clients=[client(b'a', 0, 101)]),
        'delivered-early': round_(phase=PREPARING),
        'long': round_(tail=b'\0'),
    },
}

# --- server -------------------------------------------------------------------------------------------


def server(rule=3, params=2, rate=0.01, beta1=0.9, beta2=0.99, tau=1e-3, clients=0, vectors=None,
           magic=b'ketseal.fl-server/1\n', tail=b''):
    if vectors is None:
        vectors = [(1, -2), (0.5, 0), (1e-6, 2e-6)][:1 + (rule != 0) + (rule in (2, 3, 4))]
    body = magic + u8(rule) + u32(params) + f64(rate) + f64(beta1) + f64(beta2) + f64(tau) + u32(clients) + u64(12)
    return sealed(body + b''.join(f32(*v) for v in vectors) + tail)


SERVERS = {
    'accept': dict([('rule-%d' % rule, server(rule, clients=40 if rule == 5 else 0)) for rule in range(6)]),
    'reject': {
        'version': server(magic=b'ketseal.fl-server/2\n'),
        'rule': server(6),
        'no-params': server(params=0, vectors=[]),
        'params-big': server(params=2 ** 32 - 1),
        'rate-0': server(rate=0.0),
        'rate-nan': server(rate=NAN),
        'beta1-1': server(beta1=1.0),
        'beta1-minus-0': server(beta1=-0.0),
        'beta2-minus': server(beta2=-0.1),
        'tau-0': server(tau=0.0),
        'clients-of-nothing': server(clients=1),
        'scaffold-without-clients': server(5),
        'nan': server(vectors=[(1, NAN), (0, 0), (1, 1)]),
        'second-minus': server(vectors=[(1, 1), (0, 0), (1, -1)]),
        'short': server(vectors=[(1, 1), (0, 0)]),
        'long': server(tail=b'\0'),
    },
}

# --- state --------------------------------------------------------------------------------------------


def state(parts=3, params=2, aggregate=(0.5, -1.0), inner=None, magic=b'ketseal.fl-state/1\n', tail=b''):
    body = magic + bytes(range(16)) + u64(7) + u32(params) + u8(parts)
    if parts & 1:
        body += f32(*aggregate)
    if parts & 2:
        body += server(params=2) if inner is None else inner
    return sealed(body + tail)


STATES = {
    'accept': {
        'aggregate': state(1),
        'server': state(2),
        'both': state(3),
        'momentum': state(2, inner=server(1)),
    },
    'reject': {
        'version': state(magic=b'ketseal.fl-state/2\n'),
        'no-parts': state(0),
        'parts': state(4, tail=f32(1.0, 2.0)),
        'params': state(3, params=3),
        'nan': state(1, aggregate=(NAN, 1.0)),
        'short': state(1, aggregate=(1.0,)),
        'long': state(1, tail=b'\0'),
        'server-of-others': state(2, inner=server(params=3, vectors=[(1, 1, 1), (0, 0, 0), (1, 1, 1)])),
        'server-fedavg': state(2, inner=server(0)),
        'server-none': state(2, inner=b''),
    },
}

# --- buffer -------------------------------------------------------------------------------------------


def buffer(size=4, by=1, oldest=5, version=9, arrivals=((2, 1, 9), (1, 5, 4)), count=None,
           magic=b'ketseal.fl-buffer/1\n', tail=b''):
    body = magic + bytes(range(16)) + u32(size) + u8(by) + u32(oldest) + u64(version)
    body += u32(len(arrivals) if count is None else count)
    for who, what, trained in arrivals:
        body += h(who) + h(what) + u64(trained)
    return sealed(body + tail)


BUFFERS = {
    'accept': {
        'two': buffer(),
        'empty': buffer(arrivals=()),
        'full': buffer(arrivals=tuple((i, i, 7) for i in range(4)), by=2),
        'constant': buffer(by=0),
    },
    'reject': {
        'version': buffer(magic=b'ketseal.fl-buffer/2\n'),
        'size-0': buffer(size=0, arrivals=()),
        'size-big': buffer(size=4097),
        'staleness': buffer(by=3),
        'staleness-max': buffer(oldest=1000001),
        'twice': buffer(arrivals=((1, 1, 9), (1, 1, 9))),
        'another': buffer(arrivals=((1, 1, 9), (1, 2, 9))),
        'from-the-future': buffer(arrivals=((1, 1, 10),)),
        'too-old': buffer(arrivals=((1, 1, 3),)),
        'overfull': buffer(arrivals=tuple((i, i, 7) for i in range(5))),
        'count': buffer(count=3),
        'long': buffer(tail=b'\0'),
    },
}

FORMATS = {'accumulator': ACCUMULATORS, 'update': UPDATES, 'round': ROUNDS, 'server': SERVERS, 'state': STATES,
           'buffer': BUFFERS}


def main():
    root = sys.argv[1] if len(sys.argv) > 1 else ROOT
    corpus = os.path.join(ROOT, '..', '..', 'fuzz', 'corpus')
    for name, kinds in FORMATS.items():
        seeds = os.path.join(corpus, 'fl_' + name)
        os.makedirs(seeds, exist_ok=True)
        for kind, files in kinds.items():
            os.makedirs(os.path.join(root, kind), exist_ok=True)
            for what, data in files.items():
                with open(os.path.join(root, kind, '%s-%s.bin' % (name, what)), 'wb') as out:
                    out.write(data)
                if kind == 'accept':
                    with open(os.path.join(seeds, what), 'wb') as out:
                        out.write(data)


main()
