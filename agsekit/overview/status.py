"""How everything of a configuration is doing now, as one document; what cannot be asked is said, the rest is told."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from agsekit.agents.install import Installed, survey
from agsekit.config.model import Config, Mount, Vm
from agsekit.engines.base import Instance, State
from agsekit.errors import AgsekitError
from agsekit.i18n import _, sentence_and_hint
from agsekit.machines.parallel import for_each
from agsekit.network.noted import noted_tunnels
from agsekit.overview.check import Surroundings
from agsekit.overview.check_services import is_alive
from agsekit.protection.heartbeat import heartbeat_files
from agsekit.protection.target import target_of
from agsekit.services.systemd import UNITS, Systemd
from agsekit_storage import run_log
from agsekit_storage.errors import StorageError
from agsekit_storage.settings import PRIVATE

_PATIENCE = 5.0


def overview(config: Config, around: Surroundings, runtime_folder: Path) -> dict[str, Any]:
    """Return the document of `agsekit status --json`; docs/troubleshooting.md describes it.

    VMs are asked at the same time, none is started, and one that says nothing for five seconds is left out.
    """
    vms = list(config.vms.values())
    looks = for_each(vms, lambda vm: _vm(vm, config, around), AgsekitError, patience=_PATIENCE)
    instances: dict[str, Instance] = {}
    documents = []
    for vm, look in zip(vms, looks):
        if isinstance(look, Exception):
            documents.append({"name": vm.name, "engine": vm.engine, **_NOTHING_KNOWN, "problem": _problem(look)})
        else:
            instances[vm.name], document = look
            documents.append(document)
    beats = [beat for _path, beat in heartbeat_files(around.state_folder) if is_alive(beat, around.now)]
    mounts = [_mount(mount, instances.get(mount.vm), beats, around) for mount in config.mounts]
    return {
        "version": 1,
        "time": around.now,
        "vms": documents,
        "mounts": mounts,
        "agents": [_agent(name, config, documents, mounts) for name in config.agents],
        "tunnels": noted_tunnels(runtime_folder),
        "units": _units(around),
    }


_NOTHING_KNOWN: Mapping[str, Any] = {"state": None, "load": None, "differences": [], "installed": {}}


def _problem(error: Exception) -> str:
    return _("it did not answer") if isinstance(error, TimeoutError) else sentence_and_hint(error)[0]


def _vm(vm: Vm, config: Config, around: Surroundings) -> tuple[Instance, dict[str, Any]]:
    engine = around.engine_of(vm)
    instance = engine.inspect(vm)
    installed: Mapping[str, Installed] = {}
    if instance.state is State.RUNNING and config.agents:
        with suppress(AgsekitError):  # a VM that does not tell what is in it is shown all the same
            installed = survey(engine, vm, list(config.agents.values()), timeout=_PATIENCE / 2)
    exists = instance.state not in (State.ABSENT, State.DELETED)
    differences = engine.compare(vm) if exists and engine.capabilities.sized else ()
    return instance, {
        "name": vm.name,
        "engine": vm.engine,
        "state": instance.state.value,
        "load": instance.load,
        "differences": [
            {"key": each.key, "configured": each.configured, "actual": each.actual} for each in differences
        ],
        "installed": {name: found.version for name, found in installed.items()},
        "problem": None,
    }


def _mount(
    mount: Mount, instance: Instance | None, beats: Sequence[Mapping[str, Any]], around: Surroundings
) -> dict[str, Any]:
    vm = around.config.vms[mount.vm] if around.config else None
    lasting = vm is not None and around.engine_of(vm).capabilities.lasting_mounts
    document: dict[str, Any] = {
        "source": str(mount.source),
        "vm": mount.vm,
        "target": str(mount.target),
        "backup": str(mount.backup),
        "mounted": _is_mounted(mount, instance) if lasting and instance else None,
        "snapshots": 0,
        "last_snapshot": None,
        "stored_bytes": 0,
        "runs": [],
        "protectors": [],
        "problem": None,
    }
    try:
        if not mount.source.is_dir():
            document["problem"] = _("the folder is not there")
        if (mount.backup / PRIVATE).is_dir():
            document.update(_store(mount))
    except (StorageError, AgsekitError, OSError) as error:
        document["problem"] = sentence_and_hint(error)[0]
    document["protectors"] = [
        {"command": beat.get("command"), "pid": beat.get("pid"), "problem": each.get("problem")}
        for beat in beats
        for each in beat.get("mounts", ())
        if os.path.realpath(str(each.get("source"))) == os.path.realpath(mount.source)
    ]
    return document


def _is_mounted(mount: Mount, instance: Instance) -> bool:
    source = os.path.realpath(mount.source)
    return any(os.path.realpath(each.source) == source and each.target == mount.target for each in instance.mounts)


def _store(mount: Mount) -> dict[str, Any]:
    store = target_of(mount).existing_store()
    snapshots = store.snapshots()
    newest = snapshots[-1] if snapshots else None
    return {
        "snapshots": len(snapshots),
        "last_snapshot": {"id": newest.id, "time": newest.created, "kind": newest.kind} if newest else None,
        # Each snapshot knows what it added; adding them up costs nothing, and the disk is not walked.
        "stored_bytes": sum(snapshot.stored_bytes for snapshot in snapshots),
        "runs": [
            {"id": run.id, "agent": run.agent, "vm": run.vm, "started": run.started}
            for run in run_log.all_runs(store, snapshots)
            if run.under_way
        ],
    }


def _agent(
    name: str, config: Config, vms: Sequence[Mapping[str, Any]], mounts: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    agent = config.agents[name]
    runs = [
        {"source": mount["source"], **{key: run[key] for key in ("id", "vm", "started")}}
        for mount in mounts
        for run in mount["runs"]
        if run["agent"] == name
    ]
    installed = [{"vm": vm["name"], "version": vm["installed"][name]} for vm in vms if name in vm["installed"]]
    return {"name": name, "type": agent.type, "installed": installed, "runs": runs}


def _units(around: Surroundings) -> list[dict[str, Any]]:
    """Ask systemd only where something is installed: it takes its time, and may not be there at all."""
    if not any(os.path.lexists(around.unit_folder / unit) for unit in UNITS):
        return []
    try:
        statuses = Systemd(around.runner).status(around.unit_folder)
    except AgsekitError as error:
        return [{"name": name, "active": None, "enabled": None, "problem": error.message} for name in UNITS]
    return [
        {"name": unit.name, "active": unit.active, "enabled": unit.enabled, "problem": None}
        for unit in statuses
        if unit.link is not None
    ]
