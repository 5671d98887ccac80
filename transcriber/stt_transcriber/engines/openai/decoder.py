"""OpenAI's decoder with its own cache, which reports the audio that each token attends to.

The package keeps its cache in hooks on the model, and reads attention by disabling a faster implementation for every
caller: it can run one decode at a time. Here no state of a decode is kept on the model, so several may run at once, on
encodings of any length.
"""

from typing import Any

import torch
from torch.nn.functional import scaled_dot_product_attention
from whisper.decoding import DecodingOptions, DecodingTask

from stt_transcriber.engines.request import repeats_itself


class OpenAiDecoder:
    """Decoder of one loaded model; may be used from several threads.

    ``alignment_heads``: for each layer, the heads whose attention follows the audio.
    """

    def __init__(self, model: Any) -> None:
        decoder = model.decoder
        self.blocks: list[Any] = list(decoder.blocks)
        self.device = model.device
        self.alignment_heads: list[list[int]] = [[] for _ in self.blocks]
        for layer, head in model.alignment_heads.indices().T.tolist():
            self.alignment_heads[layer].append(head)
        self._vocabulary: torch.Tensor = decoder.token_embedding.weight
        self._places: torch.Tensor = decoder.positional_embedding
        self._last_norm = decoder.ln
        self._heads: int = model.dims.n_text_head

    def embedded(self, tokens: torch.Tensor, offset: int, dtype: torch.dtype) -> torch.Tensor:
        """Embed tokens [rows, n], the first at position ``offset`` of the text -> [rows, n, d_model]."""
        return (self._vocabulary[tokens] + self._places[offset : offset + tokens.shape[1]]).to(dtype)

    def logits(self, output: torch.Tensor) -> torch.Tensor:
        """Convert the output of the last layer [..., d_model] to logits, float32 [..., vocabulary]."""
        normed: torch.Tensor = self._last_norm(output)
        return (normed @ self._vocabulary.to(output.dtype).T).float()

    def by_head(self, x: torch.Tensor) -> torch.Tensor:
        """Split by head: [rows, n, d_model] -> [rows, heads, n, d_head]."""
        return x.view(*x.shape[:2], self._heads, -1).transpose(1, 2)


class Decode:
    """State of one decode: the keys and values of its audio and of its tokens so far.

    ``encoding``: [1, positions, d_model]. All sequences attend to the same audio.
    """

    def __init__(self, decoder: OpenAiDecoder, encoding: torch.Tensor) -> None:
        self._decoder = decoder
        self._dtype = encoding.dtype
        self._length = 0
        self._audio = [
            (decoder.by_head(block.cross_attn.key(encoding)), decoder.by_head(block.cross_attn.value(encoding)))
            for block in decoder.blocks
        ]
        self._text: list[tuple[torch.Tensor, torch.Tensor]] = []

    def feed(self, tokens: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Process the next tokens [rows, n]; more than one per sequence only at the start.

        Returns the last layer's output [rows, n, d_model], and the scores (attention before the softmax) of the
        alignment heads, float32 [alignment heads, rows * n, positions].
        """
        rows, count = tokens.shape
        by_head = self._decoder.by_head
        x = self._decoder.embedded(tokens, self._length, self._dtype)
        scores = []
        for layer, block in enumerate(self._decoder.blocks):
            normed = block.attn_ln(x)
            key, value = self._remembered(layer, by_head(block.attn.key(normed)), by_head(block.attn.value(normed)))
            query = by_head(block.attn.query(normed))
            x = x + block.attn.out(_merged(scaled_dot_product_attention(query, key, value, is_causal=count > 1)))
            # One long row of queries, so that the audio need not be copied for each sequence.
            query = by_head(block.cross_attn.query(block.cross_attn_ln(x)).view(1, rows * count, -1))
            audio_key, audio_value = self._audio[layer]
            attended = _merged(scaled_dot_product_attention(query, audio_key, audio_value))
            x = x + block.cross_attn.out(attended).view(x.shape)
            x = x + block.mlp(block.mlp_ln(x))
            if heads := self._decoder.alignment_heads[layer]:
                scores.append(query[0, heads] @ audio_key[0, heads].mT * query.shape[-1] ** -0.5)
        self._length += count
        return x, torch.cat(scores).float()

    def rearrange_kv_cache(self, source_rows: list[int]) -> None:
        """Continue sequence i from ``source_rows[i]``; the package's beam search calls this method by this name."""
        if source_rows != list(range(len(source_rows))):
            self._text = [(key[source_rows], value[source_rows]) for key, value in self._text]

    def _remembered(self, layer: int, key: torch.Tensor, value: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        if layer == len(self._text):
            self._text.append((key, value))
        else:
            old_key, old_value = self._text[layer]
            self._text[layer] = (torch.cat([old_key, key], dim=2), torch.cat([old_value, value], dim=2))
        return self._text[layer]


class Task(DecodingTask):  # type: ignore[misc]
    """OpenAI's search and rules on ``Decode``; ``run`` accepts an encoding [1, positions, d_model] of any length.

    ``loop_limit``: maximum number of tokens of a text that repeats itself; ``looped``: the text was ended there.

    After a greedy ``run``: ``scores``, as returned by ``Decode.feed``, of every token from the start of the transcript
    on; ``probabilities`` of the new tokens among all text tokens.
    """

    def __init__(self, model: Any, decoder: OpenAiDecoder, options: DecodingOptions) -> None:
        super().__init__(model, options)
        self._net = decoder
        self.scores = torch.empty(0)
        self.probabilities: list[float] = []
        self.loop_limit = self.sample_len
        self.looped = False

    def _get_audio_features(self, mel: torch.Tensor) -> torch.Tensor:
        return mel

    def _main_loop(self, audio_features: torch.Tensor, tokens: torch.Tensor) -> Any:
        rows = tokens.shape[0]
        sums = torch.zeros(rows, device=audio_features.device)
        decode = Decode(self._net, audio_features)
        # Beam search reports to this object which sequences continue.
        self.decoder.inference = decode
        # All sequences begin with the same tokens.
        output, scores = decode.feed(tokens[:1])
        at_start = self._net.logits(output[0, self.sot_index]).softmax(dim=-1)
        no_speech = float(at_start[self.tokenizer.no_speech])
        decode.rearrange_kv_cache([0] * rows)
        output = output.repeat(rows, 1, 1)
        collected = [scores[:, self.sot_index :]]
        for count in range(1, self.sample_len + 1):
            logits = self._net.logits(output[:, -1])
            words_only = logits[0, : self.tokenizer.eot].softmax(dim=-1)
            # Forbid timestamps and tasks within a text, which the package's rules allow.
            logits[:, self.tokenizer.eot + 1 :] = -torch.inf
            for rule in self.logit_filters:
                rule.apply(logits, tokens)
            tokens, completed = self.decoder.update(tokens, logits, sums)
            if completed or tokens.shape[-1] > self.n_ctx:
                break
            self.looped = count >= self.loop_limit and repeats_itself(tokens[0, self.sample_begin :].tolist())
            if self.looped:
                break
            if rows == 1:
                self.probabilities.append(float(words_only[tokens[0, -1]]))
            output, scores = decode.feed(tokens[:, -1:])
            collected.append(scores)
        if rows == 1:
            self.scores = torch.cat(collected, dim=1)
        return tokens, sums, [no_speech] * rows


def _merged(x: torch.Tensor) -> torch.Tensor:
    """Join the heads: [rows, heads, n, d_head] -> [rows, n, d_model]."""
    return x.transpose(1, 2).flatten(2)
