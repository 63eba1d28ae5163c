#!/usr/bin/python3
"""qvm-run, qvm-check and so on of the lab's dom0: hands its argv to qrexecd.py on the host and copies its stdio."""
import json
import os
import socket
import sys
import threading

CHUNK = 1 << 16


def copy(source, target):
    """Both are closed at the end, so that each side sees the other's end."""
    try:
        while data := os.read(source, CHUNK):
            while data:
                data = data[os.write(target, data):]
    except OSError:
        pass
    finally:
        os.close(source)
        os.close(target)


server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
server.connect("/run/qrexec-lab/qrexec")
server.sendall(json.dumps([os.path.basename(sys.argv[0]), *sys.argv[1:]]).encode() + b"\n")
kind, ends, _, _ = socket.recv_fds(server, 1, 3)
if not kind:
    sys.exit(255)
if kind == b"p":
    to_qube, from_qube, errors = ends
    threading.Thread(target=copy, args=(0, to_qube), daemon=True).start()
    outputs = [threading.Thread(target=copy, args=pair) for pair in ((from_qube, 1), (errors, 2))]
    for output in outputs:
        output.start()
    for output in outputs:
        output.join()
os._exit(int(server.makefile().readline() or 255))  # the first thread may wait for a stdin that never ends
