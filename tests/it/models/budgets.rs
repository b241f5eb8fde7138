//! `[budget]`: a run ends when it is used up, keeps what was embedded, and is continued.

use super::server::ModelServer;
use super::{healthy, place};
use crate::support::{
    Place, assert_no_claims, assert_same, assert_sound, ingest, markdown, program, remove_kb,
    resume, rows, stop_at,
};
use crate::wait::output_of;

/// Returns the tokens that the server has counted, without those of probes.
fn tokens(texts: &[String]) -> usize {
    texts.iter().map(|text| text.split_whitespace().count()).sum()
}

fn stored_tokens(place: &Place) -> Vec<String> {
    rows(&place.kb(), "SELECT sum(tokens) FROM usage")
}

#[test]
fn a_run_ends_at_its_budget_and_is_continued() {
    let model = ModelServer::start();
    let place = place(&model, "max_batch_texts = 2\nconcurrency = 2\n[budget]\nmax_tokens = 400");
    place.reconfigure("max_tokens = 400", "max_tokens = 0");
    let (expected, texts) = healthy(&model, &place);
    place.reconfigure("[budget]\nmax_tokens = 0", "[budget]\nmax_tokens = 400");
    assert!(tokens(&texts) > 600, "{}", tokens(&texts));

    let report = ingest(&place.config(), None);
    assert_eq!(report.exit_code, 4, "{report:#?}");
    let first = model.take_texts();
    assert!((150..=400).contains(&tokens(&first)), "{}", tokens(&first));
    let said = report.error().unwrap().to_string();
    let waiting = texts.len() - first.len();
    assert!(
        said.starts_with("the budget is used up: used ") && said.contains(" of 400 tokens; "),
        "{said}"
    );
    assert!(said.ends_with(&format!("; {waiting} chunks wait")), "{said}");
    assert_eq!(stored_tokens(&place), [tokens(&first).to_string()]);
    assert_sound(&place.kb());
    assert_no_claims(&place.kb());

    // The budget is that of the run, however many processes it has.
    let report = resume(&place.config(), None);
    assert_eq!(report.exit_code, 4, "{report:#?}");
    let more = model.take_texts();
    assert!(tokens(&first) + tokens(&more) <= 400);

    place.reconfigure("max_tokens = 400", "max_tokens = 4000");
    assert_eq!(resume(&place.config(), None).exit_code, 0);
    assert_same(&place.dump(), &expected, "without a budget");
    let mut sent = [first, more, model.take_texts()].concat();
    sent.sort();
    assert_eq!(sent, texts, "every text is sent once");
    assert_eq!(stored_tokens(&place), [tokens(&texts).to_string()]);
}

#[test]
fn a_day_has_a_budget_for_all_of_its_runs() {
    let model = ModelServer::start();
    let place = place(&model, "[budget]\nmax_cost_per_day = 0.01\nprice_per_million_tokens = 10.0");
    assert_eq!(ingest(&place.config(), None).exit_code, 0);
    let used = tokens(&model.take_texts());
    assert!(used < 1000);
    for number in 100..120 {
        place.write(&format!("{number}.md"), markdown(number, 4, "more"));
    }
    let report = ingest(&place.config(), None);
    assert_eq!(report.exit_code, 4, "{report:#?}");
    let said = report.error().unwrap().to_string();
    assert!(said.contains(" of 0.01 of the cost today; "), "{said}");
    assert!(used + tokens(&model.take_texts()) <= 1000);
}

#[test]
fn what_is_found_in_the_cache_costs_nothing() {
    let model = ModelServer::start();
    let place = place(&model, "");
    place.reconfigure("cache = ''", "cache = 'shared.vectors'");
    place.ingest();
    let expected = place.dump();
    remove_kb(&place.kb());
    place.reconfigure("dim = 16\n", "dim = 16\n[budget]\nmax_tokens = 1\n");
    place.ingest();
    assert_same(&place.dump(), &expected, "without a budget");
}

/// Embedders in this process have budgets, too; a run that is stopped at any checkpoint has used
/// what it stored.
#[test]
fn every_embedder_has_a_budget() {
    let place = Place::in_memory();
    for number in 0..6 {
        place.write(&format!("{number}.md"), markdown(number, 6, "word"));
    }
    place.ingest();
    let expected = place.dump();
    place.reconfigure("dim = 64", "dim = 64\n[budget]\nmax_tokens = 300");
    for visit in 1..30 {
        remove_kb(&place.kb());
        let report = ingest(&place.config(), Some(&stop_at(None, visit)));
        assert!([4, 130].contains(&report.exit_code), "{visit}: {report:#?}");
        let sum = "SELECT ifnull(sum(token_count), 0) FROM chunk WHERE id IN (SELECT chunk_id FROM vector)";
        assert_eq!(
            rows(&place.kb(), "SELECT ifnull(sum(tokens), 0) FROM usage"),
            rows(&place.kb(), sum),
            "{visit}"
        );
        assert_sound(&place.kb());
    }
    assert_eq!(resume(&place.config(), None).exit_code, 4);
    place.reconfigure("max_tokens = 300", "max_tokens = 30000");
    assert_eq!(resume(&place.config(), None).exit_code, 0);
    assert_same(&place.dump(), &expected, "without a budget");
}

#[test]
fn the_program_says_what_was_used_and_what_waits() {
    let place = Place::in_memory();
    for number in 0..6 {
        place.write(&format!("{number}.md"), markdown(number, 6, "word"));
    }
    place.reconfigure("dim = 64", "dim = 64\n[budget]\nmax_tokens = 30");
    let run = |arguments: &[&str]| {
        let mut command = program();
        command
            .args(arguments)
            .current_dir(place.path(""))
            .env("XDG_CACHE_HOME", place.path("caches"));
        let output = output_of(&mut command, "kbingest");
        (output.status.code(), String::from_utf8([output.stdout, output.stderr].concat()).unwrap())
    };
    let (code, said) = run(&["ingest"]);
    assert_eq!(code, Some(4), "{said}");
    assert!(said.contains("of 30 tokens; ") && said.contains(" chunks wait"), "{said}");
    let (_, said) = run(&["status"]);
    assert!(said.contains("kbingest resume"), "{said}");
}
