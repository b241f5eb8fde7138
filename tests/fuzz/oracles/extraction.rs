//! Text of any bytes: UTF-8 documents keep their bytes, and titles fit on a line.

use kbingest::extract::{TITLE_CHARS_MAX, extractor};

/// Extracts `data` as each kind of document that is already text.
pub fn extraction_holds(data: &[u8]) {
    for uri in ["a.md", "b.txt", "c.rs", "d"] {
        let extract = || extractor(uri).extract(uri, data.to_vec());
        match (extract(), std::str::from_utf8(data)) {
            (Ok(extracted), text) => {
                let title = &extracted.title;
                assert!(!title.trim().is_empty() && !title.contains('\n'), "{title:?}");
                assert!(title.chars().count() <= TITLE_CHARS_MAX, "{title:?}");
                let is_other = !["utf-8", "utf-8-bom"].contains(&extracted.encoding.as_str());
                // UTF-16 without a mark and ISO-2022-JP are UTF-8, too.
                if let (Ok(text), false) = (text, is_other) {
                    assert_eq!(extracted.text, text, "spans would not be those of the file");
                }
                let again = extract().expect("it worked before");
                assert_eq!(again, extracted, "extracted otherwise the second time");
            }
            (Err(error), _) => {
                assert!(error.to_string().starts_with(uri), "{error}");
                assert_eq!(extract().expect_err("it failed before").to_string(), error.to_string());
            }
        }
    }
}
