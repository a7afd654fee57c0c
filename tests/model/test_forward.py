"""The forward pass: prompts enter all views, queries are independent, gradients flow."""

import torch

from ivlm_core.model.ivlm import ContactPrompt, IvlmModel
from ivlm_core.model.losses import dice, focal_bce
from ivlm_core.model.processor import Processor
from ivlm_core.model.prompts import question

DIM = 32


def _teacher_forced(model: IvlmModel, processor: Processor) -> list[ContactPrompt]:
    rows, starts = [], []
    for label, parts in (("bottle", ["left hand"]), ("chair", [])):
        prompt = processor.prompt_ids(question("human_contact", label))
        rows.append(prompt + processor.answer_ids("human_contact", parts))
        starts.append(len(prompt))
    asked = [row[:start] for row, start in zip(rows, starts, strict=True)]
    tokens = model.vlm.image_tokens(model.vlm.tower(torch.randn(2, 3, 32, 32)), asked)
    scored = model.vlm.score(tokens, rows, starts)
    prompts = model.contact_prompts(scored, rows)
    assert all(p is not None and p.token == model.tokens.human for p in prompts)
    return [p for p in prompts if p is not None]


def test_queries_of_one_surface_are_independent(tiny: tuple[IvlmModel, Processor]) -> None:
    model, processor = tiny
    with torch.no_grad():
        prompts = _teacher_forced(model, processor)
        views = model.embed_views(torch.randn(4, 3, 64, 64))
        both, iou = model.localize(prompts, views, on_object=False)
        alone, _ = model.localize(prompts[1:], views, on_object=False)
    assert both.shape == (2, 4, 16, 16)
    assert iou.shape == (2, 4)
    torch.testing.assert_close(both[1:], alone, atol=1e-5, rtol=1e-4)


def test_every_view_is_decoded_with_the_prompts_of_all_views(
    tiny: tuple[IvlmModel, Processor],
) -> None:
    """The reference's arrangement: changing one view's prompt changes every view's mask."""
    model, _ = tiny
    per_view = torch.randn(1, 4, DIM)
    views = torch.randn(4, DIM, 4, 4)
    changed = per_view.clone()
    changed[:, 3] += 1
    with torch.no_grad():
        before, _ = model.localizer(per_view, views)
        after, _ = model.localizer(changed, views)
    assert all(not torch.allclose(before[:, v], after[:, v]) for v in range(4))


def test_loop_over_views_equals_broadcasting(tiny: tuple[IvlmModel, Processor]) -> None:
    """SAM's decoder, called as the reference does: all views, one set of prompts."""
    model, _ = tiny
    prompts, views = torch.randn(1, 4, DIM), torch.randn(4, DIM, 4, 4)
    encoder = model.localizer.prompt_encoder
    with torch.no_grad():
        ours, _ = model.localizer(prompts, views)
        theirs, _ = model.localizer.mask_decoder(
            image_embeddings=views,
            image_pe=encoder.get_dense_pe(),
            sparse_prompt_embeddings=prompts,
            dense_prompt_embeddings=encoder.no_mask_embed.weight.reshape(1, -1, 1, 1),
            multimask_output=False,
        )
    torch.testing.assert_close(ours[0], theirs[:, 0], atol=2e-5, rtol=1e-4)


def test_mask_loss_reaches_every_part(tiny: tuple[IvlmModel, Processor]) -> None:
    model, processor = tiny
    model.zero_grad()
    prompts = _teacher_forced(model, processor)
    logits, _ = model.localize(prompts, model.embed_views(torch.randn(4, 3, 64, 64)), False)
    target = (torch.rand_like(logits) > 0.5).float()
    valid = torch.ones_like(logits, dtype=torch.bool)
    loss = focal_bce(logits, target, valid).mean() + dice(logits.sigmoid(), target).mean()
    loss.backward()
    for part in (
        model.vlm.tower,
        model.vlm.mm_projector,
        model.vlm.language.model,
        model.projection,
        model.view_encoder,
        model.image_encoder,
        model.localizer.mask_decoder,
    ):
        assert any(p.grad is not None and p.grad.abs().sum() > 0 for p in part.parameters())
    model.zero_grad()


def test_answer_without_token_gives_no_prompt(tiny: tuple[IvlmModel, Processor]) -> None:
    model, processor = tiny
    prompt = processor.prompt_ids("What is this?")
    with torch.no_grad():
        scored = model.vlm.score(
            model.vlm.image_tokens(model.vlm.tower(torch.randn(1, 3, 32, 32)), [prompt]),
            [prompt],
            [len(prompt)],
        )
    assert model.contact_prompts(scored, [prompt]) == [None]
