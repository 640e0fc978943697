"""A trained network on the Hugging Face Hub, or in a folder as it lies there."""

import json
from pathlib import Path
from typing import Any, Self

from torch import Tensor, nn

from harmonic.errors import InputError
from harmonic.files import write_text
from harmonic.learning.batches import normaliser
from harmonic.model_file.description import Description
from harmonic.model_file.safetensors_file import load_model, save_model

try:
    from huggingface_hub import ModelHubMixin, hf_hub_download
    from huggingface_hub.errors import HFValidationError
except ModuleNotFoundError as error:
    error.msg += "; pip install 'harmonic-networks[hub]'"
    raise

FILE = "model.safetensors"
CONFIG = "config.json"
CARD = """\
---
{{ card_data }}
---

# A network for dermoscopy images

Classes in the order of its outputs, training images and how it was made: `config.json`. It is **no
medical device**: its answers say nothing about a person's health.

```python
from harmonic import TrainedNetwork

network = TrainedNetwork.from_pretrained("user/name")
logits = network(images)  # (N, 3, size, size), red, green and blue in 0 to 1
```

or, with preparation of the photographs and calibrated probabilities,
`python -m harmonic predict model.safetensors photo.jpg`.
"""


class TrainedNetwork(
    nn.Module,
    ModelHubMixin,
    library_name="harmonic-networks",
    pipeline_tag="image-classification",
    tags=["harmonic-networks", "dermoscopy", "discrete-cosine-transform"],
    model_card_template=CARD,
):
    """A network with what its model file says of it.

    `from_pretrained(FOLDER_OR_NAME)` reads `model.safetensors` of a folder (the pipeline's
    `models/` is one) or of a repository of the Hub, with the checks and the errors of every model
    file; `save_pretrained(folder)` and `push_to_hub("user/name")` write it, with a card. What was
    saved answers as before, to the bit.
    """

    def __init__(self, network: nn.Module, described: Description) -> None:
        super().__init__()
        self.network = network
        self.described = described
        self.train(network.training)

    def forward(self, images: Tensor) -> Tensor:
        """Float images (N, 3, size, size) of red, green and blue in [0, 1] to (N, classes).

        Raises ValueError for another shape or for whole numbers (0 to 255 are to be divided).
        """
        if not images.is_floating_point() or images.dim() != 4 or images.shape[1] != 3:
            raise ValueError(
                f"images are {images.dtype} of shape {tuple(images.shape)}; needed are "
                "floating-point numbers from 0 to 1, (N, 3, height, width)"
            )
        normalise = normaliser(self.network, self.described.statistics(), images.device)
        answer: Tensor = self.network(normalise(images).to(images.dtype))
        return answer

    def _save_pretrained(self, save_directory: Path) -> None:
        described = self.described.model_copy(update={"storage": "float32"})
        state = {
            name: value.float() if value.is_floating_point() else value
            for name, value in self.network.state_dict().items()
        }
        save_model(save_directory / FILE, state, described)
        config = json.loads(described.record())
        del config["sha256"]
        write_text(save_directory / CONFIG, json.dumps(config, indent=2) + "\n")

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path: str | Path, **download: Any) -> Self:
        """The network in a folder or file, else that of a repository of the Hub, in eval mode.

        download: `hf_hub_download`'s `revision`, `cache_dir`, `force_download`,
        `local_files_only`, `token`.
        Raises InputError, with one line, for a model file that is missing, damaged or odd, and
        what the Hub's client raises where a download fails.
        """
        place = Path(pretrained_model_name_or_path).expanduser()
        if place.is_dir() or place.is_file():
            return cls(*load_model(place / FILE if place.is_dir() else place))
        try:
            file = hf_hub_download(str(pretrained_model_name_or_path), FILE, **download)
        except HFValidationError:
            raise InputError(
                f"{pretrained_model_name_or_path}: no folder or file is there, and it is no name "
                "of a repository (user/name)"
            ) from None
        return cls(*load_model(Path(file)))
