"""Folders of the Hugging Face hub: the one file that needs huggingface_hub."""

import re
from pathlib import Path

SCHEME = "hf:"
# Never pickles, and nothing that could be imported.
FILES = ("*.json", "*.safetensors", "README.md")
_NAME = re.compile(r"(?P<repository>[\w.-]+/[\w.-]+)(?:@(?P<revision>[\w./-]+))?")


def fetch(source: str) -> Path:
    """The local copy of `hf:org/name` or `hf:org/name@revision`, downloaded if it is not in the cache.

    Raises ValueError for a name that is none, or that cannot be had, and ImportError without huggingface_hub.
    """
    match = _NAME.fullmatch(source.removeprefix(SCHEME))
    if match is None:
        raise ValueError(
            f"{source!r} is no model of the hub; write hf:organization/name or hf:organization/name@revision"
        )
    try:
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError
    except ImportError:
        raise ImportError(f"{source} needs huggingface_hub: pip install 'jepakit[hub]'") from None
    try:
        found = snapshot_download(match["repository"], revision=match["revision"], allow_patterns=list(FILES))
    except LocalEntryNotFoundError:
        raise ValueError(
            f"{source} is not in the local cache and the hub cannot be reached (no network, or HF_HUB_OFFLINE is set); "
            "go online once, or give the path of a local folder"
        ) from None
    except (HfHubHTTPError, OSError) as error:
        raise ValueError(f"{source} cannot be had from the hub: {str(error).strip().splitlines()[0]}") from None
    return Path(found)
