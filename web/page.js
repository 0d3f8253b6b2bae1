// SPDX-FileCopyrightText: The ketseal authors
// SPDX-License-Identifier: Apache-2.0
//
// The page around the verifier: takes files, starts one worker for each verification, shows what it answered. It
// decides nothing: the answer is the program's exit code, the checks are its verdict, and what is saved are its bytes.

'use strict';

(() => {
    const COUNTS_SHOWN = 8;
    const STATES = {
        verified: { icon: 'pass', title: 'Verified' },
        refused: { icon: 'fail', title: 'Not verified' },
        unknown: { icon: 'unknown', title: 'Could not tell' },
        busy: { icon: 'busy', title: 'Checking' },
    };
    const CHECK_STATES = { pass: 'passed', fail: 'failed', 'not-run': 'did not run' };
    const GROUPS = {
        format: 'The bundle itself',
        signature: 'Signatures of the site',
        request: 'Who asked',
        result: 'The result',
        quote: 'The TPM’s quote',
        platform: 'The platform',
        ledger: 'The ledger',
        anchor: 'The anchor on a chain',
        timestamp: 'The timestamp',
        replay: 'Running it again',
    };

    const $ = (id) => document.getElementById(id);
    const decoder = new TextDecoder();
    let program = null; // bytes of the WebAssembly module
    let workerUrl = null;
    let explanations = null; // of --checks, which the program was asked for
    let limits = { bundle_bytes: Infinity, policy_bytes: Infinity }; // likewise; it holds to them itself, too
    let policy = null; // {name, data, demands}
    let newest = null; // the policy that was chosen last, which may not have been read yet
    let entries = []; // {name, size, file, card, state}
    let running = null; // {entry, worker}

    function element(name, attributes = {}, ...children) {
        const made = document.createElement(name);
        for (const [key, value] of Object.entries(attributes)) {
            made.setAttribute(key, value);
        }
        made.append(...children);
        return made;
    }

    function icon(name) {
        const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
        const use = document.createElementNS('http://www.w3.org/2000/svg', 'use');
        use.setAttribute('href', `#icon-${name}`);
        svg.setAttribute('aria-hidden', 'true');
        svg.setAttribute('class', `icon ${name}`);
        svg.append(use);
        return svg;
    }

    function plural(count, one, many = `${one}s`) {
        return `${count.toLocaleString('en')} ${count === 1 ? one : many}`;
    }

    function sizeText(size) {
        if (size < 1024) {
            return plural(size, 'byte');
        }
        return size < 1024 * 1024 ? `${(size / 1024).toFixed(1)} KiB` : `${(size / 1024 / 1024).toFixed(1)} MiB`;
    }

    function complain(text) {
        $('trouble').textContent = text;
        $('trouble').hidden = false;
    }

    async function digestText(data) {
        if (!globalThis.crypto?.subtle) {
            return null;
        }
        const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', data));
        return [...digest].map((byte) => byte.toString(16).padStart(2, '0')).join('');
    }

    // Both are JSON that the program reads strictly and this page only shows.
    function parsed(data) {
        try {
            return JSON.parse(decoder.decode(data));
        } catch {
            return null;
        }
    }

    // --- the program -------------------------------------------------------------------------------------------------

    async function unpack() {
        const packed = Uint8Array.from(atob($('program').textContent), (c) => c.charCodeAt(0));
        const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream('gzip'));
        program = new Uint8Array(await new Response(stream).arrayBuffer());
        workerUrl = URL.createObjectURL(new Blob([$('worker').textContent], { type: 'text/javascript' }));
    }

    // Calls answered once, whatever becomes of the worker, and returns that.
    function run(args, files, answered) {
        const worker = new Worker(workerUrl);
        const finish = (answer) => {
            worker.terminate();
            answered(answer);
        };

        worker.onmessage = (event) => finish(event.data);
        worker.onerror = (event) => {
            event.preventDefault();
            finish({ code: null, out: new Uint8Array(0), said: event.message || 'the verifier could not be started' });
        };
        worker.postMessage({ program, args, files });
        return worker;
    }

    // --- one bundle --------------------------------------------------------------------------------------------------

    function setState(entry, state) {
        const { icon: name, title } = STATES[state];
        const card = entry.card;

        entry.state = state;
        card.dataset.state = state;
        card.querySelector('use').setAttribute('href', `#icon-${name}`);
        card.querySelector('h2').textContent = title;
        card.querySelector('.stop').hidden = state !== 'busy';
    }

    function makeCard(entry) {
        const card = $('card').content.cloneNode(true).firstElementChild;

        entry.card = card;
        card.querySelector('.file').textContent = `${entry.name} · ${sizeText(entry.size)}`;
        card.querySelector('.stop').addEventListener('click', () => stop(entry));
        card.querySelector('.unfold').addEventListener('click', () => unfold(entry, card.querySelector('.body').hidden));
        card.querySelector('.expand').addEventListener('click', (event) => {
            const all = card.querySelectorAll('details');
            const open = event.target.getAttribute('aria-expanded') !== 'true';

            all.forEach((details) => {
                details.open = open;
            });
            event.target.setAttribute('aria-expanded', String(open));
            event.target.textContent = open ? 'Explain none' : 'Explain all';
        });
        setState(entry, 'busy');
        return card;
    }

    function unfold(entry, open) {
        const button = entry.card.querySelector('.unfold');

        entry.card.querySelector('.body').hidden = !open;
        button.hidden = false;
        button.setAttribute('aria-expanded', String(open));
        button.textContent = open ? 'Hide' : 'Details';
    }

    function showReason(entry, text) {
        const line = entry.card.querySelector('.reason');

        line.textContent = text;
        line.hidden = text === '';
    }

    function showCheck(name, item) {
        const texts = explanations.get(name);
        const demanded = policy.demands.includes(name);
        const head = element('span', { class: 'name' }, name);
        const line = [icon(item.state), head, element('span', { class: 'state' }, CHECK_STATES[item.state])];

        if (demanded) {
            line.push(element('span', { class: 'demanded' }, 'demanded'));
        }
        if (item.reason) {
            line.push(element('span', { class: 'why' }, item.reason));
        }
        const details = element('details', { 'data-check': name, 'data-state': item.state },
            element('summary', {}, ...line));
        if (texts) {
            details.append(element('dl', {},
                element('dt', {}, 'Covers'), element('dd', {}, texts.covers),
                element('dt', {}, 'Stops'), element('dd', {}, texts.stops),
                element('dt', {}, 'Does not prove'), element('dd', {}, texts.not_proved)));
        }
        return details;
    }

    function showChecks(entry, verdict) {
        const box = entry.card.querySelector('.checks');
        const names = Object.keys(verdict.checks);
        const order = [...explanations.keys()].filter((name) => names.includes(name));
        const count = (state) => names.filter((name) => verdict.checks[name].state === state).length;
        let group = null;

        box.querySelectorAll('section').forEach((old) => old.remove());
        for (const name of order) {
            const kind = name.split('.')[0];

            if (group?.dataset.kind !== kind) {
                group = element('section', { 'data-kind': kind }, element('h4', {}, GROUPS[kind] ?? kind));
                box.append(group);
            }
            group.append(showCheck(name, verdict.checks[name]));
        }
        box.querySelector('.tally').textContent =
            `${count('pass')} passed, ${count('fail')} failed, ${count('not-run')} did not run`;
        box.hidden = false;
    }

    // "2026-11-26T14:17:21.882744Z", as a person reads it, and no digit less.
    function timeText(time) {
        return time.replace('T', ' ').replace('Z', ' UTC');
    }

    function recordLines(bundle, verdict) {
        const core = bundle.record.core;
        const { workload, execution, platform, record } = core;
        const parameters = Object.entries(workload.parameters).map(([key, value]) => `${key} ${value}`).join(', ');
        const tpm = platform.tpm === 'simulated' ? 'simulated: it says nothing about hardware' : platform.tpm;

        const lines = [
            ['Record', record.record_id],
            ['Sealed', timeText(record.created_at)],
            ['Device', verdict.device],
            ['Workload', parameters ? `${workload.name} (${parameters})` : workload.name],
            ['Run', `${plural(workload.qubits, 'qubit')}, ${plural(workload.clbits, 'classical bit')}, ` +
                `${plural(workload.shots, 'shot')}, seed ${workload.seed}, ${execution.precision} precision`],
            ['Method', verdict.method],
            ['One-time key', verdict.key_source],
            ['Started', timeText(execution.started_at)],
            ['Finished', timeText(execution.finished_at)],
            ['TPM', tpm],
            ['Ledger', `${verdict.origin}, index ${verdict.index}`],
            ['Circuit', workload.circuit_hash, 'hash'],
            ['Worker', execution.build, 'hash'],
        ];
        if (bundle.anchor) {
            lines.push(['Anchor', `chain ${bundle.anchor.chain_id}, contract ${bundle.anchor.contract}`]);
        }
        return lines;
    }

    function showCounts(box, { execution, workload }) {
        const counts = Object.entries(execution.result_summary).sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1));
        const list = box.querySelector('ol');
        const more = box.querySelector('.more');

        list.replaceChildren();
        for (const [outcome, count] of counts.slice(0, COUNTS_SHOWN)) {
            const bar = element('span', { class: 'bar', 'aria-hidden': 'true' }, element('span'));

            bar.firstElementChild.style.width = `${(100 * count) / counts[0][1]}%`;
            list.append(element('li', {}, element('code', {}, outcome), bar,
                element('span', { class: 'number' }, `${count.toLocaleString('en')}`),
                element('span', { class: 'share' }, `${((100 * count) / workload.shots).toFixed(1)} %`)));
        }
        more.hidden = counts.length <= COUNTS_SHOWN;
        more.textContent = `and ${plural(counts.length - COUNTS_SHOWN, 'more outcome')}`;
        box.hidden = counts.length === 0;
    }

    // Read by this page from bytes that passed the check `format`, which leaves them one reading.
    function showRecord(entry, verdict, data) {
        const box = entry.card.querySelector('.record');
        const bundle = parsed(data);

        box.hidden = verdict.checks.format.state !== 'pass' || bundle === null;
        if (box.hidden) {
            return;
        }
        box.querySelector('h3').textContent =
            verdict.verified ? 'The record' : 'What the bundle says, which nothing vouches for';
        box.querySelector('dl').replaceChildren(...recordLines(bundle, verdict).flatMap(([name, value, kind]) =>
            [element('dt', {}, name), element('dd', kind ? { class: kind } : {}, value)]));
        showCounts(box.querySelector('.counts'), bundle.record.core);
    }

    function offerVerdict(entry, bytes) {
        const button = entry.card.querySelector('.save');

        button.hidden = false;
        button.onclick = () => {
            const url = URL.createObjectURL(new Blob([bytes], { type: 'application/json' }));
            const link = element('a', { href: url, download: `${entry.name}.verdict.json` });

            link.click();
            setTimeout(() => URL.revokeObjectURL(url), 10000);
        };
    }

    // 0 is yes, 1 is no, and whatever else there may be is neither.
    function showAnswer(entry, answer, data) {
        const verdict = answer.code === 0 || answer.code === 1 ? parsed(answer.out) : null;
        const said = answer.said.replace(/^ketseal-verify: /, '');

        if (verdict === null || verdict.verified !== (answer.code === 0)) {
            setState(entry, 'unknown');
            showReason(entry, said || `the verifier ended with exit code ${answer.code}`);
            return;
        }
        setState(entry, verdict.verified ? 'verified' : 'refused');
        showReason(entry, said);
        showChecks(entry, verdict);
        offerVerdict(entry, answer.out);
        try {
            showRecord(entry, verdict, data);
        } catch {
            entry.card.querySelector('.record').hidden = true; // of a version that this page cannot show
        }
        unfold(entry, entries.length === 1); // of many, their answers are seen first
    }

    // --- all of them -------------------------------------------------------------------------------------------------

    function tell() {
        const count = (state) => entries.filter((entry) => entry.state === state).length;
        const parts = [
            [count('verified'), 'verified'],
            [count('refused'), 'not verified'],
            [count('unknown'), 'could not be told'],
            [count('busy'), 'to go'],
        ].filter(([number]) => number > 0).map(([number, text]) => `${number} ${text}`);
        let text = parts.join(', ');

        if (entries.length > 0 && policy === null) {
            text = 'Choose a policy to check them.';
        } else if (entries.length === 0 && policy !== null) {
            text = 'Choose bundles to check.';
        }
        $('status').textContent = text;
        document.documentElement.dataset.idle = String(running === null && count('busy') === 0);
    }

    function summarizeBundles() {
        $('bundle-summary').hidden = entries.length === 0;
        const clear = element('button', { type: 'button', class: 'quiet' }, 'Clear');
        clear.addEventListener('click', () => {
            halt();
            entries = [];
            $('results').replaceChildren();
            $('bundle-file').value = '';
            summarizeBundles();
            tell();
        });
        $('bundle-summary').replaceChildren(plural(entries.length, 'bundle'), ' ', clear);
    }

    function halt() {
        running?.worker?.terminate();
        running = null;
    }

    function stop(entry) {
        if (running?.entry === entry) {
            halt();
        }
        setState(entry, 'unknown');
        showReason(entry, 'stopped before there was an answer');
        next();
    }

    async function next() {
        const entry = entries.find(({ state }) => state === 'busy');

        if (running !== null || entry === undefined || policy === null || explanations === null) {
            tell();
            return;
        }
        const turn = { entry, worker: null };
        running = turn;
        tell();
        let data = null;
        try {
            if (entry.size > limits.bundle_bytes) {
                throw new Error(`the file has more than ${limits.bundle_bytes} bytes`);
            }
            data = new Uint8Array(await entry.file.arrayBuffer());
        } catch (error) {
            finish({ code: null, out: new Uint8Array(0), said: error.message });
            return;
        }
        if (running === turn) {
            turn.worker = run(['--json', 'policy', 'bundle'], { policy: policy.data, bundle: data }, finish);
        }

        function finish(answer) {
            if (running === turn) {
                running = null;
                showAnswer(entry, answer, data);
                next();
            }
        }
    }

    function addBundles(files) {
        for (const file of files) {
            const entry = { name: file.name, size: file.size, file, card: null, state: 'busy' };

            entries.push(entry);
            $('results').append(makeCard(entry));
        }
        summarizeBundles();
        next();
    }

    function summarizePolicy(content, digest) {
        const site = content?.site;
        const lines = [['File', policy.name]];

        if (typeof site?.origin === 'string') {
            lines.push(['Site', site.origin]);
        }
        if (Array.isArray(content?.tpm)) {
            lines.push(['TPM', content.tpm.includes('simulated') ? 'a simulated one will do' : 'hardware']);
        }
        if (policy.demands.length > 0) {
            lines.push(['Demands', plural(policy.demands.length, 'check')]);
        }
        if (digest !== null) {
            lines.push(['SHA-256', digest, 'hash']);
        }
        $('policy-summary').replaceChildren(element('dl', {}, ...lines.flatMap(([name, value, kind]) =>
            [element('dt', {}, name), element('dd', kind ? { class: kind } : {}, value)])));
        $('policy-summary').hidden = false;
    }

    async function setPolicy(file) {
        if (file.size > limits.policy_bytes) {
            complain(`${file.name} is no policy: it has more than ${limits.policy_bytes} bytes.`);
            return;
        }
        const turn = { name: file.name, data: null, demands: [] };
        newest = turn;
        document.documentElement.dataset.idle = 'false';
        try {
            turn.data = new Uint8Array(await file.arrayBuffer());
        } catch (error) {
            complain(`${file.name} cannot be read: ${error.message}`);
            tell();
            return;
        }
        const content = parsed(turn.data);
        const digest = await digestText(turn.data);
        if (newest !== turn) {
            return; // another was chosen meanwhile
        }
        turn.demands = Array.isArray(content?.require) ? content.require : [];
        policy = turn;
        $('trouble').hidden = true;
        summarizePolicy(content, digest);
        // Another policy is another question: what was answered under the old one is asked again.
        halt();
        entries.forEach(makeCard);
        $('results').replaceChildren(...entries.map((entry) => entry.card));
        next();
    }

    async function saysPolicy(file) {
        if (file.size > limits.policy_bytes) {
            return false;
        }
        const data = await file.arrayBuffer().catch(() => new ArrayBuffer(0));
        return String(parsed(data)?.schema).startsWith('ketseal.policy/');
    }

    // Dropped somewhere on the page, a policy is told from a bundle by what it says of itself. It takes nobody's
    // place: who hands out bundles could slip one in among them.
    async function sortFiles(files) {
        const bundles = [];

        for (const file of files) {
            if (!(await saysPolicy(file))) {
                bundles.push(file);
            } else if (newest === null) {
                await setPolicy(file);
            } else {
                complain(`${file.name} is a policy. Yours stays; to put this one in its place, drop it on its field.`);
            }
        }
        addBundles(bundles);
    }

    // --- start -------------------------------------------------------------------------------------------------------

    function listen() {
        $('policy-file').addEventListener('change', (event) => {
            if (event.target.files.length > 0) {
                setPolicy(event.target.files[0]);
            }
        });
        $('bundle-file').addEventListener('change', (event) => {
            addBundles([...event.target.files]);
            event.target.value = ''; // so that the same file can be chosen again
        });
        const over = (event) => event.target.closest?.('.drop');
        document.addEventListener('dragover', (event) => {
            event.preventDefault();
            document.querySelectorAll('.drop').forEach((drop) => drop.classList.toggle('over', drop === over(event)));
        });
        document.addEventListener('dragleave', () =>
            document.querySelectorAll('.drop').forEach((drop) => drop.classList.remove('over')));
        document.addEventListener('drop', (event) => {
            const files = [...event.dataTransfer.files];
            const target = over(event)?.id;

            event.preventDefault();
            document.querySelectorAll('.drop').forEach((drop) => drop.classList.remove('over'));
            if (target === 'policy-drop' && files.length === 1) {
                setPolicy(files[0]);
            } else if (target === 'bundle-drop') {
                addBundles(files);
            } else {
                sortFiles(files);
            }
        });
    }

    async function start() {
        document.documentElement.dataset.idle = 'false';
        listen();
        try {
            await unpack();
        } catch (error) {
            complain(`This browser cannot start the verifier (${error.message}). It can tell nothing about any bundle.`);
            return;
        }
        run(['--checks'], {}, (answer) => {
            const known = answer.code === 0 ? parsed(answer.out) : null;

            if (known === null) {
                complain(`The verifier does not run in this browser: ${answer.said}`);
                return;
            }
            limits = known.limits;
            explanations = new Map(known.checks.map((check) => [check.name, check]));
            document.documentElement.dataset.ready = 'true';
            next();
        });
    }

    start();
})();
