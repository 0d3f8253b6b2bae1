// SPDX-FileCopyrightText: The ketseal authors
// SPDX-License-Identifier: Apache-2.0
//
// Signed requests of ours verified by two libraries of others, and theirs by us: http-message-signatures and
// http-message-sig, neither of which knows the other. Besides, each makes the signature of RFC 9421, appendix B.2.5.
//
//   node rfc9421.mjs SIGNATURE_PEER FOLDER_OF_NODE_MODULES

import { createHash, createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { strict as assert } from 'node:assert';

const [peer, folder] = process.argv.slice(2);
const load = createRequire(join(folder, 'node_modules', 'x.js'));
const { httpbis } = load('http-message-signatures');
const other = load('http-message-sig');

const COMPONENTS = ['@method', '@authority', '@path', '@query', 'content-type', 'content-digest', 'ketseal-channel'];
const KEY_IDS = [
    '0123456789abcdef.0000000000000007.41',
    '11223344-5566-7788-99aa-bbccddeeff00',
    '0123456789abcdef.0000000000000007.41:11223344-5566-7788-99aa-bbccddeeff00',
];
let checks = 0;

const hmac = (key, data) => createHmac('sha256', key).update(data).digest();
const signer = (key) => ({ algorithm: 'hmac-sha256', sign: (data) => new Uint8Array(hmac(key, data)) });
const verifier = (key) => ({
    algorithm: 'hmac-sha256',
    verify: (data, signature) => signature.length === 32 && timingSafeEqual(hmac(key, data), signature),
});

function run(input, ...args) {
    const done = spawnSync(peer, args, { input });
    return { status: done.status, out: done.stdout.toString('latin1'), said: done.stderr.toString().trim() };
}

function parse(raw) {
    const [head, body] = raw.split('\r\n\r\n');
    const [first, ...lines] = head.split('\r\n');
    const [method, target] = first.split(' ');
    const fields = lines.map((line) => ({
        name: line.slice(0, line.indexOf(':')).toLowerCase(),
        value: line.slice(line.indexOf(':') + 1).trim(),
    }));
    const host = fields.find((field) => field.name === 'host').value;
    return { method, target, url: `https://${host}${target}`, fields, body };
}

function format({ method, target, fields, body }) {
    const lines = fields.map(({ name, value }) => `${name}: ${value}\r\n`).join('');
    return `${method} ${target} HTTP/1.1\r\n${lines}\r\n${body}`;
}

const headersOf = (fields) => Object.fromEntries(fields.map(({ name, value }) => [name, value]));

async function firstAccepts(request, key) {
    const message = { method: request.method, url: request.url, headers: headersOf(request.fields) };
    try {
        const verdict = await httpbis.verifyMessage({
            keyLookup: async () => ({ algs: ['hmac-sha256'], verify: async (data, tag) => hmac(key, data).equals(tag) }),
            requiredFields: COMPONENTS,
            requiredParams: ['created', 'expires', 'nonce', 'keyid', 'tag'],
        }, message);
        return verdict === true;
    } catch {
        return false;
    }
}

async function secondAccepts(request, key) {
    const message = {
        kind: 'request', method: request.method, targetUri: request.url, requestTarget: request.target,
        fields: request.fields,
    };
    try {
        const verified = await other.verifySignature(message, {
            label: 'ketseal',
            policy: {
                algorithms: ['hmac-sha256'], requiredComponents: COMPONENTS,
                requiredParameters: ['created', 'expires', 'nonce', 'keyid', 'tag'], maxAge: 300, clockSkew: 5,
            },
            resolveVerifier: () => verifier(key),
        });
        return verified.parameters.tag === 'ketseal-request';
    } catch {
        return false;
    }
}

function unsigned(keyId) {
    const body = '{"job":7}';
    const digest = createHash('sha256').update(body).digest('base64');
    const target = '/qjob?a=b%20c';
    const fields = [
        { name: 'host', value: 'site.example:8443' },
        { name: 'content-type', value: 'application/json' },
        { name: 'content-length', value: String(body.length) },
        { name: 'content-digest', value: `sha-256=:${digest}:` },
        { name: 'ketseal-channel', value: `:${randomBytes(32).toString('base64')}:` },
    ];
    return { method: 'POST', target, url: `https://site.example:8443${target}`, fields, body, keyId };
}

async function signedByFirst(request, key) {
    const now = Math.floor(Date.now() / 1000);
    const signed = await httpbis.signMessage({
        key: { id: request.keyId, alg: 'hmac-sha256', sign: async (data) => hmac(key, data) },
        name: 'ketseal', fields: COMPONENTS, params: ['created', 'expires', 'nonce', 'keyid', 'tag'],
        paramValues: {
            created: new Date(now * 1000), expires: new Date((now + 100) * 1000), nonce: 'abcdefghijklmnop',
            tag: 'ketseal-request',
        },
    }, { method: request.method, url: request.url, headers: headersOf(request.fields) });
    const added = ['Signature-Input', 'Signature'].map((name) => ({ name, value: signed.headers[name] }));
    return { ...request, fields: [...request.fields, ...added] };
}

async function signedBySecond(request, key) {
    const now = Math.floor(Date.now() / 1000);
    const made = await other.createSignature({
        kind: 'request', method: request.method, targetUri: request.url, requestTarget: request.target,
        fields: request.fields,
    }, {
        label: 'ketseal', components: COMPONENTS, signer: signer(key),
        parameters: {
            created: now, expires: now + 100, nonce: 'abcdefghijklmnop', keyid: request.keyId, tag: 'ketseal-request',
        },
    });
    const added = [
        { name: 'Signature-Input', value: made.signatureInput },
        { name: 'Signature', value: made.signature },
    ];
    return { ...request, fields: [...request.fields, ...added] };
}

function changed(request, name, from, to) {
    const fields = request.fields.map((field) => (
        field.name.toLowerCase() === name ? { ...field, value: field.value.replace(from, to) } : field));
    assert.notDeepEqual(fields, request.fields);
    return { ...request, fields };
}

async function theyVerifyOurs(keyId) {
    const key = randomBytes(32);
    const made = run('', 'make', key.toString('hex'), keyId);
    assert.equal(made.status, 0, made.said);
    const request = parse(made.out);
    for (const accepts of [firstAccepts, secondAccepts]) {
        assert.equal(await accepts(request, key), true, `${accepts.name} refuses our request under ${keyId}`);
        assert.equal(await accepts(request, randomBytes(32)), false, `${accepts.name} accepts another key`);
        assert.equal(await accepts({ ...request, method: 'PUT' }, key), false, `${accepts.name} accepts another method`);
        assert.equal(await accepts(changed(request, 'content-digest', /:./, ':_'.replace('_', 'A')), key), false,
            `${accepts.name} accepts another digest`);
        checks += 4;
    }
}

async function weVerifyTheirs(keyId) {
    const key = randomBytes(32);
    for (const sign of [signedByFirst, signedBySecond]) {
        const request = await sign(unsigned(keyId), key);
        const hex = key.toString('hex');
        const good = run(format(request), 'check', hex);
        assert.equal(good.status, 0, `${sign.name} under ${keyId}: ${good.said}`);
        for (const bad of [
            run(format(request), 'check', randomBytes(32).toString('hex')),
            run(format({ ...request, target: '/qjob?a=b%20d' }), 'check', hex),
            run(format({ ...request, body: '{"job":8}' }), 'check', hex),
            run(format(changed(request, 'ketseal-channel', /:./, (text) => (text === ':A' ? ':B' : ':A'))), 'check', hex),
        ]) {
            assert.equal(bad.status, 1, `${sign.name}: accepted, or refused for another reason: ${bad.said}`);
        }
        checks += 5;
    }
}

// RFC 9421, appendix B.2.5, over the test request of B.2.
async function theVector() {
    const key = Buffer.from('uzvJfB4u3N0Jy4T7NZ75MDVcr8zSTInedJtkgcu46YW4XByzNJjxBdtjUkdJPBtbmHhIDi6pcl8jsasjlTMtDQ==', 'base64');
    const message = {
        kind: 'request', method: 'POST', targetUri: 'https://example.com/foo?param=Value&Pet=dog',
        fields: [
            { name: 'Host', value: 'example.com' },
            { name: 'Date', value: 'Tue, 20 Apr 2021 02:07:55 GMT' },
            { name: 'Content-Type', value: 'application/json' },
        ],
    };
    const made = await other.createSignature(message, {
        label: 'sig-b25', components: ['date', '@authority', 'content-type'], signer: signer(key),
        parameters: { created: 1618884473, keyid: 'test-shared-secret' },
    });
    assert.equal(made.signature, 'sig-b25=:pxcQw6G3AjtMBQjwo8XzkZf/bws5LelbaMk5rGIGtE8=:');
    const signed = await httpbis.signMessage({
        key: { id: 'test-shared-secret', sign: async (data) => hmac(key, data) }, name: 'sig-b25',
        fields: ['date', '@authority', 'content-type'], params: ['created', 'keyid'],
        paramValues: { created: new Date(1618884473000) },
    }, { method: 'POST', url: message.targetUri, headers: headersOf(message.fields) });
    assert.equal(signed.headers.Signature, 'sig-b25=:pxcQw6G3AjtMBQjwo8XzkZf/bws5LelbaMk5rGIGtE8=:');
    checks += 2;
}

for (const keyId of KEY_IDS) {
    await theyVerifyOurs(keyId);
    await weVerifyTheirs(keyId);
}
await theVector();
console.log(`rfc9421: ${checks} checks with http-message-signatures and http-message-sig`);
