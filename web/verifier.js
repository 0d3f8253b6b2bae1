// SPDX-FileCopyrightText: The ketseal authors
// SPDX-License-Identifier: Apache-2.0
//
// The system that ketseal-verify sees when it runs as WebAssembly: arguments, the files that it was given, standard
// output and error. It can write no file, its clock stands still and it knows no network. Random bytes it may have,
// since libcrypto blinds with them.
//
// verifyInSandbox(module, args, files) runs the program once, in an instance of its own:
//   module  WebAssembly.Module
//   args    array of strings, without the program's name
//   files   object: name -> Uint8Array
// and answers {code, out, said, memory}: the exit code, or null where the program was stopped; standard output as
// Uint8Array; standard error as text; bytes of memory that it had in the end.

'use strict';

const PROGRAM = 'ketseal-verify';
const OUT_BYTES_MAX = 1024 * 1024;

// Of WASI preview 1.
const ERRNO = { success: 0, badf: 8, inval: 28, noent: 44, nosys: 52, notdir: 54, fbig: 22 };
const FILETYPE = { character: 2, directory: 3, regular: 4 };
const FOLDER = 3; // the descriptor of the one folder, "/"
const RIGHTS_READ = 2n + 4n; // fd_read, fd_seek

class Exit extends Error {
    constructor(code) {
        super(`exit code ${code}`);
        this.code = code;
    }
}

