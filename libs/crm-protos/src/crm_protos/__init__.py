"""The stubs of the contract and, in `descriptors.binpb`, the contract itself with its comments."""

from pathlib import Path

DESCRIPTORS = Path(__file__).with_name("descriptors.binpb")
