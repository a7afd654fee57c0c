"""The tokenizer that the published checkpoints were trained with, on today's libraries.

They used the slow Llama tokenizer of transformers 4.31. Later versions give other ids: they keep
white space beside added tokens and the leading word marker differently. The rules are few, so they
stand here in full on top of `sentencepiece`:

1. text is split at added and special tokens; white space beside an *added* token vanishes, beside
   a special token of the base vocabulary (`</s>`) it stays;
2. every piece between them is encoded on its own, with its own leading word marker;
3. unless `legacy`, that marker is taken off again from pieces that do not open the text. Where the
   rest is no vocabulary entry, it becomes the unknown token.
"""

import json
import re
import reprlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sentencepiece

from ivlm_core.config import read_json
from ivlm_core.model.prompts import IMAGE_TEXT
from ivlm_core.model.tokens import IMAGE_PLACEHOLDER

MODEL_FILE = "tokenizer.model"
ADDED_FILE = "added_tokens.json"
CONFIG_FILE = "tokenizer_config.json"

TOKEN_TYPES = ("Gen", "Gen-Int", "Gen-Hu-Obj")
"""Kinds of contact tokens a checkpoint can have; `-DifDe` may follow the name."""

SEG, ISEG, HSEG, OSEG = "[SEG]", "[ISEG]", "[HSEG]", "[OSEG]"
IM_START, IM_END = "<im_start>", "<im_end>"

_MARKER = "\u2581"  # sentencepiece writes a space as this


@dataclass(frozen=True)
class ContactTokenIds:
    """Ids of a checkpoint's added tokens; None where the token type has no such token."""

    seg: int
    hseg: int | None
    oseg: int | None
    im_start: int
    im_end: int


