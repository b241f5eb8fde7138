//! `eval`: runs queries with known answers against a knowledge base.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

use super::Target;
use super::search::open_searcher;
use crate::error::{Error, ExitCode};
use crate::eval::{
    self, Baseline, ByteSpan, Detail, EvalReport, GateError, Latency, Minimum, ModeDifference,
    ModeSummary, Passage, Scores, Worst,
};
use crate::kb::{Query, SearchMode, Show};
use crate::search::{SearchResult, Searcher, Warning};
use crate::support::{files, names};

/// Passages of a ranking that are measured.
const HITS: usize = 100;
/// Queries listed as the worst.
const WORST: usize = 10;
/// Limit on a file of queries, or a report, in bytes.
const SIZE_MAX_BYTES: u64 = 256 * 1024 * 1024;

/// The options of an evaluation.
#[derive(Clone, Debug)]
pub struct EvalOptions {
    /// The file of queries.
    pub queries: PathBuf,
    /// Modes to measure; none means all of them.
    pub modes: Vec<SearchMode>,
    /// Report every query.
    pub details: bool,
    /// The gate.
    pub gate: Gate,
}

/// The gate: what has to hold for exit code 0.
#[derive(Clone, Debug, Default)]
pub struct Gate {
    /// Minimum values.
    pub minimums: Vec<Minimum>,
    /// An earlier report, as `--json` prints it.
    pub baseline: Option<PathBuf>,
    /// How far a measure may fall below the baseline.
    pub max_drop: f64,
}

/// Reads the files that an evaluation will need, so that an error in them is reported before a long
/// run.
pub(super) fn check_files(options: &EvalOptions) -> Result<(), Error> {
    read_queries(&options.queries)?;
    options.gate.baseline.as_deref().map(read_baseline).transpose()?;
    Ok(())
}

/// Runs every query in every mode, and compares the results with the relevant documents. Works
/// during a run and writes nothing.
pub fn eval(target: &Target, options: &EvalOptions) -> Result<EvalReport, Error> {
    let (queries, queries_hash) = read_queries(&options.queries)?;
    let baseline = options.gate.baseline.as_deref().map(read_baseline).transpose()?;
    let wants_all = options.modes.is_empty();
    let modes = if wants_all { SearchMode::ALL.to_vec() } else { options.modes.clone() };
    let opened = match modes.iter().any(|mode| *mode != SearchMode::Text) {
        // If only some of all modes are available, those are measured.
        true if wants_all => SearchMode::Hybrid,
        true => SearchMode::Vector,
        false => SearchMode::Text,
    };
    let searcher = open_searcher(target, opened)?;
    let mut warnings: Vec<_> = searcher.warnings().iter().map(ToString::to_string).collect();
    let modes: Vec<_> = modes.into_iter().filter(|mode| searcher.mode(*mode) == *mode).collect();
    let queries = with_stored_uris(&searcher, queries)?;
    let chunks = chunks_of_answers(&searcher, &queries)?;
    let mut ranked: Vec<_> = modes.into_iter().map(Ranked::by).collect();
    // Beside the first mode, which is what searches do.
    if let Some(first) = ranked.first().filter(|_| searcher.reranks()) {
        ranked.insert(1, Ranked { reranks: true, ..*first });
    }
    let measured = ranked
        .iter()
        .map(|ranked| measure(&searcher, *ranked, &queries, &chunks))
        .collect::<Result<Vec<_>, _>>()?;
    let summaries: Vec<_> = measured.iter().map(Measured::summary).collect();
    if let Some(baseline) = &baseline
        && baseline.queries_hash != queries_hash
    {
        warnings.push("the baseline is of other queries".to_owned());
    }
    let shortfalls = shortfalls(&options.gate, baseline.as_ref(), &summaries)?;
    let exit_code = if shortfalls.is_empty() { ExitCode::Success } else { ExitCode::GateFailed };
    Ok(EvalReport {
        schema: 1,
        knowledge_base: target.kb().to_owned(),
        queries_file: options.queries.clone(),
        queries_hash,
        queries: queries.len(),
        warnings,
        differences: differences(&measured),
        worst: measured.first().map(|mode| mode.worst(&queries)).unwrap_or_default(),
        details: options
            .details
            .then(|| measured.iter().flat_map(|mode| mode.details(&queries)).collect()),
        modes: summaries,
        shortfalls,
        exit_code: exit_code.number(),
    })
}

