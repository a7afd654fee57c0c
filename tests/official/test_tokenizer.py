"""The published tokenizer's rules, against recorded ids and on texts that could trip it."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ivlm_core.config import IvlmConfig, PromptConfig, TokenConfig
from ivlm_core.model.processor import Processor
from ivlm_core.official.tokenizer import (
    OfficialTokenizer,
    add_contact_tokens,
    contact_token_texts,
    is_official_tokenizer,
    load_official_tokenizer,
)

LEGACY = pytest.mark.parametrize("legacy", [True, False], ids=["legacy", "not_legacy"])


@pytest.fixture(scope="module")
def folder(parity_dir) -> Path:
    return parity_dir / "preprocess" / "tokenizer"


@pytest.fixture(scope="module")
def recorded(parity_dir) -> dict:
    return json.loads((parity_dir / "preprocess" / "tokenizer.json").read_text(encoding="utf-8"))


def variant(recorded: dict, legacy: bool) -> dict:
    return recorded if legacy else recorded["legacy_false"]


@LEGACY
def test_probes_get_the_recorded_tokens_ids_and_text(folder, recorded, legacy):
    tokenizer = load_official_tokenizer(folder / "gen_hu_obj", legacy)
    for probe in variant(recorded, legacy)["probes"]:
        assert tokenizer.encode(probe["text"]) == probe["ids"], probe["text"]
        assert tokenizer.tokenize(probe["text"]) == probe["tokens"], probe["text"]
        if "decoded" in probe:
            assert tokenizer.decode(probe["ids"]) == probe["decoded"]


@LEGACY
@pytest.mark.parametrize("kind", ["gen", "gen_hu_obj"])
def test_prompts_with_an_image_get_the_recorded_ids(folder, recorded, legacy, kind):
    tokenizer = load_official_tokenizer(folder / kind, legacy)
    for name, prompt in variant(recorded, legacy)["demo_prompts"].items():
        text = recorded["demo_prompts"][name]["text"]
        assert tokenizer.encode_with_image(text) == prompt[f"ids_{kind}"], name


def bare(folder: Path) -> OfficialTokenizer:
    """The base vocabulary, without anything added."""
    return OfficialTokenizer((folder / "gen" / "tokenizer.model").read_bytes(), {})


@pytest.mark.parametrize("key", ["Gen", "Gen-Hu-Obj", "Gen-Int"])
def test_tokens_are_added_in_the_published_order(folder, recorded, key):
    tokenizer = bare(folder)
    expected = recorded[f"{key}_from_plain"]
    got = add_contact_tokens(tokenizer, key)
    assert {**vars(got), "length": len(tokenizer)} == expected
    before = len(tokenizer)
    assert add_contact_tokens(tokenizer, f"{key}-DifDe") == got  # a second time adds nothing
    assert len(tokenizer) == before


def test_tokens_that_exist_keep_their_ids(folder, recorded):
    tokenizer = bare(folder)
    tokenizer.add_tokens(["[SEG]", "<im_start>", "<im_end>"])
    got = add_contact_tokens(tokenizer, "Gen-Hu-Obj")
    expected = recorded["Gen-Hu-Obj_from_LISA_like_base"]
    assert {**vars(got), "length": len(tokenizer)} == expected


def test_what_the_files_say_decides_unless_told(folder, tmp_path):
    tokenizer = load_official_tokenizer(folder / "gen")
    stated = json.loads((folder / "gen" / "tokenizer_config.json").read_text())
    assert tokenizer.legacy == stated["legacy"]
    assert tokenizer.model_max_length == stated["model_max_length"]
    tokenizer.legacy = False
    tokenizer.save_pretrained(tmp_path)
    assert load_official_tokenizer(tmp_path).legacy is False
    assert load_official_tokenizer(tmp_path, legacy=True).legacy is True
    (tmp_path / "tokenizer_config.json").unlink()
    assert load_official_tokenizer(tmp_path).legacy is True


@LEGACY
def test_saved_files_give_the_same_tokenizer(folder, recorded, tmp_path, legacy):
    tokenizer = load_official_tokenizer(folder / "gen_hu_obj", legacy)
    tokenizer.save_pretrained(tmp_path)
    assert is_official_tokenizer(tmp_path)
    assert {path.suffix for path in tmp_path.iterdir()} == {".model", ".json"}
    again = load_official_tokenizer(tmp_path)
    assert len(again) == len(tokenizer) and again.added == tokenizer.added
    for probe in recorded["probes"]:
        assert again.encode(probe["text"]) == tokenizer.encode(probe["text"])


def test_added_tokens_as_later_versions_write_them_are_read(folder, tmp_path):
    original = load_official_tokenizer(folder / "gen")
    (tmp_path / "tokenizer.model").write_bytes((folder / "gen" / "tokenizer.model").read_bytes())
    decoder = {str(i): {"content": t, "special": False} for t, i in original.added.items()}
    decoder |= {"1": {"content": "<s>"}, "2": {"content": "</s>"}}
    (tmp_path / "tokenizer_config.json").write_text(
        json.dumps({"added_tokens_decoder": decoder, "model_max_length": 10**30})
    )
    again = load_official_tokenizer(tmp_path)
    assert again.added == original.added and again.model_max_length is None


def test_our_processor_writes_and_reads_through_it(folder, recorded):
    tokenizer = load_official_tokenizer(folder / "gen_hu_obj")
    config = IvlmConfig(
        tokens=TokenConfig(human="[HSEG]", object="[OSEG]", generic="[SEG]"),
        prompt=PromptConfig(conversation="llava_v1"),
    )
    processor = Processor(config, tokenizer)
    ids = recorded["Gen-Hu-Obj_from_LISA_like_base"]
    assert processor.contact_tokens.human == ids["hseg"]
    assert processor.contact_tokens.object == ids["oseg"]
    assert processor.contact_tokens.generic == ids["seg"]
    prompt = recorded["demo_prompts"]["hcontact"]
    question = prompt["text"].split("\n")[1].removesuffix(" ASSISTANT:")
    assert processor.prompt_ids(question) == prompt["ids_gen_hu_obj"]
    answer = tokenizer.encode("It is [HSEG].", add_special_tokens=False)
    assert processor.decode([*answer, tokenizer.eos_token_id]) == "It is [HSEG] ."


def test_tokens_without_text_between_and_no_text_at_all(folder):
    for legacy in (True, False):
        tokenizer = load_official_tokenizer(folder / "gen", legacy)
        assert tokenizer.encode("") == [tokenizer.bos_token_id]
        assert tokenizer.tokenize("[SEG] \n [SEG]") == ["[SEG]", "[SEG]"]
        assert tokenizer.tokenize("</s></s>") == ["</s>", "</s>"]
        assert tokenizer.decode([]) == ""
        assert tokenizer.convert_tokens_to_ids("[NONE]") == tokenizer.unk_token_id
        assert tokenizer.decode(tokenizer.encode("hello"), skip_special_tokens=True) == "hello"


@pytest.fixture(scope="module")
def tokenizer(folder) -> OfficialTokenizer:
    return load_official_tokenizer(folder / "gen_hu_obj")


@settings(deadline=None, max_examples=50)
@given(text=st.text(max_size=40))
def test_any_text_gives_ids_in_the_vocabulary(tokenizer, text):
    ids = tokenizer.encode(text + "[OSEG]" + text)
    assert ids.count(tokenizer.added["[OSEG]"]) == 1 + 2 * text.count("[OSEG]")
    assert min(ids) >= 0 and max(ids) < len(tokenizer)
    assert isinstance(tokenizer.decode(ids), str)


def test_damaged_or_contradictory_files_are_refused(folder, tmp_path):
    with pytest.raises(FileNotFoundError, match="tokenizer.model"):
        load_official_tokenizer(tmp_path)
    model = tmp_path / "tokenizer.model"
    model.write_bytes(b"no model")
    with pytest.raises(ValueError, match="no sentencepiece model"):
        load_official_tokenizer(tmp_path)
    model.write_bytes((folder / "gen" / "tokenizer.model").read_bytes())
    added = tmp_path / "added_tokens.json"
    added.write_text('{"[SEG]": 5}')
    with pytest.raises(ValueError, match=r"\[SEG\].*taken"):
        load_official_tokenizer(tmp_path)
    added.write_text('{"[SEG]": "5"}')
    with pytest.raises(ValueError, match="integer ids"):
        load_official_tokenizer(tmp_path)
    added.write_text('{"</s>": 9999}')
    with pytest.raises(ValueError, match="the vocabulary knows it"):
        load_official_tokenizer(tmp_path)
    added.write_text("{")
    with pytest.raises(ValueError, match="not valid JSON"):
        load_official_tokenizer(tmp_path)
    with pytest.raises(ValueError, match="unknown token_type 'Gan'"):
        contact_token_texts("Gan")
    with pytest.raises(ValueError, match="not in the vocabulary"):
        load_official_tokenizer(folder / "gen").decode([10**6])
