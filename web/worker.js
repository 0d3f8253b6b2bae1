// SPDX-FileCopyrightText: The ketseal authors
// SPDX-License-Identifier: Apache-2.0
//
// One verification and no more: the page starts a new worker for each, and ends it when it has answered. So a bundle
// that needs all the memory there is costs its own answer and nothing else.

'use strict';

onmessage = (event) => {
    const { program, args, files } = event.data;
    let answer = null;

    try {
        answer = verifyInSandbox(new WebAssembly.Module(program), args, files);
    } catch (error) {
        answer = { code: null, out: new Uint8Array(0), said: `no verifier: ${error.message}`, memory: 0 };
    }
    postMessage(answer);
};
