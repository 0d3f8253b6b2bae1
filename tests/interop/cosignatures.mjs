// SPDX-FileCopyrightText: The ketseal authors
// SPDX-License-Identifier: Apache-2.0
//
// Cosignatures of a ketseal-witness verified by libraries of others, @noble/curves and @noble/post-quantum, from nothing
// but the specifications: this program takes apart note and vkeys by itself (c2sp.org/signed-note, tlog-cosignature).
//
//   node cosignatures.mjs VKEYS NOTE FOLDER_OF_NODE_MODULES

import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { strict as assert } from 'node:assert';

const [vkeysFile, noteFile, folder] = process.argv.slice(2);
const load = (path) => import(pathToFileURL(join(folder, 'node_modules', path)).href);
const { ed25519 } = await load('@noble/curves/ed25519.js');
const { ml_dsa44 } = await load('@noble/post-quantum/ml-dsa.js');

const u64 = (value) => {
    const bytes = Buffer.alloc(8);
    bytes.writeBigUInt64BE(BigInt(value));
    return bytes;
};
const lp8 = (text) => Buffer.concat([Buffer.from([Buffer.byteLength(text)]), Buffer.from(text)]);

function parseVkey(vkey) {
    const [name, id, material] = vkey.split(/\+(.*?)\+(.*)/s);
    const bytes = Buffer.from(material, 'base64');
    const hash = createHash('sha256').update(name).update('\n').update(bytes).digest();
    assert.equal(id, hash.subarray(0, 4).toString('hex'), 'key id');
    return { name, id, type: bytes[0], publicKey: new Uint8Array(bytes.subarray(1)) };
}

const note = readFileSync(noteFile, 'utf8');
const split = note.lastIndexOf('\n\n');
const text = note.slice(0, split + 1);
const [origin, size, root] = text.split('\n');
const keys = readFileSync(vkeysFile, 'utf8').trim().split('\n').map(parseVkey);

// What each type signs.
const messages = {
    4: (key, time) => Buffer.from(`cosignature/v1\ntime ${time}\n${text}`),
    6: (key, time) => Buffer.concat([Buffer.from('subtree/v1\n\0'), lp8(key.name), u64(time), lp8(origin), u64(0),
        u64(size), Buffer.from(root, 'base64')]),
};
const verify = {
    4: (signature, message, publicKey) => ed25519.verify(signature, message, publicKey, { zip215: false }),
    6: (signature, message, publicKey) => ml_dsa44.verify(signature, message, publicKey),
};

let verified = 0;
let refused = 0;
for (const line of note.slice(split + 2).trimEnd().split('\n')) {
    const [, name, encoded] = line.match(/^— (\S+) (\S+)$/);
    const bytes = Buffer.from(encoded, 'base64');
    const key = keys.find((k) => k.name === name && k.id === bytes.subarray(0, 4).toString('hex'));
    if (key === undefined) continue;
    const time = bytes.readBigUInt64BE(4);
    const signature = new Uint8Array(bytes.subarray(12));
    const message = new Uint8Array(messages[key.type](key, time));
    assert.ok(verify[key.type](signature, message, key.publicKey), `type ${key.type}`);
    verified++;
    // And no other time, size, name or root.
    for (const at of [0, message.length - 1, message.length >> 1]) {
        const other = message.slice();
        other[at] ^= 1;
        assert.ok(!verify[key.type](signature, other, key.publicKey), 'another message');
        refused++;
    }
}
assert.equal(verified, keys.length, 'every key has signed');
console.log(`${verified} cosignatures of ${origin} at ${size}, types ${keys.map((k) => k.type).join(' and ')}; ` +
    `${refused} false ones refused`);