function verifyInSandbox(module, args, files) {
    const encoder = new TextEncoder();
    const argv = [PROGRAM, ...args].map((text) => encoder.encode(`${text}\0`));
    const opened = new Map(); // descriptor -> {data, at}
    const written = { 1: [], 2: [] };
    const lengths = { 1: 0, 2: 0 };
    let next = FOLDER + 1;
    let memory = null;

    // The memory may grow, and its buffer change, between any two calls.
    const view = () => new DataView(memory.buffer);
    const bytes = (at, len) => new Uint8Array(memory.buffer, at, len);
    const text = (at, len) => new TextDecoder().decode(bytes(at, len));
    const joined = (chunks, len) => {
        const all = new Uint8Array(len);
        let at = 0;
        for (const chunk of chunks) {
            all.set(chunk, at);
            at += chunk.length;
        }
        return all;
    };
    // Calls handle(address, length) for each of COUNT vectors at VECTORS until it answers false.
    const eachVector = (vectors, count, handle) => {
        for (let i = 0; i < count; i++) {
            const at = view().getUint32(vectors + 8 * i, true);
            const len = view().getUint32(vectors + 8 * i + 4, true);
            if (!handle(at, len)) {
                break;
            }
        }
    };
    const stat = (at, type, size) => {
        bytes(at, 64).fill(0);
        view().setUint8(at + 16, type);
        view().setBigUint64(at + 24, 1n, true);
        view().setBigUint64(at + 32, BigInt(size), true);
        return ERRNO.success;
    };
    const fileOf = (at, len) => {
        const name = text(at, len).replace(/^(\.?\/)+/, '');
        return Object.hasOwn(files, name) ? files[name] : null;
    };

    const system = {
        args_sizes_get(count, size) {
            view().setUint32(count, argv.length, true);
            view().setUint32(size, argv.reduce((sum, arg) => sum + arg.length, 0), true);
            return ERRNO.success;
        },
        args_get(pointers, target) {
            argv.forEach((arg, i) => {
                view().setUint32(pointers + 4 * i, target, true);
                bytes(target, arg.length).set(arg);
                target += arg.length;
            });
            return ERRNO.success;
        },
        environ_sizes_get(count, size) {
            view().setUint32(count, 0, true);
            view().setUint32(size, 0, true);
            return ERRNO.success;
        },
        environ_get: () => ERRNO.success,
        clock_time_get(_clock, _precision, time) {
            view().setBigUint64(time, 0n, true);
            return ERRNO.success;
        },
        random_get(at, len) {
            const most = 65536; // getRandomValues gives no more at once
            for (let done = 0; done < len; done += most) {
                crypto.getRandomValues(bytes(at + done, Math.min(most, len - done)));
            }
            return ERRNO.success;
        },
        fd_prestat_get(fd, at) {
            if (fd !== FOLDER) {
                return ERRNO.badf;
            }
            view().setUint32(at, 0, true); // a folder
            view().setUint32(at + 4, 1, true); // the length of its name
            return ERRNO.success;
        },
        fd_prestat_dir_name(fd, at, len) {
            if (fd !== FOLDER || len < 1) {
                return ERRNO.badf;
            }
            bytes(at, 1)[0] = '/'.charCodeAt(0);
            return ERRNO.success;
        },
        fd_fdstat_get(fd, at) {
            const type =
                fd === FOLDER ? FILETYPE.directory : opened.has(fd) ? FILETYPE.regular : FILETYPE.character;
            if (fd > FOLDER && !opened.has(fd)) {
                return ERRNO.badf;
            }
            bytes(at, 24).fill(0);
            view().setUint8(at, type);
            view().setBigUint64(at + 8, 0xffffffffffffffffn, true);
            view().setBigUint64(at + 16, RIGHTS_READ, true);
            return ERRNO.success;
        },
        fd_filestat_get(fd, at) {
            const file = opened.get(fd);
            return file === undefined ? ERRNO.badf : stat(at, FILETYPE.regular, file.data.length);
        },
        path_filestat_get(fd, _flags, name, nameLen, at) {
            const data = fileOf(name, nameLen);
            return fd !== FOLDER || data === null ? ERRNO.noent : stat(at, FILETYPE.regular, data.length);
        },
        path_open(fd, _dirflags, name, nameLen, _oflags, _rights, _inheriting, _fdflags, out) {
            const data = fileOf(name, nameLen);
            if (fd !== FOLDER || data === null) {
                return ERRNO.noent;
            }
            opened.set(next, { data, at: 0 });
            view().setUint32(out, next, true);
            next++;
            return ERRNO.success;
        },
        fd_read(fd, vectors, count, out) {
            const file = fd === 0 ? { data: new Uint8Array(0), at: 0 } : opened.get(fd);
            let total = 0;
            if (file === undefined) {
                return ERRNO.badf;
            }
            eachVector(vectors, count, (at, len) => {
                const part = file.data.subarray(file.at, file.at + len);
                bytes(at, part.length).set(part);
                file.at += part.length;
                total += part.length;
                return part.length === len;
            });
            view().setUint32(out, total, true);
            return ERRNO.success;
        },
        fd_write(fd, vectors, count, out) {
            let total = 0;
            if (fd !== 1 && fd !== 2) {
                return ERRNO.badf;
            }
            eachVector(vectors, count, (at, len) => {
                if (lengths[fd] + len > OUT_BYTES_MAX) {
                    return false;
                }
                written[fd].push(bytes(at, len).slice());
                lengths[fd] += len;
                total += len;
                return true;
            });
            view().setUint32(out, total, true);
            return lengths[fd] < OUT_BYTES_MAX ? ERRNO.success : ERRNO.fbig;
        },
        fd_close: (fd) => (opened.delete(fd) ? ERRNO.success : ERRNO.badf),
        proc_exit(code) {
            throw new Exit(code);
        },
    };
    // Whatever else the C library can ask for, it is told that there is no such call.
    const imports = {};
    for (const { module: from, name } of WebAssembly.Module.imports(module)) {
        imports[from] ??= {};
        imports[from][name] = (from === 'wasi_snapshot_preview1' && system[name]) || (() => ERRNO.nosys);
    }

    let code = 0;
    let trouble = '';
    try {
        const instance = new WebAssembly.Instance(module, imports);
        memory = instance.exports.memory;
        instance.exports._start();
    } catch (error) {
        code = error instanceof Exit ? error.code : null;
        trouble = error instanceof Exit ? '' : `${PROGRAM}: stopped: ${error.message}`;
    }
    return {
        code,
        out: joined(written[1], lengths[1]),
        said: (new TextDecoder().decode(joined(written[2], lengths[2])) + trouble).trim(),
        memory: memory === null ? 0 : memory.buffer.byteLength,
    };
}
