import ast
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import memcell_plugins
from memcell.plugins.options import fields_of

HOOKS = [
    memcell_plugins.memcell_cells,
    memcell_plugins.memcell_encoders,
    memcell_plugins.memcell_heads,
    memcell_plugins.memcell_normalizers,
    memcell_plugins.memcell_samplers,
    memcell_plugins.memcell_state_policies,
    memcell_plugins.memcell_optimizers,
    memcell_plugins.memcell_gradient_modes,
    memcell_plugins.memcell_probes,
]
SPECS = [spec for hook in HOOKS for spec in hook()]
IDS = [f"{spec.kind}-{spec.name}" for spec in SPECS]


def test_reading_specs_and_options_imports_nothing_heavy():
    modules = sorted({s.config.partition(":")[0] for s in SPECS if s.config})
    code = (
        f"import sys, memcell_plugins, {', '.join(modules)}\n"
        f"for hook in {[hook.__name__ for hook in HOOKS]}: list(getattr(memcell_plugins, hook)())\n"
        "print(sorted({'torch', 'numpy', 'sklearn', 'scipy', 'mne'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_names_are_unique_within_a_kind():
    assert len(set(IDS)) == len(IDS)


@pytest.mark.parametrize("spec", SPECS, ids=IDS)
def test_spec_leads_to_documented_code(spec):
    module = import_module(spec.factory.partition(":")[0])
    assert getattr(module, spec.factory.partition(":")[2]).__doc__
    assert module.__doc__
    assert spec.summary.endswith(".")


@pytest.mark.parametrize("spec", [s for s in SPECS if s.config], ids=lambda s: s.name)
def test_every_option_is_documented_and_used(spec):
    module, _, attribute = spec.config.partition(":")
    config = getattr(import_module(module), attribute)
    room = Path(memcell_plugins.__file__).parent / spec.factory.split(".")[1]
    # names that code reads as attributes or strings, in the plugin's own room
    read = set()
    for file in room.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Attribute):
                read.add(node.attr)
    for field in fields_of(config):
        assert field.help.endswith("."), field.name
        # read through getattr: in a loop, and by the contract of probes
        named_in_code = {"input_gate_bias", "output_gate_bias", "measurements"}
        assert field.name in read | named_in_code, f"{field.name} is never read"


def test_every_file_of_a_room_is_registered():
    """A cell (sampler, ...) that nobody can choose is a mistake."""
    root = Path(memcell_plugins.__file__).parent
    helpers = {"__init__", "configs", "specs", "heads", "squash", "statistics", "fixed"}
    helpers |= {
        "wrapped",
        "gated",
        "decided",
        "processes",
        "running",
        "store",
        "pool",
        "lanczos",
        "order_measures",
    }
    files = {f"{f.parent.name}.{f.stem}" for f in root.glob("*/*.py") if f.stem not in helpers}
    registered = {s.factory.partition(":")[0].removeprefix("memcell_plugins.") for s in SPECS}
    # plain windows, and nothing around the memory: the contracts themselves
    registered -= {"memcell.training.gradients.mode", "memcell.network.around"}
    assert files == registered
