"""A trained network on the Hugging Face Hub, or in a folder as it lies there."""

import json
from pathlib import Path
from typing import Any, Self

from torch import Tensor, nn

from harmonic.files import write_text
from harmonic.learning.batches import normaliser
from harmonic.model_file.description import Description
from harmonic.model_file.safetensors_file import load_model, save_model

try:
    from huggingface_hub import ModelHubMixin, hf_hub_download
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
        """Float images (N, 3, size, size) of red, green and blue in [0, 1] to (N, classes)."""
        normalise = normaliser(self.network, self.described.statistics(), images.device)
        answer: Tensor = self.network(normalise(images))
        return answer

    def _save_pretrained(self, save_directory: Path) -> None:
        described = self.described.model_copy(update={"storage": "float32"})
        save_model(save_directory / FILE, self.network.state_dict(), described)
        config = json.loads(described.record())
        del config["sha256"]
        write_text(save_directory / CONFIG, json.dumps(config, indent=2) + "\n")

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path: str | Path, **download: Any) -> Self:
        """The network in a folder, else that of a repository of the Hub, in eval mode.

        download: `hf_hub_download`'s `revision`, `cache_dir`, `force_download`,
        `local_files_only`, `token`.
        Raises InputError, with one line, for a model file that is missing, damaged or odd, and
        what the Hub's client raises where a download fails.
        """
        name = pretrained_model_name_or_path
        if Path(name).is_dir():
            return cls(*load_model(Path(name, FILE)))
        return cls(*load_model(Path(hf_hub_download(str(name), FILE, **download))))
