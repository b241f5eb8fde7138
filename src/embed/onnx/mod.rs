//! Transformers in this process: a model's folder, its tokens, its graph.
//!
//! A text is one call of the graph: without padding nothing is computed in vain, and in a batch
//! the weights of 8 bits would share a scale, so that a text's vector would depend on the others.

mod config;
#[cfg(feature = "onnx")]
mod folder;
#[cfg(feature = "onnx")]
mod framing;
#[cfg(feature = "onnx")]
mod graph;
#[cfg(feature = "onnx")]
mod transformer;

pub use config::{OnnxConfig, Pooling};
#[cfg(feature = "onnx")]
pub(crate) use folder::{TOKENIZER, existing, graph as graph_of, max_tokens};
#[cfg(feature = "onnx")]
pub(crate) use graph::Graph;
#[cfg(feature = "onnx")]
pub use transformer::Onnx;
#[cfg(feature = "onnx")]
pub(crate) use transformer::{hash_model, load_tokenizer, place, plain_name};
