"""`--device`: what torch shall compute on."""

from ivlm_core.commands.console import UsageError


def check_option(device: str | None) -> None:
    """Refuse a device that is not here before a model is read, which then is not to blame.

    Raises:
        UsageError: torch does not know it, or cannot compute on it here.
    """
    if device is None:
        return
    import torch

    from ivlm_core.model.placement import check_device

    try:
        torch.ones(1, device=check_device(device)).item()
    except ValueError as error:
        raise UsageError(f"--device: {error}") from error
    except (RuntimeError, AssertionError, ImportError) as error:  # of devices torch was built for
        raise UsageError(
            f"--device {device}: torch knows it, but cannot compute on it here; use cpu, or cuda "
            "where there is a GPU"
        ) from error
