#!/usr/bin/env python3
# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
"""The verifier's page in a headless browser, opened from disk: what it shows is what ketseal-verify says, it asks the
network for nothing, and it could not.

  browsers.py chromium|firefox VERIFY_HTML KETSEAL_VERIFY SOURCE_ROOT [FOLDER]

With FOLDER, screenshots are left there, and the page as it prints.
"""

import base64
import http.server
import json
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request

ELEMENT = 'element-6066-11e4-a52e-4f735466cecf'
CHROMIUM = ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-dev-shm-usage',
            '--disable-background-networking', '--disable-component-update', '--disable-sync', '--force-color-profile=srgb']
# Of its own accord it asks for much; none of that is the page's.
FIREFOX = {'app.update.enabled': False, 'browser.shell.checkDefaultBrowser': False, 'browser.startup.page': 0,
           'datareporting.policy.dataSubmissionEnabled': False, 'network.captive-portal-service.enabled': False,
           'network.connectivity-service.enabled': False, 'services.settings.server': '', 'toolkit.telemetry.enabled': False,
           'browser.download.folderList': 2, 'marionette.port': 0, 'remote.prefs.recommended': True}
WAIT_S = 60
TITLES = {0: 'Verified', 1: 'Not verified'}
PHONE = (390, 844)
DESKTOP = (1180, 900)


class Browser:
    """What the test asks of a browser, in the words of WebDriver."""

    def post(self, path, **body):
        raise NotImplementedError

    def find(self, selector):
        return self.post('/element', using='css selector', value=selector)[ELEMENT]

    def script(self, text, *args):
        return self.post('/execute/sync', script=text, args=list(args))

    def files(self, selector, *paths):
        self.post(f'/element/{self.find(selector)}/value', text='\n'.join(str(path) for path in paths))

    def click(self, selector):
        self.post(f'/element/{self.find(selector)}/click')

    def wait(self, condition, what):
        until = time.monotonic() + WAIT_S
        while not self.script(f'return {condition}'):
            if time.monotonic() > until:
                fail(f'waited {WAIT_S} s for {what}: {self.script("return document.body.innerText")}')
            time.sleep(0.05)


class Chromium(Browser):
    """By chromedriver, which speaks WebDriver over HTTP."""
    programs = ['chromium', 'chromedriver']

    def __init__(self, folder):
        self.process = None
        self.session = ''
        self.folder = folder
        self.log = folder / 'chromedriver.log'

    def __enter__(self):
        with self.log.open('w') as log:
            self.process = subprocess.Popen(['chromedriver', '--port=0'], stdout=log, stderr=subprocess.STDOUT)
        words = 'started successfully on port '
        wait_for(lambda: words in self.log.read_text(), self.process, 'chromedriver')
        self.url = 'http://127.0.0.1:' + self.log.read_text().split(words)[1].split('.')[0]
        options = {'args': [*CHROMIUM, f'--user-data-dir={self.folder / "profile"}'], 'binary': shutil.which('chromium'),
                   'prefs': {'download.default_directory': str(self.folder / 'downloads')}}
        answer = self.call('POST', '/session', {'capabilities': {'alwaysMatch': {
            'browserName': 'chrome', 'goog:chromeOptions': options,
            'goog:loggingPrefs': {'performance': 'ALL', 'browser': 'ALL'}}}})
        self.session = f'/session/{answer["sessionId"]}'
        return self

    def __exit__(self, *_):
        if self.session:
            self.call('DELETE', self.session)
        self.process.terminate()
        self.process.wait()

    def call(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, {'Content-Type': 'application/json'}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=WAIT_S) as answer:
                return json.load(answer)['value']
        except urllib.error.HTTPError as error:
            raise RuntimeError(json.load(error)['value']['message']) from None

    def post(self, path, **body):
        return self.call('POST', self.session + path, body)

    def command(self, name, **params):
        return self.post('/goog/cdp/execute', cmd=name, params=params)

    def logged(self, kind):
        return self.post('/se/log', type=kind)

    def requests(self):
        """What was asked for since the last call; of all that, errors on the console are none."""
        errors = [entry for entry in self.logged('browser') if entry['level'] == 'SEVERE']
        check(not errors, f'errors on the console: {errors}')
        messages = [json.loads(entry['message'])['message'] for entry in self.logged('performance')]
        return [message['params']['request']['url'] for message in messages
                if message['method'] == 'Network.requestWillBeSent']

    def shot(self, path, size, dark=False):
        """The whole page, as high as it is."""
        features = [{'name': 'prefers-color-scheme', 'value': 'dark' if dark else 'light'}]
        self.command('Emulation.setEmulatedMedia', features=features)
        self.command('Emulation.setDeviceMetricsOverride', width=size[0], height=size[1], deviceScaleFactor=1, mobile=False)
        high = self.script('return document.documentElement.scrollHeight')
        wide = self.script('return document.documentElement.scrollWidth')
        check(wide <= size[0], f'the page is {wide} pixels wide on a screen of {size[0]}')
        self.command('Emulation.setDeviceMetricsOverride', width=size[0], height=high, deviceScaleFactor=1, mobile=False)
        if path is not None:
            path.write_bytes(base64.b64decode(self.call('GET', self.session + '/screenshot')))


