#!/usr/bin/env python3
# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
"""A report of `ketseal detect report`: one page that is well-formed, loads nothing, runs nothing, and says what
`ketseal --json detect evaluate` says of the same rows and model. Where Chromium is there, it is shown and printed.

  report.py REPORT_HTML EVALUATION_JSON SOURCE_ROOT
"""

import base64
import html.parser
import importlib.util
import json
import math
import pathlib
import shutil
import sys
import tempfile
import xml.etree.ElementTree

# All that may be in it: nothing that fetches, runs or asks.
TAGS = set('''html head meta title style body h1 h2 p table tr th td code div figure figcaption b br data svg line text path
    polyline polygon'''.split())
ATTRIBUTES = set('''xmlns lang charset http-equiv content name class scope id value role viewBox x y x1 y1 x2 y2 d points
    text-anchor transform'''.split())
VOID = {'meta', 'br', 'line', 'path', 'polyline', 'polygon'}


def check(condition, text):
    if not condition:
        sys.exit(f'report.py: {text}')


class Strict(html.parser.HTMLParser):
    """Each element closed by its own end, each attribute known, each text taken down."""

    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.open = []
        self.values = {}
        self.texts = {}
        self.svgs = 0

    def handle_starttag(self, tag, attrs):
        check(tag in TAGS, f'an element <{tag}>')
        for name, value in attrs:
            check(name in {one.lower() for one in ATTRIBUTES}, f'an attribute {name} in <{tag}>')
            check('url(' not in (value or '') and 'javascript:' not in (value or ''), f'{name}="{value}"')
        check(len({name for name, _ in attrs}) == len(attrs), f'an attribute twice in <{tag}>')
        names = dict(attrs)
        if 'id' in names:
            check(names['id'] not in self.texts, f'the id {names["id"]} twice')
            self.texts[names['id']] = ''
            if tag == 'data':
                self.values[names['id']] = float(names['value'])
        self.svgs += tag == 'svg'
        if tag not in VOID:
            self.open.append((tag, names.get('id')))

    def handle_startendtag(self, tag, attrs):
        check(tag in VOID, f'<{tag}/>')
        self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag):
        check(self.open and self.open[-1][0] == tag, f'</{tag}> within {self.open[-1:]}')
        self.open.pop()

    def handle_data(self, data):
        for _, identity in self.open:
            if identity is not None:
                self.texts[identity] += data


def parse(text):
    parser = Strict()
    parser.feed(text)
    parser.close()
    check(not parser.open, f'not closed: {parser.open}')
    xml.etree.ElementTree.fromstring(text)
    check('<script' not in text and '@import' not in text, 'it runs or loads something')
    links = text.count('http') - text.count('http://www.w3.org/') - text.count('http-equiv')
    check(links == 0, f'{links} addresses')
    return parser


def same(parser, identity, want):
    got = parser.values.get(identity, math.nan)
    check(got == want, f'{identity} is {got}; evaluate says {want}')


def compare(parser, evaluation):
    """Numbers to the last bit."""
    for name in ('rows', 'features', 'trees', 'sample', 'roc_auc', 'pr_auc', 'f1', 'recall', 'precision', 'threshold',
                 'true_positives', 'false_positives', 'true_negatives', 'false_negatives'):
        if evaluation[name] is None:
            check(name not in parser.values, f'{name} where evaluate has none')
        else:
            same(parser, name, evaluation[name])
    for name in ('roc_auc', 'pr_auc', 'f1', 'recall'):
        low, high = evaluation[f'{name}_interval']
        same(parser, f'{name}_low', low)
        same(parser, f'{name}_high', high)
    check(parser.texts['model'] == evaluation['model'], 'another model')
    for number, kind in enumerate(evaluation['kinds']):
        check(parser.texts[f'kind_{number}'] == kind['kind'], f'kind {number} is {parser.texts[f"kind_{number}"]}')
        for name in ('anomalies', 'recall', 'roc_auc'):
            same(parser, f'kind_{number}_{name}', kind[name])
        for name in ('recall', 'roc_auc'):
            same(parser, f'kind_{number}_{name}_low', kind[f'{name}_interval'][0])
            same(parser, f'kind_{number}_{name}_high', kind[f'{name}_interval'][1])
    check(f'kind_{len(evaluation["kinds"])}' not in parser.texts, 'a kind that evaluate does not know')
    check(parser.svgs == 4, f'{parser.svgs} charts')


def render(path, root):
    """What a browser makes of it: all is inside its width, nothing is asked for, it prints."""
    spec = importlib.util.spec_from_file_location('browsers', root / 'tests' / 'web' / 'browsers.py')
    browsers = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(browsers)
    if any(shutil.which(program) is None for program in browsers.Chromium.programs):
        return 'no Chromium here'
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name, browsers.Chromium(pathlib.Path(name)) as browser:
        browser.post('/url', url='about:blank') # away from the browser's own first page
        browser.requests()
        browser.post('/url', url=path.resolve().as_uri())
        for size in (browsers.DESKTOP, browsers.PHONE):
            browser.shot(None, size)
        check(browser.script('return document.scripts.length') == 0, 'a script')
        check(browser.script('return [...document.querySelectorAll("svg polyline")].every(e => e.getTotalLength() > 0)'),
              'a line that is none')
        asked = browser.requests()
        check(asked == [path.resolve().as_uri()], f'the page asked for {asked}')
        printed = base64.b64decode(browser.post('/print', background=True))
        check(printed.startswith(b'%PDF'), 'the page does not print')
    return 'shown and printed by Chromium'


def main():
    path, evaluation, root = map(pathlib.Path, sys.argv[1:])
    parser = parse(path.read_text())
    compare(parser, json.loads(evaluation.read_text()))
    print(f'{len(parser.values)} numbers; {render(path, root)}')


if __name__ == '__main__':
    main()
