"""``clipvec completion``: complete commands, options and files when you press Tab.

Examples:
    eval "$(clipvec completion bash)"      # in ~/.bashrc
    eval "$(clipvec completion zsh)"       # in ~/.zshrc, behind compinit
    clipvec completion fish | source       # in ~/.config/fish/config.fish

It completes commands, flags, config groups and what they offer (model=), options (index.pa),
datasets and collections that are there (collection=), and files, also behind an option's =.
"""

from __future__ import annotations

from pathlib import Path

from clipvec.cli import Parser, commands, run

_SCRIPTS = {path.suffix.removeprefix("."): path for path in Path(__file__).parent.glob("clipvec.*")}


def main() -> None:
    """Run the command."""
    arguments = parser().parse_args()

    def completion() -> None:
        if arguments.line is None:
            print(script(arguments.shell), end="")
            return
        from clipvec.completion.candidates import candidates

        print(*candidates(arguments.line), sep="\n")

    run(completion)


def parser() -> Parser:
    """Return the options of the command."""
    parser = Parser("completion", __doc__)
    parser.add_argument("shell", choices=sorted(_SCRIPTS), help="the shell to print a script for")
    parser.add_argument(
        "--line", help="print what may come next on this command line, which the script asks for"
    )
    return parser


def script(shell: str) -> str:
    """Return what a shell evaluates to complete ``clipvec`` and each ``clipvec-COMMAND``."""
    programs = ["clipvec", *(f"clipvec-{name}" for name in commands())]
    return _SCRIPTS[shell].read_text(encoding="utf-8").replace("PROGRAMS", " ".join(programs))


if __name__ == "__main__":
    main()
