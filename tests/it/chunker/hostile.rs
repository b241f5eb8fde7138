//! Input made to be slow: time and counted bytes grow linearly with the text, and nothing panics.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use kbingest::analysis::noise;
use kbingest::chunk::{ChunkConfig, ChunkInput, chunker};
use kbingest::domain::MediaType;
use rustix::time::{ClockId, clock_gettime};

use super::count;
use crate::fuzz::oracles::chunker::check_text;

/// Size of a hostile text. Quadratic work on it takes minutes without optimisation.
const SIZE_BYTES: usize = 120_000;

/// Limit on the ratio of the work for a text to that for a quarter of it: four is linear, sixteen
/// quadratic.
const TIMES_MAX: u32 = 8;
/// Processor time too short to compare.
const TOO_SHORT: Duration = Duration::from_millis(200);

/// Limit on the bytes counted per byte of text: once per grain, and the joins.
const COUNTED_MAX: usize = 8;

/// Repeated until the text has its size.
const FLOODS: &[&str] = &[
    ">",
    "> ",
    "- ",
    "1. ",
    "[",
    "]",
    "![",
    "[a](",
    "[a](<b",
    "[^a]",
    "[`",
    "*a_ ",
    "**a *a ",
    "*[a]",
    "*",
    "_ ",
    "`",
    "`a",
    "~a~~ ",
    "<",
    "<a ",
    "<a b=\"",
    "<x>",
    "<?",
    "<![CDATA[",
    "<!-- ",
    "<!--\n",
    "<div>\n",
    "<div>\n\n",
    "&",
    "&amp;",
    "&#",
    "|",
    "\\",
    "\\\n",
    "a\\\n",
    "\n",
    "\r\n",
    "\r",
    "\t",
    " ",
    "\0",
    "\u{a0}\n",
    "\u{85}",
    "0",
    "0aA",
    "data:/,",
    "data:a/b;base64,AAAA",
    "<svg ",
    "{{<",
    "{{< \"",
    ":::",
    ":::\n",
    "> [!",
    "\u{1b}",
    "\u{1b}]",
    "\u{1b}[1m",
    "word ",
    "abcdefghij",
    "A sentence here. ",
    ".",
    ". ",
    ".)",
    "a.)))))))))))))))))))))))",
    ".\u{301}",
    "\u{345}",
    "中文字符",
    "中。",
    "👩‍👩‍👧",
    "\u{200d}",
    "# a\n",
    "# a\nb\n\n",
    "# a\n## b\n### c\ntext\n\n",
    "a\n---\n",
    "a\n",
    "---\n",
    "[a]: /u\n",
    "[a]: /u\n\nb\n\n",
    "[^a]: x\n\n",
    "```\n",
    "~~~\na\n\n",
    "    a\n\n",
    "|a|b|\n|-|-|\n",
    "- [ ] a\n",
    "- a\n  - b\n",
    "> a\n\n",
    "> a\nb\n",
    "> [!NOTE]\n",
    "# a {#b .c ",
    "+++\na\n+++\n",
    "---\na: b\n---\n",
];

/// Texts of about `size` bytes that repeat more than one part.
fn structures(size: usize) -> Vec<String> {
    let flood = |part: &str| part.repeat(size / part.len());
    let side = (size as f64).sqrt() as usize;
    let columns = size / 12;
    let path = |level: usize| format!("{} {}\n", "#".repeat(level), "h".repeat(200));
    vec![
        (0..side).map(|depth| ">".repeat(depth) + "a\n").collect(),
        (0..side).map(|depth| "  ".repeat(depth) + "- a\n").collect(),
        (0..side).map(|length| "`".repeat(length) + " ").collect(),
        format!(
            "{}\n{}\n{}\n",
            "|abc".repeat(columns),
            "|---".repeat(columns),
            "|def".repeat(columns)
        ),
        format!("{}\n{}\n{}", "|a".repeat(2000), "|-".repeat(2000), flood("|d|\n")),
        format!("|a|b|\n|-|-|\n{}", flood("|c|d|\n")),
        format!("# {}", flood("heading ")),
        format!("# {}\ntext", flood("heading")),
        format!("```{}\ncode\n```\n", flood("rust")),
        format!("```rust\n{}", flood("let a = 1;\n")),
        format!("> ```rust\n{}", flood("> let a = 1;\n")),
        format!("```rust\n{}```", flood("\n")),
        format!("- {}", flood("word ")),
        format!("---\n{}", flood("a: b\n")),
        format!("# a\n{}\ntext\n", flood("[a]: /u\n")),
        (0..size / 20).map(|index| format!("[l{index}]: /u\n\nt\n\n")).collect(),
        format!("# a\nx\n{}# c\ny\n", flood("## b\n")),
        // Every closing bracket after a full stop makes UAX #29 look ahead, and every combining
        // letter.
        format!("a.{}", flood(")")),
        format!("a.{}", flood("\u{345}")),
        (1..6).map(path).collect::<String>() + &flood("###### a\nb\n\n"),
    ]
}

/// Returns the processor time of this thread, on which other work on the machine has little effect.
fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.cast_unsigned(), u32::try_from(time.tv_nsec).unwrap())
}

/// Chunks a text and returns the processor time; fails if too many bytes are counted.
fn time_of(text: &str, media_type: MediaType) -> Duration {
    let config = ChunkConfig { max_tokens: 256, overlap_tokens: 40 };
    let counted = AtomicUsize::new(0);
    let count = |part: &str| {
        counted.fetch_add(part.len(), Ordering::Relaxed);
        count(part)
    };
    let input = ChunkInput { title: "title", text, noise: &noise::of(text), media_type };
    let started = processor_time();
    chunker(media_type).chunk(&input, &config, &count);
    let time = processor_time() - started;
    let counted = counted.into_inner();
    assert!(
        counted < COUNTED_MAX * text.len() + 10_000,
        "{:?}: counted {counted} of {} bytes as {media_type:?}",
        beginning(text),
        text.len()
    );
    time
}

fn beginning(text: &str) -> String {
    text.chars().take(40).collect()
}

/// Checks that a text takes about four times as long as one of the same kind and a quarter of its
/// size.
fn check_hostile(quarter: &str, text: &str) {
    for media_type in MediaType::ALL {
        let (less, more) = (time_of(quarter, media_type), time_of(text, media_type));
        assert!(
            more < less * TIMES_MAX + TOO_SHORT,
            "{:?} took {less:?} and then {more:?} as {media_type:?}",
            beginning(text)
        );
    }
}

#[test]
fn floods_take_linear_time() {
    for flood in FLOODS {
        let text = |size: usize| flood.repeat(size / flood.len());
        check_hostile(&text(SIZE_BYTES / 4), &text(SIZE_BYTES));
    }
}

#[test]
fn structures_take_linear_time() {
    for (quarter, text) in structures(SIZE_BYTES / 4).iter().zip(structures(SIZE_BYTES)) {
        check_hostile(quarter, &text);
    }
}

#[test]
fn a_line_of_five_megabytes_takes_linear_time() {
    let text = |count| "a line of five megabytes. ".repeat(count);
    check_hostile(&text(50_000), &text(200_000));
}

#[test]
fn invariants_hold_on_hostile_input() {
    let floods = FLOODS.iter().map(|flood| flood.repeat(2_000 / flood.len()));
    for text in floods.chain(structures(2_000)) {
        for (max_tokens, overlap_tokens) in [(32, 10), (256, 0)] {
            check_text(&text, &ChunkConfig { max_tokens, overlap_tokens });
        }
    }
}
