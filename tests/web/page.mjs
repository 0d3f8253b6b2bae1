// SPDX-FileCopyrightText: The ketseal authors
// SPDX-License-Identifier: Apache-2.0
//
// What a page of web/build.py holds: the program, and the system around it, run by node instead of a browser.

import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';

function part(html, id) {
    const found = new RegExp(`<script type="text/plain" id="${id}">([^]*?)</script>`).exec(html);
    if (found === null) {
        throw new Error(`the page has no part '${id}'`);
    }
    return found[1];
}

// {module, run(args, files)}; files: name -> Uint8Array.
export function load(path) {
    const html = readFileSync(path, 'utf8');
    const module = new WebAssembly.Module(gunzipSync(Buffer.from(part(html, 'program'), 'base64')));
    const verifyInSandbox = new Function(`let onmessage; ${part(html, 'worker')}; return verifyInSandbox;`)();

    return { module, run: (args, files) => verifyInSandbox(module, args, files) };
}
