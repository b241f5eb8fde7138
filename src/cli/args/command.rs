//! The subcommands, with what `help` says of them.

use clap::Subcommand;

use super::eval::EvalArgs;
use super::examples;
use super::inspect::{CancelArgs, CheckArgs, DocumentArgs, StatusArgs};
use super::permission::TrustCommandArgs;
use super::run::{IngestArgs, ResumeArgs};
use super::search::SearchArgs;
use crate::cli::analyze::{AnalyzeArgs, EmbedArgs};
use crate::cli::cache::CacheArgs;
use crate::cli::export::ExportArgs;
use crate::cli::get::GetArgs;
use crate::cli::ls::LsArgs;
#[cfg(feature = "serve")]
use crate::cli::mcp::McpArgs;
use crate::cli::model::ModelArgs;
use crate::cli::pages::PagesArgs;
use crate::cli::runs::{DiffArgs, RunsArgs};
#[cfg(feature = "serve")]
use crate::cli::serve::ServeArgs;
use crate::cli::similar::SimilarArgs;
use crate::cli::stats::StatsArgs;

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Brings the knowledge base up to date with its sources.
    ///
    /// Lists every source, reads what is new or changed, splits it into chunks, embeds and indexes
    /// them, and removes what is gone. A document becomes visible to searches all at once, when its
    /// last chunk is stored. A run that was interrupted is continued.
    ///
    /// A document that cannot be read keeps its last good version and does not stop the run. When
    /// more than half of a source's documents (and more than ten) are gone, none of them is
    /// deleted: see --allow-deletes.
    ///
    /// Ctrl-C stops at the next checkpoint; press it twice to stop at once. Nothing is lost either
    /// way.
    #[command(after_long_help = examples::INGEST)]
    Ingest(IngestArgs),
    /// Continues a run that was interrupted, cancelled or failed.
    ///
    /// Never starts a new run: if there is nothing to resume, it says so and exits with 0. If the
    /// crawl is complete and chunks are queued, it continues with embedding.
    Resume(ResumeArgs),
    /// Says what an ingest would do, and does none of it; the same as `ingest --dry-run`.
    ///
    /// Per source: new, changed and deleted documents, by name (-v: all). Then chunks and tokens to
    /// embed, with cost and time. Sources are asked as by a run, and the work is done on a copy
    /// in the folder for temporary files (TMPDIR), without embedding anything. Exits with the code
    /// that the run would have.
    #[command(after_long_help = examples::PLAN)]
    Plan(IngestArgs),
    /// Shows the last run and the knowledge base, even during a run.
    ///
    /// Of the run: its state, phases (cleaning is chunking), counts, speed and time left. Of the
    /// knowledge base: documents, chunks, the queue, the model, and file sizes. Exits with 0
    /// whatever the state of the run.
    #[command(after_long_help = examples::STATUS)]
    Status(StatusArgs),
    /// Lists the pages of web sites, and says why each is or is not a document.
    ///
    /// A row per URL: source, state, URL, and the reason, or the URL that has the document;
    /// tab-separated. States: fetched and unchanged (a document), redirected (another page has the
    /// document), excluded, gone, refused, failed, queued (not visited yet), unseen (the last crawl
    /// found no link to it). Works during a run.
    #[command(after_long_help = examples::PAGES)]
    Pages(PagesArgs),
    /// Asks the running ingest to stop at its next checkpoint, and waits for it.
    ///
    /// Its work is kept; `kbingest resume` continues it. If nothing is running, it says so and
    /// exits with 0. If the run has not stopped after --timeout seconds, it exits with 11.
    Cancel(CancelArgs),
    /// Finds the passages that answer a question.
    ///
    /// KB_TOML names the settings, or a knowledge base file; without it, the kb.toml of this folder
    /// is used. QUERY is a question, or words to find; put -- before one that begins with a dash.
    ///
    /// Words match by their stems, in any order; passages that contain all of them rank first if
    /// there are enough. "A phrase" in quotes, and title:, heading:, path:, language: or source:
    /// before a word or phrase, is required; -word excludes; prefix* matches words that begin with
    /// it. Anything else counts as words.
    ///
    /// Hybrid search ranks by bm25 / max(bm25) + w * cosine over the best 100 of each side; w comes
    /// from the model. Works during a run, and sees each document in its old or its new version.
    ///
    /// Exits with 0 even if nothing is found.
    #[command(after_long_help = examples::SEARCH)]
    Search(SearchArgs),
    /// Lists the documents, with what became of each.
    ///
    /// KB_TOML names the settings, or a knowledge base file; without it, the kb.toml of this folder
    /// is used. GLOB is of URIs, as in "operations/**" or "**/*.md".
    ///
    /// A row per document: source, URI, title, date, chunks and state; tab-separated. States: live
    /// (searches see its current version), waiting (a run has yet to make its chunks and vectors),
    /// failed and skipped (searches see its last good version, if there is one). Works during a
    /// run.
    #[command(after_long_help = examples::LS)]
    Ls(LsArgs),
    /// Prints the text of a document, or some of its lines.
    ///
    /// KB_TOML names the settings, or a knowledge base file; without it, the kb.toml of this folder
    /// is used. DOCUMENT is SOURCE:URI, as in lists and hits, or SOURCE:URI:LINES with lines such
    /// as 10, 10-20 or 10-. The source may be left out if only one has the URI.
    ///
    /// Text documents are printed unchanged, others as the Markdown that was made of them; lines
    /// are those of the file, as in hits, if its format has any. Exits with 2 and the nearest names
    /// if there is no such document.
    #[command(after_long_help = examples::GET)]
    Get(GetArgs),
    /// Writes all documents or chunks, for other programs.
    ///
    /// Documents with title, date, metadata and text, or chunks with their place, tokens and, if
    /// asked for, vectors. One document is in memory at a time. Works during a run: each document
    /// is exported whole, in its old or its new version.
    #[command(after_long_help = examples::EXPORT)]
    Export(ExportArgs),
    /// Lists the documents that are most like one.
    ///
    /// DOCUMENT is SOURCE:URI; the source may be left out if only one has the URI. KB_TOML names
    /// the settings, or a knowledge base file; without it, the kb.toml of this folder is used.
    ///
    /// A row per document: cosine, source, URI and title; tab-separated. The cosine is that of the
    /// means of the vectors of all chunks, so that documents are compared as a whole. Documents
    /// with the same content are left out.
    Similar(SimilarArgs),
    /// Lists the runs, with what came and went.
    ///
    /// A row per run, the latest first: when it began, the time at work, documents that were new,
    /// changed, deleted or failed, the exit code, and how it ended. Exit codes of signals and
    /// errors are not kept. The last thousand runs are.
    #[command(after_long_help = examples::RUNS)]
    Runs(RunsArgs),
    /// Lists the documents that a run changed, or that differ from an older copy.
    ///
    /// RUN is a number of `kbingest runs`; without it, the last run is meant. KB_TOML names the
    /// settings, or a knowledge base file; without it, the kb.toml of this folder is used.
    ///
    /// A row per document: what became of it, source, URI and error; tab-separated. Of a run: new,
    /// changed, saved (one of these two: the file only says which if all are the same), made_again
    /// (same content, other settings), failed, skipped. The file keeps no names of what a run
    /// deleted, nor of what a later run changed again: --since finds them in an older copy, with
    /// new, changed, made_again and deleted.
    #[command(after_long_help = examples::DIFF)]
    Diff(DiffArgs),
    /// Shows what the knowledge base is made of.
    ///
    /// Documents, chunks and text by source and format, chunks by language and by length in tokens,
    /// the largest documents, and those whose content is the same.
    Stats(StatsArgs),
    /// Prints what a query looks up in the full-text index, for a program with its own SQLite.
    ///
    /// KB_TOML names the settings, or a knowledge base file; without it, the kb.toml of this folder
    /// is used. QUERY is understood as by `search`: stems, names, phrases, filters, misspelt words.
    ///
    /// `expression` goes behind MATCH, and matches chunks with any word; the other one matches
    /// those with every word. `meaning` is what `search` embeds. README.md shows how to use them.
    #[command(after_long_help = examples::ANALYZE)]
    Analyze(AnalyzeArgs),
    /// Prints the vector of a text, by the model of the knowledge base's vectors.
    ///
    /// KB_TOML names the settings, or a knowledge base file; without it, the kb.toml of this folder
    /// is used. A JSON list of numbers, of unit length; --json adds the signed bytes that compare
    /// with the `vector` view of the file. A model behind a server needs its kb.toml.
    #[command(after_long_help = examples::EMBED)]
    Embed(EmbedArgs),
    /// Measures search quality on queries with known answers, and fails if it got worse.
    ///
    /// QUERIES is a file with one object per line: {"id", "query", "relevant": [{"path", "grade",
    /// "start", "end"}]}. `path` (or `uri`) is the URI of a document inside its source, `grade`
    /// defaults to 1, and `start` and `end` are optional: the bytes of the passage in the file.
    /// KB_TOML names the settings, or a knowledge base file; without it, the kb.toml of this folder
    /// is used.
    ///
    /// Runs every query in every mode and measures the documents found: nDCG@10, MRR@10, recall@5,
    /// 10, 20 and 100, success@1 and 5. For spans it also measures recall, precision and IoU over
    /// the first five passages, and precision-omega, as Chroma's chunking evaluation defines them.
    /// Modes are compared by the paired bootstrap.
    ///
    /// Exits with 3 if a --min is not reached, or if a measure fell more than --max-drop below
    /// --baseline.
    #[command(after_long_help = examples::EVAL)]
    Eval(EvalArgs),
    /// Prints the text that ingest would save for a file.
    ///
    /// Markdown and plain text are printed unchanged, every other format as Markdown. --json adds
    /// the title, the document's metadata, and the extractor used. Needs no knowledge base. Exits
    /// with 3 if ingest would fail on the file or skip it.
    Extract(DocumentArgs),
    /// Prints the chunks that ingest would make of a file.
    ///
    /// Each with its lines and bytes in the extracted text, its tokens as the model counts them,
    /// and the text that is embedded and indexed: title and headings, then the passage. Needs no
    /// knowledge base.
    Chunk(DocumentArgs),
    /// Shows what a kb.toml asks for beyond reading documents, and allows its current content.
    ///
    /// It may ask to run commands for documents, to send environment variables to a server, to
    /// connect to private hosts, and to fetch git URLs other than https and local ones. kbingest
    /// ingests such a kb.toml only after you have allowed it, whoever owns the file: it may have
    /// come with a clone or a download. After an edit of it, or of a program beside it that it
    /// runs, you have to allow it again.
    ///
    /// If nobody can answer a prompt, as in CI, set the environment variable KBINGEST_TRUST to the
    /// hash that --show prints; separate several by commas.
    Trust(TrustCommandArgs),
    /// Shows and shrinks the file that keeps the answers of models that cost.
    ///
    /// Such a model embeds no text twice, and scores no pair twice: vectors and scores are found
    /// again in this file, by other documents, runs and knowledge bases. It may be deleted at any
    /// time; then they are paid for again.
    Cache(CacheArgs),
    /// Fetches the models that kb.toml names on a hub, verifies them, or lists what was fetched.
    ///
    /// `[embed.onnx] model = "hf:OWNER/NAME@REVISION"` is fetched once, by the first ingest or by
    /// this command, into the user's cache folder; the model of `[search.rerank.onnx]` only by this
    /// command. Commit and sha256 are written to kbingest-models.lock beside kb.toml, and from then
    /// on no other content is used. HF_ENDPOINT, HF_TOKEN and HF_HUB_OFFLINE mean what they mean to
    /// Hugging Face's programs.
    Model(ModelArgs),
    /// Answers agents over stdin and stdout, by the Model Context Protocol.
    ///
    /// KB is a knowledge base file or a kb.toml; several may be given. Agents get the tools
    /// `search`, `read`, `list` and `status`, and documents as resources; docs/agents.md says how
    /// to add it to Claude Code, Cursor and others. Works during a run, and notices a new file.
    /// Ends when the agent closes stdin.
    #[cfg(feature = "serve")]
    Mcp(McpArgs),
    /// Answers programs over HTTP, with JSON, and agents at /mcp.
    ///
    /// KB is a knowledge base file or a kb.toml; several may be given. Routes: /search, /documents,
    /// /chunks, /status, /healthz, /metrics, /mcp; /openapi.json describes them, docs/http.md
    /// explains them. Listens on this machine only; elsewhere with a token. Works during a run, and
    /// notices a new file. Ends at SIGTERM or Ctrl-C, after requests at work are answered.
    #[cfg(feature = "serve")]
    Serve(ServeArgs),
    /// Checks that the knowledge base is sound; if not, lists the findings and exits with 12.
    ///
    /// Looks for what must never be: pages that SQLite cannot read, chunks without their document,
    /// vector or full-text row, spans outside their text, work that is in no queue. Names the
    /// document of each finding. Works during a run, and changes nothing unless --repair is given.
    Check(CheckArgs),
}
