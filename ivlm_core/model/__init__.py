"""The network: vision-language model, camera-aware prompts, mask decoder, from published parts."""
