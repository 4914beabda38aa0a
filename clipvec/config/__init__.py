"""The configuration as frozen dataclasses, one per config group of ``conf/``.

Hydra composes the YAML files and the command line; `read` turns the result into one of the
configs of `clipvec.config.commands` and refuses what does not fit, in one line.
"""

from __future__ import annotations

from clipvec.config.commands import (
    COMMANDS,
    BuildConfig,
    DashboardConfig,
    DeployConfig,
    EmbedConfig,
    RecallConfig,
    SearchConfig,
    ServeConfig,
)
from clipvec.config.datasets import (
    DatasetConfig,
    FolderConfig,
    HuggingFaceConfig,
    ParquetConfig,
    PictureConfig,
    SyntheticConfig,
    WebDatasetConfig,
)
from clipvec.config.fields import Attributes, AttributeType, Name, Number
from clipvec.config.groups import (
    CloudConfig,
    EmbeddedIndexConfig,
    HnswConfig,
    HttpIndexConfig,
    IndexConfig,
    LauncherConfig,
    ModelConfig,
    QueryModelConfig,
    TrackingConfig,
)
from clipvec.config.measuring import (
    ChromaContestant,
    ContestantConfig,
    Contestants,
    FaissContestant,
    MeasureConfig,
)
from clipvec.config.reading import from_dict, load_env, read, to_dict

__all__ = [
    "COMMANDS",
    "AttributeType",
    "Attributes",
    "BuildConfig",
    "ChromaContestant",
    "CloudConfig",
    "ContestantConfig",
    "Contestants",
    "DashboardConfig",
    "DatasetConfig",
    "DeployConfig",
    "EmbedConfig",
    "EmbeddedIndexConfig",
    "FaissContestant",
    "FolderConfig",
    "HnswConfig",
    "HttpIndexConfig",
    "HuggingFaceConfig",
    "IndexConfig",
    "LauncherConfig",
    "MeasureConfig",
    "ModelConfig",
    "Name",
    "Number",
    "ParquetConfig",
    "PictureConfig",
    "QueryModelConfig",
    "RecallConfig",
    "SearchConfig",
    "ServeConfig",
    "SyntheticConfig",
    "TrackingConfig",
    "WebDatasetConfig",
    "from_dict",
    "load_env",
    "read",
    "to_dict",
]
