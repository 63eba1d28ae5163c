#!/usr/bin/python3
"""qubesctl for tests: renders a state and applies it to the machine it runs on, for exactly the functions that ours use.

  qubesctl.py [--salt DIR] [--pillar FILE] [--id ID] [--show-output] state.show_sls NAME
  qubesctl.py ...                                                    state.sls NAME [test=True]

Semantics are Salt's: states in their order, `unless` and `onlyif` by exit code, also with test=True. Prints JSON: what was
rendered, or a line for each state with its id, whether it changed (would change) something, and why it failed.
"""
import argparse
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys

import jinja2
import yaml


class Loader(yaml.SafeLoader):
    """Refuses what Salt calls a conflicting id."""


def mapping(loader, node):
    keys = [loader.construct_object(key) for key, _ in node.value]
    for key in keys:
        if keys.count(key) > 1:
            raise yaml.YAMLError(f"{key} is there twice")
    return dict(zip(keys, (loader.construct_object(value, deep=True) for _, value in node.value)))


Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, mapping)


def refuse(message):
    raise jinja2.TemplateError(message)


def render(path, identity, pillar):
    environment = jinja2.Environment(
        extensions=["jinja2.ext.do"], undefined=jinja2.StrictUndefined, keep_trailing_newline=True
    )
    environment.filters["sha256"] = lambda text: hashlib.sha256(str(text).encode()).hexdigest()
    environment.tests["match"] = lambda text, pattern: re.match(pattern, text) is not None
    environment.globals["raise"] = refuse
    context = {"grains": {"id": identity}, "salt": {"pillar.get": lambda key, default=None: pillar.get(key, default)}}
    with open(path, encoding="utf-8") as file:
        text = environment.from_string(file.read()).render(context)
    return text, yaml.load(text, Loader) or {}


class Failed(Exception):
    pass


def run(argv, **options):
    return subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options)


def must(argv, **options):
    done = run(argv, **options)
    if done.returncode:
        raise Failed(f"{argv}: exit code {done.returncode}: {done.stdout}")
    return done.stdout


def differs(name, data, mode, user, group):
    try:
        with open(name, "rb") as file:
            status = os.fstat(file.fileno())
            same = file.read() == data and status.st_mode & 0o7777 == mode
    except FileNotFoundError:
        return True
    return not same or (status.st_uid, status.st_gid) != owner(user, group)


def owner(user, group):
    import grp
    import pwd

    return pwd.getpwnam(user).pw_uid, grp.getgrnam(group).gr_gid


def put(name, data, mode, user, group):
    ids = owner(user, group)
    missing = []
    parent = os.path.dirname(name)
    while not os.path.isdir(parent):
        missing.append(parent)
        parent = os.path.dirname(parent)
    for directory in reversed(missing):
        os.mkdir(directory, 0o755)
        os.chown(directory, *ids)
    with open(f"{name}.salt", "wb") as file:
        os.fchmod(file.fileno(), mode)
        os.fchown(file.fileno(), *ids)
        file.write(data)
    os.rename(f"{name}.salt", name)


def listed(commands):
    return [commands] if isinstance(commands, str) else commands or []


def succeeds(command):
    return run(command, shell=True).returncode == 0


