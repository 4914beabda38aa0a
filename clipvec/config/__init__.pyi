from .cloud import CloudConfig
from .commands import (
    COMMANDS,
    CheckConfig,
    CompactConfig,
    DashboardConfig,
    DeleteConfig,
    EmbedConfig,
    EvaluateConfig,
    IndexCommandConfig,
    ProjectionConfig,
    RecallConfig,
    RejectsConfig,
)
from .compose import check_overrides, explain, read_command, takes
from .datasets import (
    DatasetConfig,
    FolderConfig,
    HuggingFaceConfig,
    ImageDatasetConfig,
    ParquetConfig,
    SyntheticConfig,
    WebDatasetConfig,
)
from .evaluate import EVERY_MODEL, PromptsConfig, class_name
from .fields import Attributes, AttributeType, admitting, name_of
from .groups import (
    HnswConfig,
    TrackingConfig,
)
from .help import help_text
from .indexes import ChromaConfig, ChromaHttpConfig, FaissConfig, IndexConfig, IndexKind
from .kinds import Kind, extras_for
from .launchers import LAUNCHERS, LauncherConfig, LauncherKind, SkyLauncher, WorkersLauncher
from .load import from_dict, load_env, read, to_dict
from .models import RUNTIMES, ModelConfig, QueryModelConfig
from .options import did_you_mean
from .overrides import override
from .readers import HEIC, JXL, RAW, READERS
from .recall import (
    ChromaSystemConfig,
    DiskSystemConfig,
    FaissSystemConfig,
    MeasureConfig,
    QueriesConfig,
    SystemConfig,
    Systems,
)
from .serving import API_KEY, DeployConfig, SearchConfig, ServeConfig

__all__ = [
    "API_KEY",
    "COMMANDS",
    "EVERY_MODEL",
    "HEIC",
    "JXL",
    "LAUNCHERS",
    "RAW",
    "READERS",
    "RUNTIMES",
    "AttributeType",
    "Attributes",
    "CheckConfig",
    "ChromaConfig",
    "ChromaHttpConfig",
    "ChromaSystemConfig",
    "CloudConfig",
    "CompactConfig",
    "DashboardConfig",
    "DatasetConfig",
    "DeleteConfig",
    "DeployConfig",
    "DiskSystemConfig",
    "EmbedConfig",
    "EvaluateConfig",
    "FaissConfig",
    "FaissSystemConfig",
    "FolderConfig",
    "HnswConfig",
    "HuggingFaceConfig",
    "ImageDatasetConfig",
    "IndexCommandConfig",
    "IndexConfig",
    "IndexKind",
    "Kind",
    "LauncherConfig",
    "LauncherKind",
    "MeasureConfig",
    "ModelConfig",
    "ParquetConfig",
    "ProjectionConfig",
    "PromptsConfig",
    "QueriesConfig",
    "QueryModelConfig",
    "RecallConfig",
    "RejectsConfig",
    "SearchConfig",
    "ServeConfig",
    "SkyLauncher",
    "SyntheticConfig",
    "SystemConfig",
    "Systems",
    "TrackingConfig",
    "WebDatasetConfig",
    "WorkersLauncher",
    "admitting",
    "check_overrides",
    "class_name",
    "did_you_mean",
    "explain",
    "extras_for",
    "from_dict",
    "help_text",
    "load_env",
    "name_of",
    "override",
    "read",
    "read_command",
    "takes",
    "to_dict",
]