/// What hits are ranked by.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ranked {
    mode: SearchMode,
    reranks: bool,
}

impl Ranked {
    /// Without a reranker.
    pub(super) fn by(mode: SearchMode) -> Self {
        Self { mode, reranks: false }
    }

    fn name(self) -> String {
        format!("{}{}", self.mode.as_str(), if self.reranks { "+rerank" } else { "" })
    }
}

/// The results of one ranking for every query, in order.
pub(super) struct Measured {
    ranked: Ranked,
    times_ms: Vec<f64>,
    rankings: Vec<Vec<Passage>>,
    pub(super) scores: Vec<Scores>,
    ranks: Vec<Option<usize>>,
}

pub(super) fn measure(
    searcher: &Searcher,
    ranked: Ranked,
    queries: &[eval::Query],
    chunks: &HashMap<String, Vec<ByteSpan>>,
) -> Result<Measured, Error> {
    let (mut times_ms, mut rankings) = (Vec::new(), Vec::new());
    for query in queries {
        // Chunks are measured as ranked, without folding.
        let Ranked { mode, reranks } = ranked;
        let show = Show {
            limit: HITS,
            mode,
            folds: false,
            marks: false,
            locates: false,
            reranks,
            ..Show::default()
        };
        let query = Query { show, ..Query::new(&query.text) };
        let since = Instant::now();
        let SearchResult { hits, warning, rerank_error, .. } = searcher.answer(&query)?;
        if let Some(error) = rerank_error {
            return Err(error.into());
        }
        if let Some(Warning::EmbedderFailed(error)) = warning {
            // A measure of words only would count as one of hybrid search.
            return Err(error.into());
        }
        times_ms.push(since.elapsed().as_secs_f64() * 1000.0);
        let passages = hits.into_iter().map(|hit| Passage {
            uri: hit.uri,
            start: hit.start_byte,
            end: hit.end_byte,
        });
        rankings.push(passages.collect::<Vec<_>>());
    }
    let pairs = || queries.iter().zip(&rankings);
    let scores = pairs().map(|(query, ranking)| eval::scores(query, ranking, chunks)).collect();
    let ranks = pairs().map(|(query, ranking)| eval::first_relevant_rank(query, ranking)).collect();
    Ok(Measured { ranked, times_ms, rankings, scores, ranks })
}

impl Measured {
    fn summary(&self) -> ModeSummary {
        ModeSummary {
            mode: self.ranked.name(),
            metrics: eval::mean_scores(&self.scores),
            latency_ms: Latency::of(&self.times_ms),
            first_relevant_ranks: eval::rank_histogram(&self.ranks),
        }
    }

    fn worst(&self, queries: &[eval::Query]) -> Vec<Worst> {
        let ndcg = |index: usize| self.scores[index].get("ndcg@10").unwrap_or(0.0);
        let mut order: Vec<usize> = (0..queries.len()).filter(|index| ndcg(*index) < 1.0).collect();
        let rank = |index: usize| self.ranks[index].unwrap_or(usize::MAX);
        order.sort_by(|&a, &b| ndcg(a).total_cmp(&ndcg(b)).then(rank(b).cmp(&rank(a))));
        let worst = order.into_iter().take(WORST).map(|index| {
            let mut wanted: Vec<_> =
                queries[index].relevant.iter().map(|relevant| relevant.uri.clone()).collect();
            wanted.dedup();
            Worst {
                id: queries[index].id.clone(),
                query: queries[index].text.clone(),
                ndcg: ndcg(index),
                first_relevant_rank: self.ranks[index],
                wanted,
                found: self.rankings[index].first().map(|passage| passage.uri.clone()),
            }
        });
        worst.collect()
    }

    fn details(&self, queries: &[eval::Query]) -> Vec<Detail> {
        let detail = |(index, query): (usize, &eval::Query)| Detail {
            id: query.id.clone(),
            mode: self.ranked.name(),
            latency_ms: self.times_ms[index],
            first_relevant_rank: self.ranks[index],
            metrics: self.scores[index].clone(),
            hits: self.rankings[index].clone(),
        };
        queries.iter().enumerate().map(detail).collect()
    }
}