class OfficialTokenizer:
    """Slow Llama tokenizer with the rules of transformers 4.31.

    Attributes:
        legacy: whether every piece keeps its leading word marker.
        added: token to id of what is not in the sentencepiece vocabulary.
        model_max_length: ids a training sequence may have, as the files state it; None if not.
    """

    def __init__(
        self,
        model_proto: bytes,
        added: Mapping[str, int],
        legacy: bool = True,
        model_max_length: int | None = None,
    ) -> None:
        """Make a tokenizer.

        Args:
            model_proto: content of a sentencepiece `tokenizer.model`.
            added: token to id beyond that vocabulary.
            legacy: see the class.
            model_max_length: see the class.

        Raises:
            ValueError: `model_proto` is no sentencepiece model, or an added id is taken.
        """
        self._sp = sentencepiece.SentencePieceProcessor()
        try:
            self._sp.LoadFromSerializedProto(model_proto)
        except RuntimeError as error:
            raise ValueError(f"it is no sentencepiece model ({error})") from error
        self.legacy = legacy
        self.model_max_length = model_max_length
        self.bos_token_id = int(self._sp.bos_id())
        self.eos_token_id = int(self._sp.eos_id())
        self.unk_token_id = int(self._sp.unk_id())
        self.pad_token_id = self.unk_token_id
        """The published code pads with the unknown token."""
        special = (self.bos_token_id, self.eos_token_id, self.unk_token_id)
        if min(special) < 0:
            raise ValueError(
                f"its bos, eos and unk ids are {special}, but a Llama vocabulary has all three"
            )
        self._special = {self._sp.id_to_piece(i): i for i in special}
        self.added: dict[str, int] = {}
        self._token_of: dict[int, str] = {}
        self._split = re.compile("")
        for token, index in sorted(added.items(), key=lambda item: item[1]):
            self._register(token, index)
        self._update_split()

    def _register(self, token: str, index: int) -> None:
        """Take a token in under an id."""
        if self._in_vocabulary(token):
            if self._sp.piece_to_id(token) == index:
                return
            raise ValueError(f"added token {token!r} has id {index}, but the vocabulary knows it")
        if index < self._sp.get_piece_size() or index in self._token_of:
            raise ValueError(f"added token {token!r} has id {index}, which is taken")
        self.added[token] = index
        self._token_of[index] = token

    def _update_split(self) -> None:
        """Compile the pattern that finds tokens in text."""
        names = sorted([*self._special, *self.added], key=len, reverse=True)  # the longest wins
        self._split = re.compile("(" + "|".join(map(re.escape, names)) + ")")

    def __len__(self) -> int:
        """Ids from 0 to the highest: rows that an embedding needs."""
        return max([self._sp.get_piece_size() - 1, *self._token_of]) + 1

    def add_tokens(self, tokens: Sequence[str]) -> int:
        """Append tokens that are not there yet, in their order; return how many."""
        missing = [
            t for t in dict.fromkeys(tokens) if t not in self.added and not self._in_vocabulary(t)
        ]
        for token in missing:
            self._register(token, len(self))
        self._update_split()
        return len(missing)

    def tokenize(self, text: str) -> list[str]:
        """Split text into tokens, the beginning-of-sentence token not included."""
        if not self.legacy:
            text = _MARKER + text.replace(_MARKER, " ")
        tokens: list[str] = []
        for part, is_token in self._parts(text):
            tokens += [part] if is_token else self._pieces(part)
        return tokens

    def encode(self, text: str, add_special_tokens: bool = True) -> list[int]:
        """Return the ids of a text; `add_special_tokens` puts the beginning-of-sentence first."""
        ids = [self._id(token) for token in self.tokenize(text)]
        return [self.bos_token_id, *ids] if add_special_tokens else ids

    def __call__(self, text: str, add_special_tokens: bool = True) -> dict[str, list[int]]:
        """Return `{"input_ids": encode(...)}`, as tokenizers of `transformers` do."""
        return {"input_ids": self.encode(text, add_special_tokens)}

    def encode_with_image(self, text: str) -> list[int]:
        """Return the ids of a conversation in which `<image>` stands for images.

        Each chunk between images is encoded with its own beginning, of which the first is kept;
        the image itself is `IMAGE_PLACEHOLDER`.
        """
        chunks = [self.encode(chunk, add_special_tokens=False) for chunk in text.split(IMAGE_TEXT)]
        ids = [self.bos_token_id, *chunks[0]]
        for chunk in chunks[1:]:
            ids += [IMAGE_PLACEHOLDER, *chunk]
        return ids

    def convert_tokens_to_ids(self, tokens: str | Sequence[str]) -> Any:
        """Return the id of a token, or the ids of several; unknown ones get `unk_token_id`."""
        if isinstance(tokens, str):
            return self._id(tokens)
        return [self._id(token) for token in tokens]

    def convert_ids_to_tokens(self, ids: Sequence[int]) -> list[str]:
        """Return the tokens of ids.

        Raises:
            ValueError: an id is outside the vocabulary.
        """
        return [self._token(int(index)) for index in ids]

    def decode(self, ids: Sequence[int], skip_special_tokens: bool = False) -> str:
        """Return the text of ids, added tokens set off by spaces."""
        tokens = self.convert_ids_to_tokens(ids)
        if skip_special_tokens:
            tokens = [t for t in tokens if t not in self._special]
        texts: list[str] = []
        run: list[str] = []
        for token in tokens:
            if token in self.added:
                texts += [self._text(run), token] if run else [token]
                run = []
            else:
                run.append(token)
        return " ".join([*texts, self._text(run)] if run else texts)

    def save_pretrained(self, folder: str | Path) -> None:
        """Write the files that `load_official_tokenizer` reads: sentencepiece model and JSON."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / MODEL_FILE).write_bytes(self._sp.serialized_model_proto())
        _write_json(folder / ADDED_FILE, self.added)
        config = {
            "tokenizer_class": "LlamaTokenizer",
            "legacy": self.legacy,
            "add_bos_token": True,
            "add_eos_token": False,
            "bos_token": self._sp.id_to_piece(self.bos_token_id),
            "eos_token": self._sp.id_to_piece(self.eos_token_id),
            "unk_token": self._sp.id_to_piece(self.unk_token_id),
            "pad_token": self._sp.id_to_piece(self.pad_token_id),
            "padding_side": "right",
            "clean_up_tokenization_spaces": False,
        }
        if self.model_max_length is not None:
            config["model_max_length"] = self.model_max_length
        _write_json(folder / CONFIG_FILE, config)

    def _parts(self, text: str) -> Iterator[tuple[str, bool]]:
        """Tokens that are never split (True) and the text between them (False), in order."""
        parts = self._split.split(text)  # text, token, text, token, ..., text
        for i in range(0, len(parts), 2):
            piece = parts[i]
            if i > 0 and parts[i - 1] in self.added:
                piece = piece.lstrip()
            if i + 1 < len(parts) and parts[i + 1] in self.added:
                piece = piece.rstrip()
            if piece:
                yield piece, False
            if i + 1 < len(parts):
                yield parts[i + 1], True

    def _pieces(self, text: str) -> list[str]:
        """Sentencepieces of one piece of text."""
        opens = text.startswith(_MARKER)
        if not self.legacy and opens:
            text = text[1:]
        pieces: list[str] = self._sp.encode(text, out_type=str)
        keeps_marker = self.legacy or opens or text.startswith(" ")
        if keeps_marker or not pieces or not pieces[0].startswith(_MARKER):
            return pieces
        return [pieces[0][1:], *pieces[1:]] if len(pieces[0]) > 1 else pieces[1:]

    def _text(self, tokens: Sequence[str]) -> str:
        """Text of tokens of the base vocabulary; special ones are not sentencepiece's business."""
        text, run, after_special = "", [], False
        for i, token in enumerate(tokens):
            if token not in self._special:
                run.append(token)
                after_special = False
                continue
            text += " " if i and not after_special else ""
            text += self._sp.decode(run) + token
            run, after_special = [], True
        return text + str(self._sp.decode(run))

    def _in_vocabulary(self, token: str) -> bool:
        return token in self._special or self._sp.piece_to_id(token) != self.unk_token_id

    def _id(self, token: str) -> int:
        return self.added[token] if token in self.added else int(self._sp.piece_to_id(token))

    def _token(self, index: int) -> str:
        if index in self._token_of:
            return self._token_of[index]
        if not 0 <= index < self._sp.get_piece_size():
            raise ValueError(f"id {index} is not in the vocabulary, which has {len(self)} ids")
        return str(self._sp.id_to_piece(index))


