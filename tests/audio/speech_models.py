"""Small pretrained-looking speech models: random weights in the real format, with the real convolutions."""

from __future__ import annotations

from pathlib import Path


def save_model(kind: str, folder: Path, layers: int = 1) -> Path:
    """A hubert, wav2vec2 or whisper of 24 channels in `folder`; layers: of its transformer."""
    import torch

    from pgstalker.torch_compat import load_torchvision

    load_torchvision()
    import transformers

    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    wave = {"hidden_size": 24, "num_hidden_layers": layers, "num_attention_heads": 2, "intermediate_size": 32}
    wave |= {"conv_dim": [12] * 7, "num_conv_pos_embeddings": 1, "num_conv_pos_embedding_groups": 2}
    whisper = {"d_model": 24, "vocab_size": 20, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
    for side in ("encoder", "decoder"):
        whisper |= {f"{side}_layers": layers, f"{side}_attention_heads": 2, f"{side}_ffn_dim": 32}
    with torch.random.fork_rng():
        torch.manual_seed(4)
        if kind == "hubert":
            model = transformers.HubertModel(transformers.HubertConfig(**wave))
        elif kind == "wav2vec2":
            model = transformers.Wav2Vec2Model(transformers.Wav2Vec2Config(**wave, feat_extract_norm="layer"))
        else:
            model = transformers.WhisperModel(transformers.WhisperConfig(**whisper, decoder_start_token_id=1))
            for layer in (model.encoder.conv1, model.encoder.conv2):
                layer.weight.data.mul_(20)  # so that it hears the sound above the position that is added to it
            model.encoder.embed_positions.weight.data.mul_(0.02)
        model.save_pretrained(folder)
    return folder
