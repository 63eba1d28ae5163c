"""qrexecd.py DIRECTORY: the host's side of the lab's qrexec (test/qubes/lab.ts starts it and decides what a call does).

A client in dom0 (qvm-client.py) connects and sends its argv as a line of JSON. It goes to stdout as `[ID, ARGV]`, and the
lab answers on stdin `[ID, {"argv": [...], "input": TEXT, "io": BOOL}]`. That is run here; the client gets the other ends of
its stdin, stdout and stderr by SCM_RIGHTS, and at last its exit code. So when a client is killed, the process in the qube
sees the ends of its pipes and no more, as with Qubes. Listens on DIRECTORY/socket/qrexec. Ends when stdin does, and removes
DIRECTORY.
"""
import json
import os
import shutil
import socket
import subprocess
import sys
import threading

answers = {}
answered = threading.Condition()


def ask(number, argv):
    with answered:
        print(json.dumps([number, argv]), flush=True)
        answered.wait_for(lambda: number in answers)
        return answers.pop(number)


def serve(number, client):
    with client:
        call = ask(number, json.loads(client.makefile().readline()))
        wanted = subprocess.PIPE if call["io"] else subprocess.DEVNULL
        process = subprocess.Popen(call["argv"], stdin=subprocess.PIPE, stdout=wanted, stderr=wanted)
        os.write(process.stdin.fileno(), call["input"].encode())  # less than a pipe holds
        ends = [end for end in (process.stdin, process.stdout, process.stderr) if end]
        try:
            if call["io"]:
                socket.send_fds(client, [b"p"], [end.fileno() for end in ends])
            else:
                client.sendall(b"-")
        except OSError:
            pass  # the client is gone
        for end in ends:
            end.close()
        code = process.wait()
        try:
            client.sendall(b"%d\n" % (code if code >= 0 else 128 - code))
        except OSError:
            pass


def accept(server):
    number = 0
    while True:
        client, _ = server.accept()
        number += 1
        threading.Thread(target=serve, args=(number, client), daemon=True).start()


listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
address = os.path.join(sys.argv[1], "socket", "qrexec")
listener.bind(address)
os.chmod(address, 0o666)
listener.listen(64)
threading.Thread(target=accept, args=(listener,), daemon=True).start()
for line in sys.stdin:
    answered_number, answer = json.loads(line)
    with answered:
        answers[answered_number] = answer
        answered.notify_all()
shutil.rmtree(sys.argv[1])
