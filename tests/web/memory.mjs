// SPDX-FileCopyrightText: The ketseal authors
// SPDX-License-Identifier: Apache-2.0
//
// With too little memory there is no verdict, and never another one than with enough: the program runs under a limit that
// the engine sets, of every size from what it starts with to what it needs.
//
//   node memory.mjs VERIFY_HTML KETSEAL_VERIFY SOURCE_ROOT

import { strict as assert } from 'node:assert';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { load } from './page.mjs';

const [html, , root, child] = process.argv.slice(2);
const PAGE_BYTES = 65536;
const NO_MEMORY = 4; // the exit code of KS_ERR_NOMEM

function verify() {
    const read = (file) => readFileSync(join(root, 'tests/vectors/bundle/4', file));
    const { code, out, said, memory } = load(html).run(['--json', 'policy', 'bundle'],
        { policy: read('lab.policy'), bundle: read('wide.bundle') });

    return { code, out: Buffer.from(out).toString(), said, pages: memory / PAGE_BYTES };
}

function limited(pages) {
    const done = spawnSync(process.execPath, [`--wasm-max-mem-pages=${pages}`, fileURLToPath(import.meta.url), html, '-',
        root, 'child']);

    assert.equal(done.status, 0, `${pages} pages: ${done.stderr}`);
    return JSON.parse(done.stdout);
}

if (child === 'child') {
    console.log(JSON.stringify(verify()));
} else {
    const whole = verify();
    const seen = { verified: 0, short: 0 };

    assert.equal(whole.code, 0, whole.said);
    for (let pages = whole.pages; pages > 0 && seen.short < 24; pages--) {
        const { code, out, said } = limited(pages);

        if (code === 0) {
            assert.equal(out, whole.out);
            seen.verified++;
        } else {
            assert.ok(code === NO_MEMORY || code === null, `${pages} pages: exit code ${code}: ${said}`);
            assert.equal(out, '', `${pages} pages: a verdict all the same`);
            seen.short++;
        }
    }
    assert.ok(seen.verified > 0 && seen.short > 0, JSON.stringify(seen));
    console.log(`${whole.pages} pages do; with fewer: ${seen.verified} times the verdict, ${seen.short} times none`);
}