/// Returns `queries` with the URIs of relevant documents as they are stored: an accent may be part
/// of its letter in one and follow it in the other.
pub(super) fn with_stored_uris(
    searcher: &Searcher,
    mut queries: Vec<eval::Query>,
) -> Result<Vec<eval::Query>, Error> {
    let relevant = queries.iter_mut().flat_map(|query| &mut query.relevant);
    for one in relevant.filter(|one| !one.uri.is_ascii()) {
        let is_stored = |uri: &str| Ok::<_, Error>(!searcher.reader().chunk_spans(uri)?.is_empty());
        if is_stored(&one.uri)? {
            continue;
        }
        for form in names::forms(&one.uri) {
            if is_stored(&form)? {
                one.uri = form;
                break;
            }
        }
    }
    Ok(queries)
}

/// Returns the spans of all chunks of the relevant documents.
pub(super) fn chunks_of_answers(
    searcher: &Searcher,
    queries: &[eval::Query],
) -> Result<HashMap<String, Vec<ByteSpan>>, Error> {
    let mut chunks = HashMap::new();
    let answers = queries.iter().flat_map(|query| &query.relevant);
    for relevant in answers.filter(|relevant| relevant.span.is_some()) {
        if !chunks.contains_key(&relevant.uri) {
            let spans = searcher.reader().chunk_spans(&relevant.uri)?;
            let span = |&(start, end): &(u64, u64)| ByteSpan { start, end };
            chunks.insert(relevant.uri.clone(), spans.iter().map(span).collect());
        }
    }
    Ok(chunks)
}

/// Compares each pair of modes, measure by measure.
fn differences(measured: &[Measured]) -> Vec<ModeDifference> {
    let mut differences = Vec::new();
    for (index, of) in measured.iter().enumerate() {
        for against in &measured[index + 1..] {
            for (metric, _) in of.summary().metrics.0 {
                let pairs = of.scores.iter().zip(&against.scores);
                let values: Vec<f64> =
                    pairs.filter_map(|(a, b)| Some(a.get(metric)? - b.get(metric)?)).collect();
                let eval::Difference { mean, low, high } = eval::difference(&values);
                differences.push(ModeDifference {
                    metric,
                    of: of.ranked.name(),
                    against: against.ranked.name(),
                    mean,
                    low,
                    high,
                });
            }
        }
    }
    differences
}

fn shortfalls(
    gate: &Gate,
    baseline: Option<&Baseline>,
    modes: &[ModeSummary],
) -> Result<Vec<eval::Shortfall>, Error> {
    let mut shortfalls = Vec::new();
    for minimum in &gate.minimums {
        shortfalls.extend(minimum.check(modes).map_err(gate_error)?);
    }
    if let Some(baseline) = baseline {
        shortfalls.extend(baseline.check(modes, gate.max_drop).map_err(gate_error)?);
    }
    Ok(shortfalls)
}

fn gate_error(error: GateError) -> Error {
    let hint = match &error {
        GateError::Metric { known, .. } => Some(format!("there are: {}", known.join(", "))),
        GateError::Mode(_) => Some("there are: hybrid, text, vector; see --mode".to_owned()),
        GateError::Nothing => None,
    };
    Error::Usage { message: error.to_string(), hint }
}

/// Reads a file of queries; returns also a hash of its text.
pub(super) fn read_queries(path: &Path) -> Result<(Vec<eval::Query>, String), Error> {
    let text = read(path)?;
    let queries = eval::parse_queries(&text).map_err(|error| Error::Usage {
        message: format!("{}: {error}", path.display()),
        hint: Some(
            "one object a line: {\"id\": \"1\", \"query\": \"…\", \"relevant\": [{\"path\": \"a.md\"}]}"
                .to_owned(),
        ),
    })?;
    Ok((queries, blake3::hash(text.as_bytes()).to_hex()[..16].to_owned()))
}

fn read_baseline(path: &Path) -> Result<Baseline, Error> {
    serde_json::from_str(&read(path)?).map_err(|error| Error::Usage {
        message: format!("{} is not a report of `kbingest eval --json`: {error}", path.display()),
        hint: None,
    })
}

fn read(path: &Path) -> Result<String, Error> {
    use std::io::Read;
    let read = || {
        let mut bytes = Vec::new();
        files::open_input(path)?.take(SIZE_MAX_BYTES + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > SIZE_MAX_BYTES {
            return Err(std::io::Error::other("larger than 256 MiB"));
        }
        String::from_utf8(bytes).map_err(|_| std::io::Error::other("not UTF-8"))
    };
    read().map_err(|error| Error::Usage {
        message: format!("cannot read {}: {error}", path.display()),
        hint: None,
    })
}
