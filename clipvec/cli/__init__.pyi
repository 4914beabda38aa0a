from .command import HydraCommand
from .ending import fail, print_error, run
from .names import commands, plain, print_version
from .parser import Arguments, Parser
from .words import literal_paths, refuse_cut_path

__all__ = [
    "Arguments",
    "HydraCommand",
    "Parser",
    "commands",
    "fail",
    "literal_paths",
    "plain",
    "print_error",
    "print_version",
    "refuse_cut_path",
    "run",
]
