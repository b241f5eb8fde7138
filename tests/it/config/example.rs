//! kb.example.toml names every key with its default, in comments if it is not needed.

use std::path::Path;

use kbingest::config::{Config, ConfigError};

use super::folder;

fn example() -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("kb.example.toml")).unwrap()
}

/// Loads `text` as kb.toml beside a folder `docs`.
fn load(text: &str) -> Result<Config, ConfigError> {
    let folder = folder();
    let path = folder.path().join("kb.toml");
    std::fs::write(&path, text).unwrap();
    Config::load(&path).map(|mut config| {
        config.kb = config.kb.strip_prefix(folder.path()).unwrap().to_owned();
        config
    })
}

/// Removes `# ` from settings in comments.
fn uncommented(text: &str) -> String {
    let is_setting = |line: &str| {
        let is_key =
            |key: &str| !key.is_empty() && key.chars().all(|c| c.is_alphabetic() || c == '_');
        (line.starts_with('[') && line.ends_with(']') && !line.contains(' '))
            || line.split_once(" = ").is_some_and(|(key, _)| is_key(key))
    };
    let line = |line: &str| match line.strip_prefix("# ") {
        Some(setting) if is_setting(setting) => format!("{setting}\n"),
        _ => format!("{line}\n"),
    };
    text.lines().map(line).collect()
}

/// Returns the settings of the example, those in comments too, with one of the tables of models and
/// one of rerankers.
fn with_model(table: &str) -> String {
    let settings = uncommented(&example());
    let blocks = settings.split("\n[").enumerate();
    let is_other = |block: &str| {
        (block.starts_with("embed.") && !block.starts_with(table))
            || block.starts_with("search.rerank.onnx")
    };
    let kept = blocks.filter(|(_, block)| !is_other(block));
    let text =
        |(index, block)| if index == 0 { String::from(block) } else { format!("\n[{block}") };
    kept.map(text).collect()
}

/// Returns every setting that the program knows, such as `chunk.max_tokens`, and every table
/// without one.
/// The program itself is asked: its error for an unknown key names all keys of the table.
fn known_settings() -> Vec<String> {
    let mut known = Vec::new();
    let mut tables: Vec<(String, String)> = vec![(String::new(), String::new())];
    while let Some((name, header)) = tables.pop() {
        let Some(keys) = keys_of_table(&header) else { panic!("{name} is no table") };
        if keys.is_empty() {
            known.push(name.clone());
        }
        for key in keys {
            let path = if name.is_empty() { key } else { format!("{name}.{key}") };
            let headers = [format!("[{path}]"), format!("[[{path}]]")];
            match headers.into_iter().find(|header| keys_of_table(header).is_some()) {
                Some(header) => tables.push((path, header)),
                None => known.push(path),
            }
        }
    }
    known.sort();
    known
}

/// Returns the keys of the table with this header; `None` if there is no such table.
fn keys_of_table(header: &str) -> Option<Vec<String>> {
    let error = load(&format!("{header}\nzzz = 0\n")).expect_err("`zzz` is no key");
    let ConfigError::Wrong { problems, .. } = error else { panic!("{error}") };
    let message = problems[0].message.strip_prefix("unknown key `zzz`, ")?;
    Some(message.split('`').skip(1).step_by(2).map(str::to_owned).collect())
}

/// Returns every setting of `text` and every table without one, as [`known_settings`] does.
fn settings_of(text: &str) -> Vec<String> {
    fn walk(path: &str, value: &toml::Value, settings: &mut Vec<String>) {
        match value {
            toml::Value::Table(table) if !table.is_empty() => {
                for (key, value) in table {
                    let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                    walk(&path, value, settings);
                }
            }
            toml::Value::Array(tables) if tables.iter().any(toml::Value::is_table) => {
                tables.iter().for_each(|table| walk(path, table, settings));
            }
            _ => settings.push(path.to_owned()),
        }
    }
    let mut settings = Vec::new();
    walk("", &toml::Value::Table(toml::from_str(text).unwrap()), &mut settings);
    settings.sort();
    settings
}

#[test]
fn the_example_loads_as_it_is() {
    let config = load(&example()).unwrap();
    assert_eq!(config.source.directory.len(), 1);
    assert_eq!(config.kb, Path::new("kb.kb"));
}

#[test]
fn the_example_names_every_setting() {
    let known = known_settings();
    assert!(known.contains(&"source.directory.max_file_size".to_owned()), "{known:?}");
    assert!(known.contains(&"embed.builtin".to_owned()), "{known:?}");
    assert_eq!(settings_of(&uncommented(&example())), known);
}

#[test]
fn what_the_example_has_in_comments_is_right_too() {
    assert!(load(&with_model("embed.hash")).unwrap().embed.hash.is_some());
    assert!(load(&with_model("embed.http")).unwrap().embed.http.is_some());
    assert!(load(&with_model("embed.http")).unwrap().search.rerank.unwrap().http.is_some());
}

/// Loaded settings as text, without values that depend on the file itself.
fn shown(config: &Config) -> String {
    let mut config =
        Config { hash: String::new(), base: "".into(), path: "".into(), ..config.clone() };
    config.trust_hash.clear();
    config.extract.base = None;
    let debug = format!("{config:?}");
    let mut parts = debug.split("span: ");
    let mut text = parts.next().unwrap().to_owned();
    for part in parts {
        text.push_str(part.split_once(',').unwrap().1);
    }
    text
}

/// Removes each setting of the example in turn: the rest means the same, or is refused because the
/// setting is required.
#[test]
fn the_example_shows_the_defaults() {
    const REQUIRED: [&str; 10] = [
        "name = ",
        "path = ",
        "id = ",
        "text = ",
        "match = ",
        "run = ",
        "url = ",
        "start_urls = ",
        "model = ",
        "dim = 1536",
    ];
    let is_required = |line: &str| {
        // Those of the knowledge base itself.
        let is_optional = ["path = \"kb.kb\"", "name = \"\""].contains(&line);
        !is_optional && REQUIRED.iter().any(|required| line.starts_with(required))
    };
    for text in [example(), with_model("embed.hash"), with_model("embed.http")] {
        let whole = shown(&load(&text).unwrap());
        let settings = text.lines().filter(|line| line.contains(" = ") && !line.starts_with('#'));
        for line in settings {
            // Its default cannot be written.
            if line.starts_with("max_delete") || line.starts_with("cache = ") {
                continue;
            }
            let loaded = load(&text.replace(&format!("{line}\n"), ""));
            if is_required(line) {
                assert!(loaded.is_err(), "{line} is not required");
            } else {
                assert_eq!(shown(&loaded.unwrap()), whole, "{line} is not the default");
            }
        }
    }
}

/// A comment directly above each setting and table.
#[test]
fn the_example_explains_every_setting() {
    let text = example();
    let settings = uncommented(&text);
    let mut commented = false;
    for (line, setting) in text.lines().zip(settings.lines()) {
        let is_setting = setting.contains(" = ") && !setting.starts_with('#');
        assert!(!is_setting || commented, "no comment above {line}");
        commented = setting.starts_with("# ");
    }
}
