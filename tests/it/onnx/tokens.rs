//! `[chunk] tokenizer`: chunks measured in the tokens of a model.

use std::fs;
use std::path::{Path, PathBuf};

use kbingest::operations::{self, ChunkReport, DocumentSettings};
use tokenizers::Tokenizer;

use crate::support::{Place, SETTINGS, markdown};

fn tiny() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/onnx/tiny")
}

fn settings(tokenizer: &str, embed: &str) -> String {
    let chunk = format!("max_tokens = 64\ntokenizer = {tokenizer:?}");
    SETTINGS.replace("max_tokens = 32", &chunk).replace("[embed.hash]\ndim = 64", embed)
}

fn chunked(place: &Place) -> ChunkReport {
    let settings = DocumentSettings::from(place.config());
    operations::chunk(&place.docs().join("0.md"), &settings).unwrap()
}

/// The tiny model knows few words: the rest is of its letters, and so are chunks smaller.
#[test]
fn chunks_have_the_tokens_of_the_model() {
    let place = Place::new();
    place.write("0.md", markdown(0, 6, "harbour"));
    let onnx = format!("[embed.onnx]\nmodel = {:?}", tiny());
    let mut reference = Tokenizer::from_file(tiny().join("tokenizer.json")).unwrap();
    reference.with_padding(None).with_truncation(None).unwrap();
    place.configure(&settings("model", &onnx));
    let by_model = chunked(&place);
    for chunk in &by_model.chunks {
        let tokens = reference.encode(chunk.embedded_text.as_str(), false).unwrap().len();
        assert_eq!(chunk.token_count, tokens, "{}", chunk.embedded_text);
        assert!(tokens <= 64);
    }
    assert!(by_model.chunker.contains("tokens=tokenizer-"), "{}", by_model.chunker);
    // The same file by its path is the same tokenizer, whatever the model and the place.
    fs::copy(tiny().join("tokenizer.json"), place.path("t.json")).unwrap();
    place.configure(&settings("t.json", "[embed.builtin]"));
    let by_path = chunked(&place);
    assert_eq!(by_path.chunker, by_model.chunker);
    assert_eq!(by_path.chunks.len(), by_model.chunks.len());
    let http = "[embed.http]\nurl = 'http:HOST'\nmodel = 'm'\ndim = 2\ntokenizer = 't.json'";
    place.configure(&settings("model", &http.replace("HOST", "//127.0.0.1:9")));
    assert_eq!(chunked(&place).chunker, by_model.chunker);
    // By default, another model has the same chunks.
    place.configure(&settings("builtin", &onnx));
    let builtin = chunked(&place);
    assert!(!builtin.chunker.contains(",tokens="), "{}", builtin.chunker);
    assert_ne!(builtin.chunks.len(), by_model.chunks.len());
}

#[test]
fn another_tokenizer_chunks_the_saved_texts_again() {
    let place = Place::in_memory();
    place.configure(&settings("builtin", "[embed.builtin]"));
    for number in 0..4 {
        place.write(&format!("{number}.md"), markdown(number, 6, "harbour"));
    }
    place.ingest();
    place.reconfigure("\"builtin\"", "\"t.json\"");
    fs::copy(tiny().join("tokenizer.json"), place.path("t.json")).unwrap();
    assert_eq!(place.ingest().metrics.documents_restaged, 4);
    place.assert_equals_fresh_ingest();
    assert_eq!(place.ingest().metrics.documents_restaged, 0);
    // The content counts: a word more in the vocabulary.
    let text = fs::read_to_string(place.path("t.json")).unwrap();
    fs::write(place.path("t.json"), text.replacen("\"zero\"", "\"zeroes\"", 1)).unwrap();
    assert_eq!(place.ingest().metrics.documents_restaged, 4);
}
