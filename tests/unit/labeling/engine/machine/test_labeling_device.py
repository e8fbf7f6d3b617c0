"""What readers run on: a GPU that is here and cannot be used is told."""

import stat

import pytest

from labeling.engine.machine import device
from labeling.engine.machine.device import device_line, seen_gpu


@pytest.mark.parametrize(
    ("offloads", "gpu", "said"),
    [
        (False, "", "Readers run on the CPU."),
        (True, "H200", "Readers run on the GPU (H200)."),
        (True, "", "Readers run on a GPU if llama.cpp finds one, else on the CPU."),
    ],
)
def test_the_device_is_said_in_a_sentence(offloads, gpu, said):
    assert device_line(offloads=offloads, look=lambda: gpu) == said


def test_a_gpu_that_the_build_cannot_use_is_a_warning():
    line = device_line(offloads=False, look=lambda: "H200")
    assert line.startswith("Warning: readers run on the CPU, although a GPU is here (H200)")
    assert "docs/speed.md" in line


@pytest.fixture
def driver(tmp_path, monkeypatch):
    """Puts a program in place of nvidia-smi; nothing else is on the path."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(device.sys, "platform", "linux")

    def write(script):
        path = tmp_path / "nvidia-smi"
        path.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)

    return write


def test_the_driver_names_the_first_gpu(driver):
    driver('echo "NVIDIA H200"; echo "NVIDIA T4"')
    assert seen_gpu() == "NVIDIA H200"


def test_no_driver_no_gpu(driver):
    assert seen_gpu() == ""


def test_a_driver_without_a_gpu_is_none(driver):
    driver('echo "No devices were found"; exit 6')
    assert seen_gpu() == ""


def test_a_driver_that_hangs_is_as_good_as_none(driver, monkeypatch):
    monkeypatch.setattr(device, "SECONDS", 0.05)
    driver("while :; do :; done")
    assert seen_gpu() == ""


def test_an_apple_processor_has_a_gpu(driver, monkeypatch):
    monkeypatch.setattr(device.sys, "platform", "darwin")
    monkeypatch.setattr(device.platform, "machine", lambda: "arm64")
    assert seen_gpu() == "Apple's"