class Firefox(Browser):
    """By Marionette, the protocol beneath its WebDriver: "LENGTH:[type,id,command,parameters]"."""
    programs = ['firefox-esr']
    commands = {'/url': 'Navigate', '/execute/sync': 'ExecuteScript', '/execute/async': 'ExecuteAsyncScript',
                '/element': 'FindElement', '/print': 'Print', '/screenshot': 'TakeScreenshot',
                '/rect': 'SetWindowRect', 'value': 'ElementSendKeys', 'click': 'ElementClick'}

    def __init__(self, folder):
        self.folder = folder
        self.process = None
        self.stream = None
        self.number = 0

    def __enter__(self):
        profile = self.folder / 'profile'
        profile.mkdir()
        prefs = {**FIREFOX, 'browser.download.dir': str(self.folder / 'downloads')}
        (profile / 'user.js').write_text(''.join(
            f'user_pref({json.dumps(name)}, {json.dumps(value)});\n' for name, value in prefs.items()))
        with (self.folder / 'firefox.log').open('w') as log:
            self.process = subprocess.Popen(
                ['firefox-esr', '--headless', '--marionette', '--no-remote', '--profile', profile], stdout=log,
                stderr=subprocess.STDOUT, env={**os.environ, 'HOME': str(self.folder), 'MOZ_CRASHREPORTER_DISABLE': '1'})
        port = profile / 'MarionetteActivePort'
        wait_for(lambda: port.exists() and port.read_text().strip(), self.process, 'firefox')
        connection = socket.create_connection(('127.0.0.1', int(port.read_text())), timeout=WAIT_S)
        self.stream = connection.makefile('rwb')
        self.receive() # its greeting
        self.call('NewSession')
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()

    def receive(self):
        length = b''
        while not length.endswith(b':'):
            byte = self.stream.read(1)
            check(byte, 'firefox ended')
            length += byte
        return json.loads(self.stream.read(int(length[:-1])))

    def call(self, command, **params):
        self.number += 1
        text = json.dumps([0, self.number, f'WebDriver:{command}', params]).encode()
        self.stream.write(b'%d:%s' % (len(text), text))
        self.stream.flush()
        _, number, error, answer = self.receive()
        if error is not None or number != self.number:
            raise RuntimeError(error)
        return answer['value'] if isinstance(answer, dict) and 'value' in answer else answer

    def post(self, path, **body):
        parts = path.split('/')
        if len(parts) == 4 and parts[1] == 'element':
            return self.call(self.commands[parts[3]], id=parts[2], **body)
        return self.call(self.commands[path], **body)

    def requests(self):
        return None # it has no such log

    def shot(self, path, size, dark=False):
        if not dark:
            self.post('/rect', width=size[0], height=size[1])
            if path is not None:
                path.with_suffix('.firefox.png').write_bytes(base64.b64decode(self.post('/screenshot', full=True)))


class Trap(http.server.BaseHTTPRequestHandler):
    """A server on loopback that nobody may reach."""
    seen = []

    def do_GET(self):
        self.seen.append(self.path)
        self.send_response(200)
        self.send_header('Access-Control-Allow-Origin', '*')
        self.end_headers()

    def log_message(self, *args):
        pass


def fail(text):
    sys.exit(f'browsers.py: {text}')


def check(condition, text):
    if not condition:
        fail(text)


def wait_for(ready, process, name):
    until = time.monotonic() + WAIT_S
    while not ready():
        check(time.monotonic() < until and process.poll() is None, f'{name} did not start')
        time.sleep(0.05)


