// SPDX-FileCopyrightText: The ketseal authors
// SPDX-License-Identifier: Apache-2.0
//
// Makes tests/vectors/request/accept/*.http with an independent implementation of RFC 9421, so that ours
// is not its own judge. Run by hand when the format changes:
//
//   npm install --prefix DIR http-message-signatures@1.0.6
//   node tools/signature_vectors.mjs DIR tests/vectors/request/accept
import { createHash, createHmac } from 'node:crypto';
import { createRequire } from 'node:module';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

const [modules, target] = process.argv.slice(2);
const require = createRequire(join(modules, 'package.json'));
const { httpbis: { signMessage } } = require('http-message-signatures');

// Key, times and exporter of every vector: tests/vectors/request/SOURCE.
const key = Buffer.from(Array.from({ length: 32 }, (_, i) => i));
const channel = Buffer.from(Array.from({ length: 32 }, (_, i) => 255 - i));
const created = new Date(1700000000 * 1000);
const expires = new Date(1700000060 * 1000);

async function vector(name, { method, url, host, type, body, keyid, spelling = (field) => field }) {
    const message = {
        method,
        url,
        headers: {
            host,
            'content-type': type,
            'content-digest': `sha-256=:${createHash('sha256').update(body).digest('base64')}:`,
            'ketseal-channel': `:${channel.toString('base64')}:`,
        },
    };
    const signed = await signMessage({
        name: 'ketseal',
        key: { id: keyid, sign: async (data) => createHmac('sha256', key).update(data).digest() },
        fields: ['@method', '@authority', '@path', '@query', 'content-type', 'content-digest',
            'ketseal-channel'],
        params: ['created', 'expires', 'nonce', 'keyid', 'tag'],
        paramValues: { created, expires, nonce: 'bm9uY2Ugb2YgMTYgYnl0ZQ==', tag: 'ketseal-request' },
    }, message);
    const { pathname, search } = new URL(url);
    const head = Object.entries(signed.headers)
        .map(([field, value]) => `${spelling(field)}: ${value}\r\n`).join('');
    writeFileSync(join(target, `${name}.http`),
        `${method} ${pathname}${search} HTTP/1.1\r\n${head}Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`);
}

await vector('plain', {
    method: 'POST', url: 'https://site.example/qjob', host: 'site.example', type: 'application/json',
    body: '{"job":{}}', keyid: '0123456789abcdef.0011223344556677.0',
});
await vector('query-and-port', {
    method: 'POST', url: 'https://site.example:8443/v1/jobs?wait=1&tag=a%20b', host: 'site.example:8443',
    type: 'application/json', body: '{}', keyid: '0123456789abcdef.0011223344556677.41',
});
await vector('upper-case-names', {
    method: 'PUT', url: 'https://site.example/v1/x', host: 'Site.Example:443',
    type: 'application/json; charset=utf-8', body: '', keyid: 'a', spelling: (field) => field.toUpperCase(),
});
