"""open_clip's tokenizers in the format of ``tokenizers``, which does not need torch."""

from __future__ import annotations

from typing import Any

from open_clip import SimpleTokenizer
from open_clip.tokenizer import HFTokenizer, SigLipTokenizer, get_clean_fn

from clipvec.errors import ModelError
from clipvec.model.tokens import CLEANINGS, Rules


def convert(tokenizer: Any) -> tuple[Rules, str]:
    """Return an open_clip tokenizer as rules and as ``tokenizers`` JSON.

    Raises:
        ModelError: it does something that these cannot express.
    """
    if isinstance(tokenizer, SimpleTokenizer) and tokenizer.reduction_fn is None:
        return Rules(_cleaning(tokenizer), tokenizer.pat.pattern, None), _byte_pairs(tokenizer)
    if isinstance(tokenizer, HFTokenizer) and not tokenizer.tokenizer_mode:
        blank = tokenizer.tokenizer.sep_token_id if tokenizer.strip_sep_token else None
        return Rules(_cleaning(tokenizer), None, blank), _backend(tokenizer)
    if isinstance(tokenizer, SigLipTokenizer):
        return Rules("canonicalize", None, None), _backend(tokenizer)
    raise ModelError(
        f"the tokenizer of this model ({type(tokenizer).__name__}) cannot be exported as it is "
        "set up; use model.runtime=torch"
    )


def _cleaning(tokenizer: Any) -> Any:
    return next(name for name in CLEANINGS if get_clean_fn(name) is tokenizer.clean_fn)


def _backend(tokenizer: Any) -> str:
    # A call leaves truncation and padding to the context length behind in what does the work.
    tokenizer(["a bird"])
    backend = getattr(tokenizer.tokenizer, "backend_tokenizer", None)
    if backend is None:
        raise ModelError(
            f"the tokenizer of this model ({type(tokenizer.tokenizer).__name__}) is pure "
            "Python and cannot be exported; use model.runtime=torch"
        )
    return str(backend.to_str())


def _byte_pairs(tokenizer: SimpleTokenizer) -> str:
    """Return CLIP's byte pair encoding of single words, between its start and end tokens."""
    from tokenizers import AddedToken, Tokenizer, models, pre_tokenizers, processors

    pairs = models.BPE(
        vocab=tokenizer.encoder, merges=list(tokenizer.bpe_ranks), end_of_word_suffix="</w>"
    )
    made = Tokenizer(pairs)
    special = [tokenizer.decoder[id] for id in tokenizer.all_special_ids]
    made.add_special_tokens([AddedToken(token, normalized=False) for token in special])
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    start, end = special[:2]
    made.post_processor = processors.TemplateProcessing(
        single=f"{start} $A {end}",
        special_tokens=[(start, tokenizer.sot_token_id), (end, tokenizer.eot_token_id)],
    )
    made.enable_truncation(tokenizer.context_length)
    made.enable_padding(length=tokenizer.context_length, pad_id=0, pad_token=tokenizer.decoder[0])
    return str(made.to_str())
