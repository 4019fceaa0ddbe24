"""Lays out the volumes of a pod below a directory as a Kubernetes node does, and says what is mounted where."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

Manifest = Mapping[str, Any]
Files = Mapping[str, bytes]


class Node:
    """Volumes of one pod. `config_maps` and `secrets` are what the cluster holds: name → key → content."""

    def __init__(self, directory: Path, config_maps: Mapping[str, Files], secrets: Mapping[str, Files]) -> None:
        self._directory = directory
        self._config_maps = config_maps
        self._secrets = secrets
        self._generation = 0

    def mount(self, pod: Manifest, container: Manifest) -> dict[str, Path]:
        """Return where the content of every mount of a container is; a volume that is no object begins empty."""
        volumes = {volume["name"]: volume for volume in pod.get("volumes", ())}
        return {mount["mountPath"]: self._volume(mount["name"], volumes.get(mount["name"], {})) for mount in container["volumeMounts"]}

    def _volume(self, name: str, volume: Manifest) -> Path:
        place = self._directory / name
        place.mkdir(parents=True, exist_ok=True)
        if "configMap" in volume:
            self.publish(place, chosen(self._config_maps[volume["configMap"]["name"]], volume["configMap"]), 0o644)
        elif "secret" in volume:
            self.publish(place, chosen(self._secrets[volume["secret"]["secretName"]], volume["secret"]), volume["secret"]["defaultMode"])
        return place

    def publish(self, place: Path, files: Files, mode: int = 0o644) -> None:
        """Write files beside the old ones and swap the link `..data` at once, so that nobody sees half of a change."""
        self._generation += 1
        fresh = place / f"..generation-{self._generation}"
        for name, content in files.items():
            file = fresh / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
            file.chmod(mode)
        (place / "..data_tmp").symlink_to(fresh.name)
        (place / "..data_tmp").rename(place / "..data")
        for name in {Path(name).parts[0] for name in files}:
            if not (place / name).is_symlink():
                (place / name).symlink_to(f"..data/{name}")

    def give(self, group: int) -> None:
        """Let a group have every file, as `fsGroup` does."""
        for folder, _, files in os.walk(self._directory):
            os.chown(folder, -1, group)
            for file in files:
                os.chown(Path(folder) / file, -1, group, follow_symlinks=False)


def chosen(held: Files, volume: Manifest) -> Files:
    """Return the files of a volume: all keys of the object, or those that are listed; a key that is missing fails."""
    items = volume.get("items")
    return held if items is None else {item["path"]: held[item["key"]] for item in items}
