"""python -m harmonic export: a trained network as a file for other programs, or a smaller one."""

import argparse
import hashlib
from pathlib import Path

STORAGES = ("bfloat16", "packed")


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser(
        "export",
        help="a trained network as ONNX, or smaller",
        description="Writes MODEL as ONNX (-o NAME.onnx), checked against torch, or with smaller "
        "weights (-o NAME.safetensors --storage …).",
    )
    parser.add_argument("model", type=Path, help="a .safetensors file of this project")
    parser.add_argument("-o", "--output", type=Path, required=True, help=".onnx or .safetensors")
    parser.add_argument(
        "--storage",
        choices=STORAGES,
        help="of a .safetensors output: bfloat16, or packed (binarised networks, nothing is lost)",
    )
    parser.add_argument("--force", action="store_true", help="replace what is there already")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    from harmonic.errors import InputError, printable
    from harmonic.files import check_outputs

    output: Path = options.output
    check_outputs([("--output", output)], used=[options.model], force=options.force)
    if output.suffix not in (".onnx", ".safetensors"):
        raise InputError(f"--output {output}: its name must end in .onnx or .safetensors")
    if (output.suffix == ".safetensors") != (options.storage is not None):
        raise InputError("--storage goes with a .safetensors output, and with no other")

    from harmonic.model_file.safetensors_file import load_model, save_stored

    model, description = load_model(options.model)
    if output.suffix == ".safetensors":
        if description.storage == "packed":
            raise InputError(
                f"model {options.model}: is packed already, and takes fewer bytes so than in any "
                "other storage; .onnx can be made of it"
            )
        save_stored(output, model, description, options.storage)
        print(f"{printable(output)}: {output.stat().st_size} bytes, {options.storage}")
        return

    from harmonic.deploy.export import export_onnx

    origin = hashlib.sha256(options.model.read_bytes()).hexdigest()
    difference = export_onnx(model, description, output, {"model_sha256": origin})
    print(
        f"{printable(output)}: {output.stat().st_size} bytes, "
        f"logits of ONNX Runtime and torch differ by {difference:.1e} at most"
    )