def is_official_tokenizer(folder: Path) -> bool:
    """Whether a folder holds files of this kind (and none of a fast tokenizer)."""
    return (folder / MODEL_FILE).is_file() and not (folder / "tokenizer.json").is_file()


def load_official_tokenizer(folder: str | Path, legacy: bool | None = None) -> OfficialTokenizer:
    """Read the tokenizer files of a published checkpoint, or of `save_pretrained`.

    Args:
        folder: holds `tokenizer.model` and, where there are any, `added_tokens.json` and
            `tokenizer_config.json`.
        legacy: True as in training and evaluation; None takes what the files say, as the
            published demo does (True where they say nothing).

    Raises:
        FileNotFoundError: there is no `tokenizer.model`.
        ValueError: a file is damaged or contradicts another.
    """
    folder = Path(folder)
    path = folder / MODEL_FILE
    if not path.is_file():
        raise FileNotFoundError(
            f"'{folder}' has no {MODEL_FILE}; copy the tokenizer files of the checkpoint there "
            "(the sentencepiece model is needed, a tokenizer.json gives other ids)"
        )
    config = _read_json(folder / CONFIG_FILE)
    stated = config.get("legacy")
    if stated is not None and not isinstance(stated, bool):
        raise ValueError(
            f"{folder / CONFIG_FILE}: legacy: expected true, false or null, got {stated!r}; "
            "copy or download the file again"
        )
    if legacy is None:
        legacy = True if stated is None else stated
    length = config.get("model_max_length")
    fits = isinstance(length, int) and length < 10**9  # transformers writes 1e30 for no limit
    try:
        return OfficialTokenizer(
            path.read_bytes(), _added_tokens(folder, config), legacy, length if fits else None
        )
    except ValueError as error:
        raise ValueError(f"tokenizer files in '{folder}' cannot be used: {error}") from error


def contact_token_texts(token_type: str) -> tuple[str, str, str]:
    """Return the texts (generic, human, object) of a token type's contact tokens.

    Raises:
        ValueError: the type is unknown.
    """
    base = token_type.removesuffix("-DifDe")
    if base not in TOKEN_TYPES:
        raise ValueError(
            f"unknown token_type {token_type!r}; expected one of {', '.join(TOKEN_TYPES)}, "
            "with or without -DifDe"
        )
    return {
        "Gen": (SEG, SEG, SEG),
        "Gen-Int": (SEG, ISEG, ISEG),
        "Gen-Hu-Obj": (SEG, HSEG, OSEG),
    }[base]


def add_contact_tokens(tokenizer: OfficialTokenizer, token_type: str) -> ContactTokenIds:
    """Add what a token type needs and the tokenizer lacks, in the published order.

    Contact tokens come before the image markers; a token that exists keeps its id.

    Raises:
        ValueError: the type is unknown.
    """
    seg, human, object_ = contact_token_texts(token_type)
    tokenizer.add_tokens([seg, human, object_, IM_START, IM_END])
    own = human != seg
    return ContactTokenIds(
        seg=tokenizer.convert_tokens_to_ids(seg),
        hseg=tokenizer.convert_tokens_to_ids(human) if own else None,
        oseg=tokenizer.convert_tokens_to_ids(object_) if own else None,
        im_start=tokenizer.convert_tokens_to_ids(IM_START),
        im_end=tokenizer.convert_tokens_to_ids(IM_END),
    )


def _added_tokens(folder: Path, config: Mapping[str, Any]) -> dict[str, int]:
    """Added tokens as transformers 4.31 wrote them, or as later versions do."""
    tokens = _read_json(folder / ADDED_FILE)
    listed = config.get("added_tokens_decoder")
    if not isinstance(listed, dict | None):
        raise _damaged_list(listed)
    for index, entry in (listed or {}).items():
        content = entry.get("content") if isinstance(entry, dict) else None
        if not isinstance(content, str) or not index.isdecimal():
            raise _damaged_list({index: entry})
        tokens[content] = int(index)
    if not all(type(index) is int for index in tokens.values()):
        raise ValueError(
            f"{ADDED_FILE} must map tokens to integer ids; copy or download the file again"
        )
    return tokens


def _damaged_list(found: Any) -> ValueError:
    return ValueError(
        f"{CONFIG_FILE}: added_tokens_decoder must map ids to objects with a text 'content', got "
        f"{reprlib.repr(found)}; copy or download the file again"
    )


def _read_json(path: Path) -> dict[str, Any]:
    """A JSON object; empty where there is no such file."""
    return read_json(path) if path.is_file() else {}


def _write_json(path: Path, data: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(data, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
