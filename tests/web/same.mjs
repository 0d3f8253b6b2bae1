// SPDX-FileCopyrightText: The ketseal authors
// SPDX-License-Identifier: Apache-2.0
//
// The program of the page says the same as ketseal-verify, byte for byte and by exit code: on every committed bundle,
// on broken ones, under other policies.
//
//   node same.mjs VERIFY_HTML KETSEAL_VERIFY SOURCE_ROOT

import { strict as assert } from 'node:assert';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { load } from './page.mjs';

const [html, native, root] = process.argv.slice(2).map((path) => resolve(path));
const FLIPS = 24; // positions over a whole bundle, and its last byte
const page = load(html);
const folder = mkdtempSync(join(tmpdir(), 'ketseal-web-'));
const counts = { 0: 0, 1: 0, other: 0 };

// Both see files of the same names, so that even errors are the same.
function same(what, args, files) {
    for (const [name, data] of Object.entries(files)) {
        writeFileSync(join(folder, name), data);
    }
    const want = spawnSync(native, args, { cwd: folder, maxBuffer: 1 << 24 });
    const got = page.run(args, files);

    assert.equal(got.code, want.status, `${what}: exit code; the page says: ${got.said}`);
    assert.equal(Buffer.from(got.out).toString(), want.stdout.toString(), `${what}: standard output`);
    assert.equal(got.said, want.stderr.toString().trim(), `${what}: standard error`);
    counts[got.code in counts ? got.code : 'other']++;
    return got;
}

function both(what, policy, bundle) {
    return same(what, ['--json', 'policy', 'bundle'], { policy, bundle });
}

function flipped(data, at) {
    const copy = Buffer.from(data);
    copy[at] ^= 1;
    return copy;
}

function main() {
    const vectors = join(root, 'tests/vectors/bundle');
    const sets = readdirSync(vectors, { withFileTypes: true }).filter((entry) => entry.isDirectory())
        .map(({ name }) => {
            const files = readdirSync(join(vectors, name));
            const read = (file) => readFileSync(join(vectors, name, file));
            const policies = files.filter((file) => file.endsWith('.policy'));
            const bundles = files.filter((file) => file.endsWith('.bundle'));

            assert.ok(policies.length > 0 && bundles.length > 0, `${name} has no bundles`);
            return { name, policy: read(policies[0]), bundles: bundles.map((file) => ({ file, data: read(file) })) };
        });

    same('--checks', ['--checks'], {});
    for (const { name, policy, bundles } of sets) {
        for (const { file, data } of bundles) {
            const got = both(`${name}/${file}`, policy, data);
            assert.equal(got.code, 0, `${name}/${file} does not verify: ${got.said}`);
            same(`${name}/${file} --explain`, ['--explain', 'policy', 'bundle'], { policy, bundle: data });
        }
        const { file, data } = bundles[0];
        for (let i = 0; i <= FLIPS; i++) {
            const at = Math.floor((i * (data.length - 1)) / FLIPS);
            const got = both(`${name}/${file}, byte ${at} flipped`, policy, flipped(data, at));
            assert.equal(got.code, 1, `${name}/${file}, byte ${at} flipped, is not refused`);
        }
        for (let i = 1; i < FLIPS; i++) {
            const at = Math.floor((i * (policy.length - 1)) / FLIPS);
            both(`${name}: policy, byte ${at} flipped`, flipped(policy, at), data);
        }
        for (const len of [0, 1, data.length >> 1, data.length - 1]) {
            both(`${name}/${file}, its first ${len} bytes`, policy, data.subarray(0, len));
        }
        for (const other of sets) {
            both(`${name}/${file} under the policy of ${other.name}`, other.policy, data);
        }
        both(`${name}: policy and bundle the other way round`, data, policy);
    }
    const [{ policy, bundles }] = sets;
    both('a bundle over the limit', policy, Buffer.alloc(48 * 1024 * 1024 + 1, ' '));
    both('a bundle of opening brackets', policy, Buffer.alloc(48 * 1024 * 1024, '['));
    both('a bundle of numbers', policy, Buffer.from(`[${'0,'.repeat(24 * 1024 * 1024 - 2)}0]\n`));
    both('a bundle that is one string', policy, Buffer.from(`"${'x'.repeat(40 * 1024 * 1024)}"\n`));
    both('no policy at all', Buffer.alloc(0), bundles[0].data);
    same('no such flag', ['--loud', 'policy', 'bundle'], {});
    same('no bundle', ['policy'], {});
    assert.ok(counts[0] > 0 && counts[1] > 0 && counts.other > 0);
    console.log(`the same ${counts[0] + counts[1] + counts.other} times: ${counts[0]} yes, ${counts[1]} no, ` +
        `${counts.other} neither`);
}

try {
    main();
} finally {
    rmSync(folder, { recursive: true });
}
