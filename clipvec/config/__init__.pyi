from .commands import (
    COMMANDS,
    BuildConfig,
    DashboardConfig,
    DeployConfig,
    EmbedConfig,
    RecallConfig,
    SearchConfig,
    ServeConfig,
)
from .compose import check_overrides, explain, read_command
from .datasets import (
    DatasetConfig,
    FolderConfig,
    HuggingFaceConfig,
    ImageDatasetConfig,
    ParquetConfig,
    SyntheticConfig,
    WebDatasetConfig,
)
from .fields import Attributes, AttributeType
from .groups import (
    CloudConfig,
    EmbeddedIndexConfig,
    HnswConfig,
    HttpIndexConfig,
    IndexConfig,
    LauncherConfig,
    TrackingConfig,
)
from .help import help_text
from .kinds import SCHEME_EXTRAS, Kind, extras_for
from .load import from_dict, load_env, read, to_dict
from .models import RUNTIMES, ModelConfig, QueryModelConfig
from .overrides import override
from .recall import ChromaContestant, ContestantConfig, Contestants, FaissContestant, MeasureConfig

__all__ = [
    "COMMANDS",
    "RUNTIMES",
    "SCHEME_EXTRAS",
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
    "ImageDatasetConfig",
    "IndexConfig",
    "Kind",
    "LauncherConfig",
    "MeasureConfig",
    "ModelConfig",
    "ParquetConfig",
    "QueryModelConfig",
    "RecallConfig",
    "SearchConfig",
    "ServeConfig",
    "SyntheticConfig",
    "TrackingConfig",
    "WebDatasetConfig",
    "check_overrides",
    "explain",
    "extras_for",
    "from_dict",
    "help_text",
    "load_env",
    "override",
    "read",
    "read_command",
    "to_dict",
]
