"""Model folders that lie: about code to import, and about what lies in safetensors."""

from __future__ import annotations

import json
import math
import struct
import sys
from collections.abc import Callable
from typing import Any

import pytest
import torch
from hostile import noise, refusal, small_model

import interp
from interp.models import ModelError

Header = dict[str, Any]
BITS = {"F4": 4, "F6_E2M3": 6, "F8_E4M3": 8, "F8_E8M0": 8, "BOOL": 8, "F16": 16, "I64": 64, "C64": 64}


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    """A saved model: what its JSON says, the header of its tensors, and their bytes."""
    folder = tmp_path_factory.mktemp("models") / "good"
    small_model().save(folder)
    data = (folder / "model.safetensors").read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    return (
        json.loads((folder / "model.json").read_text()),
        json.loads(data[8 : 8 + length]),
        data[8 + length :],
    )


def write(folder, about: Any, header: Header | bytes, body: bytes) -> None:
    raw = header if isinstance(header, bytes) else json.dumps(header).encode()
    (folder / "model.json").write_text(json.dumps(about))
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(raw)) + raw + body)


def first(header: Header) -> Header:
    found: Header = next(entry for name, entry in header.items() if name != "__metadata__")
    return found


LIES: dict[str, Callable[[Header], object]] = {
    "before the beginning": lambda h: first(h).update(data_offsets=[-4, 0]),
    "beyond the end": lambda h: first(h).update(data_offsets=[0, 2**62]),
    "backwards": lambda h: first(h).update(data_offsets=list(reversed(first(h)["data_offsets"]))),
    "overlapping": lambda h: [entry.update(data_offsets=first(h)["data_offsets"]) for entry in h.values()],
    "a shape of a petabyte": lambda h: first(h).update(shape=[2**25, 2**25]),
    "a shape whose product overflows": lambda h: first(h).update(shape=[2**40, 2**40]),
    "a negative shape": lambda h: first(h).update(shape=[-1, -1]),
    "no shape": lambda h: first(h).pop("shape"),
    "an unknown type": lambda h: first(h).update(dtype="PYOBJECT"),
    "a text for offsets": lambda h: first(h).update(data_offsets="0,4"),
    "metadata that are no texts": lambda h: h.update(__metadata__={"a": {"b": []}}),
    "more tensors than bytes": lambda h: h.update({f"x{n}": first(h) for n in range(5)}),
}


@pytest.mark.parametrize("lie", LIES)
def test_headers_that_lie(lie, good, tmp_path):
    about, header, body = good
    header = json.loads(json.dumps(header))
    LIES[lie](header)
    write(tmp_path, about, header, body)
    assert "model.safetensors" in refusal(lambda: interp.load(tmp_path))


@pytest.mark.parametrize(
    "raw",
    [
        b"", b"{}", b"[]", b"null", b'{"a":' * 50_000, b"[" * 200_000, b'{"a": 1e999}', b"\xff" * 100,
    ],
)  # fmt: skip
def test_headers_that_are_none(raw, good, tmp_path):
    about, _, body = good
    write(tmp_path, about, raw, body)
    assert "model.safetensors" in refusal(lambda: interp.load(tmp_path))


@pytest.mark.filterwarnings("ignore:Casting complex values")
@pytest.mark.parametrize("kind", BITS)
def test_numbers_of_other_kinds_run_or_are_refused(kind, good, tmp_path):
    about, header, _ = good
    header, end = json.loads(json.dumps(header)), 0
    for name, entry in header.items():
        if name != "__metadata__":
            begin, end = end, end + math.ceil(BITS[kind] * math.prod(entry["shape"]) / 8)
            entry.update(dtype=kind, data_offsets=[begin, end])
    write(tmp_path, about, header, b"\0" * end)
    try:
        model = interp.load(tmp_path)
    except ModelError:
        return
    assert model.dtype in (torch.float16, torch.float32)
    assert interp.explain(model, noise()).scale.verdict


def test_weights_of_nan_are_said(good, tmp_path):
    about, header, body = good
    write(tmp_path, about, header, b"\xff" * len(body))
    model = interp.load(tmp_path)
    assert len(model.layers)
    assert "NaN" in refusal(lambda: interp.explain(model, noise()))


NAMED = [
    ("python", "evil_module:Net"),
    ("import", "evil_module"),
    ("evil_module", "Net"),
    ("torchvision", "evil_module.Net"),
    ("torchvision", "../evil_module"),
    ("timm", "local-dir:evil_module"),
    ("timm", "hf-hub:evil/module"),
    ("timm", "resnet18.../evil_module"),
    ("interp", "evil_module.Net"),
    ("interp", "__import__('evil_module')"),
    ("offline", "evil_module"),
    ("__main__", "exit"),
]


@pytest.mark.parametrize("named", NAMED)
def test_a_module_to_import_is_not_imported(named, good, tmp_path, monkeypatch):
    about, header, body = good
    (tmp_path / "evil_module.py").write_text(f"open({str(tmp_path / 'mark')!r}, 'w')\nclass Net: pass\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    source, name = named
    write(tmp_path, about | {"architecture": {"source": source, "name": name, "arguments": {}}}, header, body)
    refusal(lambda: interp.load(tmp_path))
    assert "evil_module" not in sys.modules
    assert not (tmp_path / "mark").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        {"weights": "DEFAULT"}, {"pretrained": True}, {"checkpoint_path": "mark"},
        {"pretrained_cfg": {"file": "mark"}}, {"num_classes": 10**12},
        {"num_classes": "__import__('evil_module')"}, {"norm_layer": "evil_module.Net"},
    ],
)  # fmt: skip
def test_arguments_name_no_file_no_code_and_no_terabytes(arguments, good, tmp_path):
    about, header, body = good
    architecture = {"source": "timm", "name": "resnet18", "arguments": arguments}
    write(tmp_path, about | {"architecture": architecture}, header, body)
    assert next(iter(arguments)) in refusal(lambda: interp.load(tmp_path))