class States:
    def __init__(self, salt, test):
        self.salt = salt
        self.test = test
        self.changed = set()

    def source(self, url):
        return os.path.join(self.salt, url.removeprefix("salt://"))

    def file_managed(self, name, user, group, mode, contents=None, source=None, makedirs=False):
        if contents is None:
            with open(self.source(source), "rb") as file:
                data = file.read()
        else:
            data = (contents if contents.endswith("\n") else f"{contents}\n").encode()
        if not makedirs and not os.path.isdir(os.path.dirname(name)) and not self.test:
            raise Failed(f"no directory for {name}")
        if not differs(name, data, int(mode, 8), user, group):
            return False
        if not self.test:
            put(name, data, int(mode, 8), user, group)
        return True

    def file_recurse(self, name, source, user, group, file_mode, dir_mode):
        changed = False
        assert int(dir_mode, 8) == 0o755
        root = self.source(source)
        if not os.path.isdir(root):
            raise Failed(f"{source} is not there")
        for directory, _, files in os.walk(root):
            for file in files:
                path = os.path.join(directory, file)
                with open(path, "rb") as opened:
                    data = opened.read()
                target = os.path.join(name, os.path.relpath(path, root))
                if differs(target, data, int(file_mode, 8), user, group):
                    changed = True
                    if not self.test:
                        put(target, data, int(file_mode, 8), user, group)
        return changed

    def file_absent(self, name):
        if not os.path.lexists(name):
            return False
        if not self.test:
            shutil.rmtree(name) if os.path.isdir(name) and not os.path.islink(name) else os.unlink(name)
        return True

    def cmd_run(self, name):
        if not self.test:
            must(name, shell=True)
        return True

    def feature(self, qube, name, wanted):
        current = run(["qvm-features", qube, name])
        if (current.stdout.rstrip("\n") if current.returncode == 0 else None) == wanted:
            return False
        if not self.test:
            must(["qvm-features", "--unset", qube, name] if wanted is None else ["qvm-features", qube, name, wanted])
        return True

    def qvm_features(self, name, set=(), enable=(), default=()):
        wanted = {key: value for pair in set for key, value in pair.items()}
        wanted.update({key: "1" for key in enable}, **{key: None for key in default})
        return any([self.feature(name, key, value) for key, value in wanted.items()])

    def qvm_service(self, name, enable=(), default=()):
        return self.qvm_features(
            name, enable=[f"service.{key}" for key in enable], default=[f"service.{key}" for key in default]
        )

    def service_running(self, name, enable=False):
        active = run(["systemctl", "is-active", "--quiet", name]).returncode == 0
        enabled = run(["systemctl", "is-enabled", "--quiet", name]).returncode == 0
        if active and (enabled or not enable):
            return False
        if not self.test:
            must(["systemctl", "daemon-reload"])
            must(["systemctl", *(["enable", "--now"] if enable else ["start"]), name])
        return True

    def service_dead(self, name, enable=None):
        active = run(["systemctl", "is-active", "--quiet", name]).returncode == 0
        enabled = run(["systemctl", "is-enabled", "--quiet", name]).returncode == 0
        if not active and not (enabled and enable is False):
            return False
        if not self.test:
            must(["systemctl", *(["disable", "--now"] if enable is False else ["stop"]), name])
        return True

    def restart(self, name):
        """What `watch` does to a service whose file has changed."""
        if not self.test:
            must(["systemctl", "daemon-reload"])
            must(["systemctl", "restart", name])
        return True

    def apply(self, identity, function, given):
        arguments = {key: value for item in given for key, value in item.items() if key != "failhard"}
        requisites = {key: arguments.pop(key, []) for key in ("watch", "onchanges", "require")}
        touched = {key: any(of in self.changed for item in value for of in item.values()) for key, value in requisites.items()}
        if requisites["onchanges"] and not touched["onchanges"]:
            return False
        unless, onlyif = arguments.pop("unless", None), arguments.pop("onlyif", None)
        if unless and all(succeeds(command) for command in listed(unless)):
            return False
        if not all(succeeds(command) for command in listed(onlyif)):
            return False
        changed = getattr(self, function.replace(".", "_"))(**{"name": identity, **arguments})
        if not changed and touched["watch"]:
            changed = self.restart(arguments["name"])
        if changed:
            self.changed.add(identity)
        return changed


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--salt", default="/srv/salt")
    parser.add_argument("--pillar", default="/srv/pillar/netlog.sls")
    parser.add_argument("--id", default=None)
    parser.add_argument("--show-output", action="store_true")
    parser.add_argument("function", choices=["state.show_sls", "state.sls"])
    parser.add_argument("state")
    parser.add_argument("test", nargs="?", choices=["test=True"])
    options = parser.parse_args()
    pillar = {}
    if os.path.exists(options.pillar):
        with open(options.pillar, encoding="utf-8") as file:
            pillar = yaml.load(file, Loader) or {}
    path = os.path.join(options.salt, *options.state.split(".")) + ".sls"
    try:
        text, states = render(path, options.id or os.uname().nodename, pillar)
    except (jinja2.TemplateError, yaml.YAMLError) as error:
        print(f"Rendering SLS 'base:{options.state}' failed: {error}", file=sys.stderr)
        return 1
    if options.function == "state.show_sls":
        json.dump({"text": text, "states": states}, sys.stdout)
        return 0
    runner = States(options.salt, options.test is not None)
    code = 0
    for identity, functions in states.items():
        for function, given in functions.items():
            result = {"id": identity, "function": function, "changed": False}
            try:
                result["changed"] = runner.apply(identity, function, given)
            except (Failed, OSError) as error:
                result["failed"] = str(error)
                code = 2
            print(json.dumps(result), flush=True)
            if "failed" in result and {"failhard": True} in given:
                return code
    return code


sys.exit(main())
