#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Stands in for kvd, so that the kill loop itself can be tested: sound, or with a bug planted by KVD_BUG.

There is no consensus protocol here. The nodes share one log on disk, a folder with one file per entry, and a new entry
is linked into place: of two nodes that want the same place only one gets it, even if one of them was paused before.

KVD_BUG=lose     acknowledges writes that are only in memory: a kill loses them
KVD_BUG=stale    a leader that was replaced goes on answering reads from its old state for a second
KVD_BUG=twice    every tenth INCR is executed twice
"""

import argparse
import json
import os
import re
import socketserver
import threading
import time

BUG = os.environ.get("KVD_BUG", "")
LEASE_SECONDS = 0.15


class Deposed(Exception):
    """Another node has written to the log meanwhile."""


class Log:
    """The shared log: entry n is the file n, and no file ever changes."""

    def __init__(self, directory, number):
        self.directory = directory
        self.heartbeat = os.path.join(directory, "heartbeat")
        self.draft = os.path.join(directory, f"draft-{number}")
        os.makedirs(directory, exist_ok=True)

    def read(self, index):
        try:
            with open(os.path.join(self.directory, str(index))) as file:
                return json.load(file)
        except FileNotFoundError:
            return None

    def append(self, index, record):
        with open(self.draft, "w") as file:
            json.dump(record, file)
        try:
            os.link(self.draft, os.path.join(self.directory, str(index)))
        except FileExistsError:
            raise Deposed from None
        finally:
            os.unlink(self.draft)

    def beat(self):
        with open(self.heartbeat, "w"):
            pass

    def leader_is_silent(self):
        try:
            return time.time() - os.stat(self.heartbeat).st_mtime > LEASE_SECONDS
        except FileNotFoundError:
            return True


class Node:
    """The state that follows from the log, and who leads."""

    def __init__(self, number, addresses, directory):
        self.number = number
        self.addresses = addresses
        self.log = Log(os.path.join(os.path.dirname(directory), "log"), number)
        self.mutex = threading.Lock()
        self.term = self.leader = self.applied = 0
        self.state = {}
        self.unwritten = []
        self.old_state = {}
        self.answers_old_until = 0.0
        threading.Thread(target=self.tick, daemon=True).start()

    def tick(self):
        while True:
            time.sleep(0.02 + 0.005 * self.number)
            with self.mutex:
                self.catch_up()
                try:
                    if self.leader == self.number:
                        self.log.beat()
                    elif self.log.leader_is_silent():
                        self.append({"leader": self.number, "term": self.term + 1})
                        self.log.beat()
                except Deposed:
                    continue

    def catch_up(self):
        while record := self.log.read(self.applied + 1):
            self.apply(record)

    def append(self, record):
        self.log.append(self.applied + 1, record)
        self.apply(record)

    def apply(self, record):
        self.applied += 1
        if "leader" in record:
            if BUG == "stale" and self.leader == self.number:
                self.old_state, self.answers_old_until = dict(self.state), time.time() + 1.0
            self.term, self.leader = record["term"], record["leader"]
        else:
            self.state.update(record)

    def execute(self, words):
        name = words[0].upper()
        with self.mutex:
            if name == "PING":
                return "+PONG\r\n"
            if name == "RAFT.STATUS":
                self.catch_up()
                return self.status()
            self.catch_up()
            if BUG == "stale" and name == "GET" and time.time() < self.answers_old_until:
                return bulk(self.old_state.get(words[1]))
            if self.leader != self.number:
                return f"-MOVED 0 {self.addresses[self.leader]}\r\n" if self.leader else "-CLUSTERDOWN no leader\r\n"
            try:
                return self.lead(name, words)
            except Deposed:
                return "-CLUSTERDOWN the leader has changed\r\n"

    def lead(self, name, words):
        if name == "RAFT.TRANSFER":
            self.append({"leader": int(words[1]), "term": self.term + 1})
            self.log.beat()
            return "+OK\r\n"
        if name == "SET":
            self.write(words[1], words[2])
            return "+OK\r\n"
        if name == "GET":
            return bulk(self.state.get(words[1]))
        if name == "INCR":
            value = int(self.state.get(words[1], "0")) + 1
            twice = BUG == "twice" and value % 10 == 0
            self.write(words[1], str(value + twice))
            return f":{value}\r\n"
        return f"-ERR unknown command '{name}'\r\n"

    def write(self, key, value):
        if BUG != "lose":
            self.append({key: value})
            return
        self.state[key] = value
        self.unwritten.append({key: value})
        if len(self.unwritten) == 50:
            records, self.unwritten = self.unwritten, []
            for record in records:
                self.append(record)

    def status(self):
        role = "leader" if self.leader == self.number else "follower"
        fields = {"role": role, "term": self.term, "leader": self.leader}
        fields |= {"commit": self.applied, "applied": self.applied}
        return bulk("\n".join(f"{key}:{value}" for key, value in fields.items()))


def bulk(text):
    return "$-1\r\n" if text is None else f"${len(text)}\r\n{text}\r\n"


class Session(socketserver.StreamRequestHandler):
    """One client's connection."""

    disable_nagle_algorithm = True

    def handle(self):
        while header := self.rfile.readline():
            words = []
            for _ in range(int(header[1:])):
                length = int(self.rfile.readline()[1:])
                words.append(self.rfile.read(length + 2)[:-2].decode())
            self.wfile.write(self.server.node.execute(words).encode())


class Server(socketserver.ThreadingTCPServer):
    """Serves until it is killed."""

    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request, client_address):
        """Clients may hang up whenever they like."""


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--id", type=int, required=True)
    parser.add_argument("--data", required=True)
    parser.add_argument("--cluster", required=True)
    arguments, _ = parser.parse_known_args()
    nodes = re.findall(r"(\d+)=[^/]*/([^,]*)", arguments.cluster)
    addresses = {int(number): address for number, address in nodes}
    host, _, port = addresses[arguments.id].rpartition(":")
    with Server((host, int(port)), Session) as server:
        server.node = Node(arguments.id, addresses, arguments.data)
        server.serve_forever()


if __name__ == "__main__":
    main()
