#!/usr/bin/env python3
"""Writes `tiny/`, a model of random weights in the layout of sentence-transformers, and `golden.jsonl`, the vectors that
onnxruntime and tokenizers give for it; and `cross/`, a cross-encoder, with its scores in `cross.jsonl`.

    pip install numpy onnx onnxruntime safetensors tokenizers
    python tests/data/onnx/make.py
"""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnxruntime
from safetensors.numpy import save_file
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

HERE = Path(__file__).parent
TINY = HERE / "tiny"
CROSS = HERE / "cross"
HIDDEN, LAYERS, HEADS, INNER, POSITIONS = 16, 2, 2, 32, 32
WORDS = "a and are at before boat boats by close closes failed falls for gate harbour is last lock master metres night north of on open "
WORDS += "opens pilot port reports ship ships signal south stone storm takes the tide to two under wall water west when wind yellow zero"
CONFIG = {
    "model_type": "bert", "hidden_act": "gelu", "hidden_size": HIDDEN, "num_hidden_layers": LAYERS,
    "num_attention_heads": HEADS, "intermediate_size": INNER, "max_position_embeddings": POSITIONS, "layer_norm_eps": 1e-12,
}  # fmt: skip
PIECES = ["##s", "##er", "##ing", "##ed", "##ly", *(f"##{c}" for c in "abcdefghijklmnopqrstuvwxyz")]
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
TEXTS = [
    "The harbour master closes the north gate when the tide falls below two metres.",
    "zero",
    "Ships and boats, at night: UNDER water!",
    "a caf\u00e9 by the port \u6e2f",
    "the ship takes the pilot " * 20,
]


def weights(labels=0):
    random = np.random.default_rng(7)
    tensors = {}

    def dense(name, *shape):
        tensors[name + ".weight"] = random.normal(0, 0.3, shape).astype(np.float32)

    def linear(name, out, size):
        dense(name, out, size)
        tensors[name + ".bias"] = random.normal(0, 0.1, out).astype(np.float32)

    def norm(name):
        tensors[name + ".weight"] = np.ones(HIDDEN, np.float32)
        tensors[name + ".bias"] = np.zeros(HIDDEN, np.float32)

    dense("embeddings.word_embeddings", len(vocabulary()), HIDDEN)
    dense("embeddings.position_embeddings", POSITIONS, HIDDEN)
    dense("embeddings.token_type_embeddings", 2, HIDDEN)
    norm("embeddings.LayerNorm")
    for layer in range(LAYERS):
        name = f"encoder.layer.{layer}."
        for part in ("query", "key", "value"):
            linear(name + "attention.self." + part, HIDDEN, HIDDEN)
        linear(name + "attention.output.dense", HIDDEN, HIDDEN)
        norm(name + "attention.output.LayerNorm")
        linear(name + "intermediate.dense", INNER, HIDDEN)
        linear(name + "output.dense", HIDDEN, INNER)
        norm(name + "output.LayerNorm")
    if labels:
        linear("pooler.dense", HIDDEN, HIDDEN)
        tensors = {"bert." + name: value for name, value in tensors.items()}
        linear("classifier", labels, HIDDEN)
    return tensors


def vocabulary():
    letters = "abcdefghijklmnopqrstuvwxyz.,:!"
    return {token: at for at, token in enumerate(dict.fromkeys([*SPECIAL, *WORDS.split(), *letters, *PIECES]))}


def tokenizer(pair=None):
    made = Tokenizer(models.WordPiece(vocabulary(), unk_token="[UNK]"))
    made.normalizer = normalizers.BertNormalizer()
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    marks = [("[CLS]", 2), ("[SEP]", 3)]
    made.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", pair=pair, special_tokens=marks)
    # As some models' files have it: the limit of the model is another one.
    made.enable_truncation(8)
    made.enable_padding(length=8)
    return made


def write(name, value, folder=TINY):
    path = folder / name
    path.parent.mkdir(exist_ok=True, parents=True)
    path.write_text(json.dumps(value, indent=1) + "\n")


def main():
    shutil.rmtree(TINY, ignore_errors=True)
    write("config.json", CONFIG)
    kinds = ["Transformer", "Pooling", "Normalize"]
    write("modules.json", [{"type": f"sentence_transformers.models.{kind}"} for kind in kinds])
    write("1_Pooling/config.json", {"word_embedding_dimension": HIDDEN, "pooling_mode_mean_tokens": True})
    write("sentence_bert_config.json", {"max_seq_length": 24})
    write("config_sentence_transformers.json", {"prompts": {"query": "signal: ", "document": "port: "}})
    made = tokenizer()
    made.save(str(TINY / "tokenizer.json"))
    save_file(weights(), TINY / "model.safetensors")
    subprocess.run([sys.executable, HERE / "../../../docs/scripts/export_bert.py", TINY, TINY], check=True)
    (TINY / "model.safetensors").unlink()

    made.no_padding()
    made.enable_truncation(24)
    session = onnxruntime.InferenceSession(TINY / "onnx/model.onnx")
    with open(HERE / "golden.jsonl", "w") as golden:
        for text in TEXTS:
            for role, prompt in (("query", "signal: "), ("document", "port: ")):
                ids = made.encode(prompt + text).ids
                inputs = {"input_ids": [ids], "attention_mask": [[1] * len(ids)], "token_type_ids": [[0] * len(ids)]}
                inputs = {name: np.array(value, np.int64) for name, value in inputs.items()}
                vector = session.run(None, inputs)[0][0].mean(0)
                vector = (vector / np.linalg.norm(vector)).astype(float).round(6).tolist()
                golden.write(json.dumps({"role": role, "text": text, "ids": ids, "vector": vector}) + "\n")
    cross()


def cross():
    """Two cross-encoders: one label, and in `labels.onnx` two."""
    shutil.rmtree(CROSS, ignore_errors=True)
    write("config.json", CONFIG, CROSS)
    made = tokenizer("[CLS] $A [SEP] $B:1 [SEP]:1")
    made.save(str(CROSS / "tokenizer.json"))
    for labels, name in ((2, "labels.onnx"), (1, "model.onnx")):
        save_file(weights(labels), CROSS / "model.safetensors")
        subprocess.run([sys.executable, HERE / "../../../docs/scripts/export_bert.py", CROSS, CROSS], check=True)
        (CROSS / "onnx/model.onnx").rename(CROSS / name)
    (CROSS / "model.safetensors").unlink()
    (CROSS / "onnx").rmdir()

    made.no_padding()
    made.enable_truncation(POSITIONS)
    session = onnxruntime.InferenceSession(CROSS / "model.onnx")
    with open(HERE / "cross.jsonl", "w") as golden:
        for query in ("when does the harbour close", "ships", "the pilot takes the ship to port at night " * 4):
            for text in TEXTS:
                encoded = made.encode(query, text)
                inputs = {"input_ids": [encoded.ids], "attention_mask": [[1] * len(encoded.ids)], "token_type_ids": [encoded.type_ids]}
                inputs = {name: np.array(value, np.int64) for name, value in inputs.items()}
                score = round(float(session.run(None, inputs)[0][0][0]), 6)
                golden.write(json.dumps({"query": query, "text": text, "score": score}) + "\n")


if __name__ == "__main__":
    main()
