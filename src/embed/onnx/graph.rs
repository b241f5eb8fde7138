//! The graph of a transformer, run by rten: ids of tokens to numbers.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use rten::{Model, ModelOptions, NodeId, RunOptions, ThreadPool};
use rten_tensor::NdTensor;
use rten_tensor::prelude::*;

use super::framing;

/// A graph whose weights are in memory.
pub(crate) struct Graph {
    model: Model,
    inputs: Vec<(NodeId, Input)>,
    output: NodeId,
    /// Idle pools of one thread each: texts are computed side by side, and the vector of each
    /// does not depend on how many threads there are.
    idle: Mutex<Vec<Arc<ThreadPool>>>,
}

/// What an input of the graph gets.
#[derive(Clone, Copy)]
enum Input {
    Ids,
    /// 1 for each token: there is no padding.
    Mask,
    /// Which of two texts each token is of.
    Types,
}

impl Graph {
    /// Loads the graph at `path`, whose output is the first of `outputs` that it has, or its first.
    /// Its weights are arranged for this processor once, which costs their size in memory and saves
    /// a fifth of each text's time.
    pub(crate) fn open(path: &Path, outputs: &[&str]) -> Result<Self, String> {
        let mut options = ModelOptions::with_all_ops();
        options.prepack_weights(true);
        framing::check(&std::fs::read(path).map_err(|error| error.to_string())?)?;
        let model = options.load_file(path).map_err(|error| error.to_string())?;
        let inputs = inputs(&model)?;
        let output = output(&model, outputs)?;
        Ok(Self { model, inputs, output, idle: Mutex::default() })
    }

    /// Returns the output for a text, or two, with these ids of tokens: its shape and values.
    /// `types` says which of the two each token is of.
    pub(crate) fn run(&self, ids: &[u32], types: &[u32]) -> Result<(Vec<usize>, Vec<f32>), String> {
        let value = |input: Input| -> Vec<i32> {
            ids.iter()
                .zip(types)
                .map(|(&id, &type_)| match input {
                    Input::Ids => id as i32,
                    Input::Mask => 1,
                    Input::Types => type_ as i32,
                })
                .collect()
        };
        let inputs = self
            .inputs
            .iter()
            .map(|&(node, input)| (node, NdTensor::from_data([1, ids.len()], value(input)).into()))
            .collect();
        let idle = || self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let thread = idle().pop();
        let thread = thread.unwrap_or_else(|| Arc::new(ThreadPool::with_num_threads(1)));
        let options = RunOptions::default().with_thread_pool(Some(Arc::clone(&thread)));
        let output = self.model.run_n(inputs, [self.output], Some(options));
        idle().push(thread);
        let [output] = output.map_err(|error| error.to_string())?;
        let output: rten_tensor::Tensor<f32> =
            output.try_into().map_err(|_| "its output is not of floats".to_owned())?;
        Ok((output.shape().to_vec(), output.to_vec()))
    }
}

/// Returns the graph's inputs. Fails if it wants one that a text does not have.
fn inputs(model: &Model) -> Result<Vec<(NodeId, Input)>, String> {
    let named = |&id: &NodeId| {
        let name = model.node_info(id).and_then(|node| node.name().map(str::to_owned));
        let name = name.unwrap_or_default();
        let input = match name.as_str() {
            "input_ids" => Input::Ids,
            "attention_mask" => Input::Mask,
            "token_type_ids" => Input::Types,
            _ => {
                return Err(format!("its graph has the input {name:?}, which no text encoder has"));
            }
        };
        Ok((id, input))
    };
    let inputs: Vec<_> = model.input_ids().iter().map(named).collect::<Result<_, _>>()?;
    if inputs.iter().any(|(_, input)| matches!(input, Input::Ids)) {
        Ok(inputs)
    } else {
        Err("its graph has no input \"input_ids\": is it a text encoder?".into())
    }
}

/// Returns the first output that has one of the names `wanted`, or the first of all.
fn output(model: &Model, wanted: &[&str]) -> Result<NodeId, String> {
    let has_name = |id: NodeId, wanted: &str| {
        model.node_info(id).and_then(|node| node.name().map(|name| name == wanted)) == Some(true)
    };
    let named = |wanted: &&str| model.output_ids().iter().copied().find(|&id| has_name(id, wanted));
    wanted
        .iter()
        .find_map(named)
        .or_else(|| model.output_ids().first().copied())
        .ok_or_else(|| "its graph has no output".into())
}
