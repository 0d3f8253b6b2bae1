#!/usr/bin/env python3
# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
"""A node that lies: passes calls on to a real one and spoils what comes back as the file 'lie' says.

  rpc_liar.py UPSTREAM    prints its port; the file is read again for each call: METHOD LIE [ARGUMENT]
"""

import http.server
import json
import sys
import time
import urllib.request

UPSTREAM = sys.argv[1]


def ask(body):
    request = urllib.request.Request(UPSTREAM, body, {'Content-Type': 'application/json'})
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


def change(digits):
    """Another number of the same form."""
    return digits[:-1] + ('0' if digits[-1] != '0' else '1')


def spoil(answer, lie, argument):
    """What is sent instead of ANSWER: bytes, or something for json.dumps."""
    result = answer.get('result')
    if lie == 'id':
        answer['id'] += 1
    elif lie == 'version':
        answer['jsonrpc'] = '1.0'
    elif lie == 'error':
        return {'jsonrpc': '2.0', 'id': answer['id'], 'error': {'code': -32000, 'message': argument}}
    elif lie == 'empty-error':
        return {'jsonrpc': '2.0', 'id': answer['id'], 'error': {}}
    elif lie == 'result':
        answer['result'] = json.loads(argument)
    elif lie == 'missing':
        del result[argument]
    elif lie == 'set':
        name, value = argument.split('=')
        result[name] = json.loads(value)
    elif lie == 'changed':
        result[argument] = change(result[argument])
    elif lie == 'node':
        proof = result['accountProof'] if argument == 'account' else result['storageProof'][0]['proof']
        proof[-1] = change(proof[-1])
    elif lie == 'cut':
        result[argument] = result[argument][:-1]
    elif lie == 'more':
        result[argument] = result[argument] + result[argument][-1:]
    elif lie == 'slots':
        result['storageProof'] = []
    elif lie == 'none':
        return {'jsonrpc': '2.0', 'id': answer['id']}
    elif lie == 'twice':
        return b'{"id":%d,"id":%d,"jsonrpc":"2.0","result":"0x1"}' % (answer['id'], answer['id'])
    elif lie == 'text':
        return argument.encode()
    elif lie == 'long':
        return b'[' + b'0,' * 1000000 + b'0]'
    elif lie == 'deep':
        return b'[' * 100000
    return answer


class Liar(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'

    def log_message(self, *_):
        pass

    def do_POST(self):
        body = self.rfile.read(int(self.headers['Content-Length']))
        method, lie, argument = (open('lie').read().rstrip('\n').split(' ', 2) + ['', ''])[:3]
        answer = ask(body)
        status = 200
        if json.loads(body)['method'] == method:
            if lie == 'slow':
                time.sleep(float(argument))
            if lie == 'status':
                status, answer = int(argument), b'busy'
            else:
                answer = spoil(answer, lie, argument)
        data = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        try:
            self.send_response(status)
            if status == 302:
                self.send_header('Location', UPSTREAM)
            self.send_header('Content-Type', 'application/json')
            self.send_header('Content-Length', str(len(data)))
            self.end_headers()
            self.wfile.write(data)
        except (BrokenPipeError, ConnectionResetError):
            pass


server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Liar)
print(server.server_port, flush=True)
server.serve_forever()