def native(verify, policy, bundle):
    done = subprocess.run([verify, '--json', policy, bundle], stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
    return done.returncode, done.stdout, done.stderr.decode().strip().removeprefix('ketseal-verify: ')


def cards(browser):
    return browser.script('''return [...document.querySelectorAll(".card")].map((card) => ({
        title: card.querySelector("h2").textContent,
        state: card.dataset.state,
        file: card.querySelector(".file").textContent.split(" · ")[0],
        reason: card.querySelector(".reason").textContent,
        checks: Object.fromEntries([...card.querySelectorAll("[data-check]")].map((one) =>
            [one.dataset.check, [one.dataset.state, one.querySelector(".why")?.textContent ?? ""]])),
        demanded: [...card.querySelectorAll("[data-check]")].filter((one) => one.querySelector(".demanded"))
            .map((one) => one.dataset.check),
        explained: [...card.querySelectorAll("[data-check] dl")].length,
        record: card.querySelector(".record dl").textContent,
        saves: !card.querySelector(".save").hidden,
    }))''')


def compare(shown, verify, policy, bundle):
    """One card against what ketseal-verify says of the same files."""
    code, out, said = native(verify, policy, bundle)
    check(shown['title'] == TITLES.get(code, 'Could not tell'), f'{bundle}: {code}, but the page shows {shown["title"]}')
    check(shown['file'] == bundle.name, f'{bundle}: the page calls it {shown["file"]}')
    said = said.replace(str(policy), 'policy').replace(str(bundle), 'bundle')
    check(shown['reason'] == said, f'{bundle}: the page gives as its reason: {shown["reason"]}; it is: {said}')
    check(shown['saves'] == (code in TITLES), f'{bundle}: a verdict to save where there is none, or none where there is')
    if code not in TITLES:
        check(not shown['checks'], f'{bundle}: checks without a verdict')
        return
    verdict = json.loads(out)
    want = {name: [item['state'], item.get('reason', '')] for name, item in verdict['checks'].items()}
    check(shown['checks'] == want, f'{bundle}: the page shows {shown["checks"]}; it is {want}')
    demanded = json.loads(policy.read_bytes())['require']
    check(sorted(shown['demanded']) == sorted(demanded), f'{bundle}: demanded are {demanded}, not {shown["demanded"]}')
    check(shown['explained'] == len(want), f'{bundle}: {shown["explained"]} of {len(want)} checks are explained')
    if code == 0:
        check(verdict['record_id'] in shown['record'], f'{bundle}: the page does not name the record')


def saved(browser, downloads, number, name, want):
    """The button of card NUMBER saves the very bytes."""
    browser.click(f'.card:nth-of-type({number + 1}) .save')
    path = downloads / f'{name}.verdict.json'
    until = time.monotonic() + WAIT_S
    while not path.exists() and time.monotonic() < until:
        time.sleep(0.05)
    check(path.read_bytes() == want, f'{path.name} is not what ketseal-verify prints')


def no_network(browser, page):
    """What the browser asked for, as its own log tells; then attempts that have to fail."""
    asked = browser.requests()
    if asked is not None:
        check(page in asked, 'the log of the browser lacks the page itself')
        strange = [url for url in asked if url != page and not url.startswith(('blob:null/', 'blob:file:///'))]
        check(not strange, f'the page asked for {strange}')
    server = http.server.HTTPServer(('127.0.0.1', 0), Trap)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f'http://127.0.0.1:{server.server_port}/'
    outcome = browser.post('/execute/async', script='''const [url, done] = arguments;
        const image = new Promise((resolve) => {
            const element = new Image(); element.onload = () => resolve("loaded"); element.onerror = () => resolve("refused");
            element.src = url + "image"; });
        const fetched = fetch(url + "fetch").then(() => "fetched", () => "refused");
        Promise.all([image, fetched]).then(done);''', args=[url])
    urllib.request.urlopen(url + 'alive', timeout=WAIT_S).close()
    server.shutdown()
    server.server_close()
    check(outcome == ['refused', 'refused'], f'the page reached the network: {outcome}')
    check(Trap.seen == ['/alive'], f'the server saw {Trap.seen}')


def drop(browser, selector, *paths):
    """As a file manager does it."""
    browser.script('''const [selector, files] = arguments;
        const carried = new DataTransfer();
        for (const [name, text] of files) { carried.items.add(new File([text], name)); }
        document.querySelector(selector).dispatchEvent(
            new DragEvent("drop", {dataTransfer: carried, bubbles: true, cancelable: true}));''',
                   selector, [[path.name, path.read_text()] for path in paths])


def dropping(browser, page, policy, other, bundle):
    """A policy among bundles is found, but takes the place of none."""
    browser.post('/url', url=page)
    browser.wait('document.documentElement.dataset.ready === "true"', 'the program to start')
    drop(browser, 'main', bundle, policy)
    browser.wait('document.querySelector(".card")?.dataset.state === "verified"', 'the verdict of dropped files')
    drop(browser, 'main', other)
    browser.wait('!document.getElementById("trouble").hidden', 'a second policy to be refused')
    check(browser.script('return document.querySelector(".card").dataset.state') == 'verified', 'a dropped policy was taken')
    drop(browser, '#policy-drop', other)
    browser.wait('document.querySelector(".card").dataset.state === "refused"', 'the verdict under another policy')
    drop(browser, '#bundle-drop', policy)
    browser.wait('document.querySelectorAll(".card[data-state=refused]").length === 2', 'a policy that is no bundle')


def broken(folder, bundle):
    """Bundles that are none, each for a reason of its own."""
    data = bundle.read_bytes()
    made = {'flipped.bundle': data[:2000] + bytes([data[2000] ^ 1]) + data[2001:], 'half.bundle': data[:len(data) // 2],
            'empty.bundle': b'', 'two words.bundle': b'not JSON\n'}
    for name, content in made.items():
        (folder / name).write_bytes(content)
    return [folder / name for name in made]


def run(browser, page, verify, root, folder, shots):
    shot = (lambda name: shots / name) if shots else (lambda name: None)
    vectors = root / 'tests' / 'vectors' / 'bundle'
    policy = vectors / '4' / 'lab.policy'
    good = sorted((vectors / '4').glob('*.bundle'))
    bad = broken(folder, good[0])

    browser.post('/url', url='about:blank')
    browser.requests() # of the browser's own first page
    browser.post('/url', url=page)
    browser.wait('document.documentElement.dataset.ready === "true"', 'the program to start')
    browser.shot(shot('empty.png'), DESKTOP)

    # The bundles first: they wait for a policy.
    browser.files('#bundle-file', good[0], bad[0])
    check([card['title'] for card in cards(browser)] == ['Checking', 'Checking'], 'an answer without a policy')
    browser.files('#policy-file', policy)
    browser.wait('document.documentElement.dataset.idle === "true"', 'answers')
    browser.shot(shot('desktop.png'), DESKTOP)
    browser.shot(shot('dark.png'), DESKTOP, dark=True)
    browser.shot(shot('phone.png'), PHONE)
    code, out, _ = native(verify, policy, good[0])
    check(code == 0, f'{good[0]} does not verify')
    saved(browser, folder / 'downloads', 0, good[0].name, out)
    saved(browser, folder / 'downloads', 1, bad[0].name, native(verify, policy, bad[0])[1])

    browser.files('#bundle-file', *good[1:], *bad[1:], vectors / '1' / 'bell.bundle')
    browser.wait('document.documentElement.dataset.idle === "true"', 'answers')
    given = [good[0], bad[0], *good[1:], *bad[1:], vectors / '1' / 'bell.bundle']
    shown = cards(browser)
    check(len(shown) == len(given), f'{len(shown)} answers for {len(given)} bundles')
    for card, bundle in zip(shown, given):
        compare(card, verify, policy, bundle)
    check({card['title'] for card in shown} == set(TITLES.values()), 'not both answers were given')

    # Another policy is another question; one that is none has no answer.
    other = vectors / '1' / 'lab.policy'
    browser.files('#policy-file', other)
    browser.wait('document.documentElement.dataset.idle === "true"', 'answers')
    for card, bundle in zip(cards(browser), given):
        compare(card, verify, other, bundle)
    none = folder / 'none.policy'
    none.write_text('{"schema":"ketseal.policy/1"}\n')
    browser.files('#policy-file', none)
    browser.wait('document.documentElement.dataset.idle === "true"', 'answers')
    shown = cards(browser)
    check({card['title'] for card in shown} == {'Could not tell'}, 'a verdict under a policy that is none')
    for card, bundle in zip(shown, given):
        compare(card, verify, none, bundle)
    browser.script('document.querySelectorAll(".card").forEach((card, i) => { if (i > 1) card.remove(); })')
    browser.shot(shot('unknown.png'), DESKTOP)

    browser.files('#policy-file', policy)
    browser.wait('document.documentElement.dataset.idle === "true"', 'answers')
    printed = base64.b64decode(browser.post('/print', background=True))
    check(printed.startswith(b'%PDF'), 'the page does not print')
    if shots:
        (shots / 'print.pdf').write_bytes(printed)
    dropping(browser, page, policy, other, good[0])
    no_network(browser, page)
    return len(given)


def main():
    browser = {'chromium': Chromium, 'firefox': Firefox}[sys.argv[1]]
    paths = [pathlib.Path(arg).resolve() for arg in sys.argv[2:]]
    html, verify, root = paths[:3]
    shots = paths[3] if len(paths) > 3 else None
    for program in browser.programs:
        if shutil.which(program) is None:
            print(f'SKIPPED: no {program}')
            sys.exit(77)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        folder = pathlib.Path(name)
        (folder / 'downloads').mkdir()
        with browser(folder) as started:
            count = run(started, html.as_uri(), verify, root, folder, shots)
    print(f'{count} bundles under 3 policies: the page shows what ketseal-verify says, and asked nobody')


if __name__ == '__main__':
    main()
