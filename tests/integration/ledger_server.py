# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
"""A static server that misbehaves on demand: ledger_server.py DIRECTORY FILE_FOR_THE_PORT MODE

  plain          serves
  slow           sends a byte of each answer every tenth of a second
  endless        sends answers that do not end
  error          answers 500
  redirect       answers 302
  garbage        answers with no HTTP
  silent         accepts, and says nothing
  dies=N         serves N answers, then closes each connection
  stall=N        serves N answers, then says nothing
"""
import pathlib
import socket
import sys
import threading
import time

root, port_file, mode = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), sys.argv[3]
served = 0


def head(status, length):
    return f"HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n".encode()


def answer(connection, target):
    global served
    file = root / target.lstrip("/")
    found = file.is_file()
    body = file.read_bytes() if found else b""
    whole = head("200 OK" if found else "404 Not Found", len(body)) + body
    name, _, number = mode.partition("=")
    if name in ("dies", "stall") and served >= int(number):
        time.sleep(0 if name == "dies" else 30)
        return
    served += 1
    if name == "slow":
        for byte in whole:
            connection.sendall(bytes([byte]))
            time.sleep(0.1)
    elif name == "endless":
        connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            connection.sendall(b"1000\r\n" + bytes(4096) + b"\r\n")
    elif name == "error":
        connection.sendall(head("500 Internal Server Error", 0))
    elif name == "redirect":
        connection.sendall(b"HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n")
    elif name == "garbage":
        connection.sendall(b"220 mail ready\r\n" * 3000)
    elif name == "silent":
        time.sleep(30)
    else:
        connection.sendall(whole)


def serve(connection):
    with connection:
        try:
            request = b""
            while b"\r\n\r\n" not in request:
                more = connection.recv(4096)
                if not more:
                    return
                request += more
            answer(connection, request.split(b" ")[1].decode())
        except OSError:
            pass


with socket.create_server(("127.0.0.1", 0)) as listener:
    port_file.write_text(f"{listener.getsockname()[1]}\n")
    while True:
        threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
