//! The settings that decide what the pages of a site come to, as a hash that is stored with each
//! page.

use super::config::WebConfig;
use crate::support::quoted::{self, quoted};

/// Returns a hash of the settings that decide which pages there are, and what is extracted from
/// them.
pub(super) fn hash(config: &WebConfig) -> String {
    let [start_urls, include, exclude, drop, keep, content, remove] = [
        &config.start_urls,
        &config.include,
        &config.exclude,
        &config.drop_parameters,
        &config.keep_parameters,
        &config.content_selectors,
        &config.remove_selectors,
    ]
    .map(|values| quoted::list(values.iter().map(|value| value.get_ref().as_str())));
    let (prefix, agent) =
        (quoted(config.url_prefix.get_ref()), quoted(config.user_agent.get_ref()));
    let WebConfig { max_depth, same_host, max_per_folder, respect_robots, prefer_markdown, .. } =
        config;
    let max_page_size = config.max_page_size.get_ref().0;
    let metadata = match config.metadata.is_empty() {
        true => String::new(),
        false => format!(", {:?}", config.metadata),
    };
    let skip_if = match config.skip_if.as_slice() {
        [] => String::new(),
        conditions => {
            let conditions = conditions.iter().map(|condition| condition.get_ref().as_str());
            format!(", skip_if {}", quoted::list(conditions))
        }
    };
    // Another form would fetch every page of every site again.
    let decisive = format!(
        "([{start_urls}, {include}, {exclude}], [{drop}, {keep}], [{content}, {remove}], \
         ({prefix}, {max_depth}, {same_host}), ({max_per_folder}, {agent}), \
         ({respect_robots}, {prefer_markdown}, {max_page_size}){metadata}{skip_if})"
    );
    blake3::hash(decisive.as_bytes()).to_hex()[..16].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_those_stored_in_files() {
        let check = |table: &str, expected: &str| {
            let config: WebConfig = toml::from_str(table).unwrap();
            assert_eq!(hash(&config), expected);
        };
        check(
            r#"
name = "site"
start_urls = ["http://127.0.0.1:18765/"]
exclude = ["private \"quoted\"/**", "tab\t/é"]
keep_parameters = ["id"]
remove_selectors = ["div.ad"]
"#,
            "1c29944fb3df3e6e",
        );
    }
}
