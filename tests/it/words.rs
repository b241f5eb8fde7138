//! Words as people write them: with and without accents, in another language than most of the
//! knowledge base, inside of names and of markup.

use kbingest::kb::{Query, SearchMode, Show};
use kbingest::operations::{self, Target};

use crate::support::Place;

/// A folder with forty English documents, and these.
fn place(documents: &[(&str, &str)]) -> Place {
    let place = Place::new();
    for number in 0..40 {
        let text = "The harbour is open when the tide is low and it is in the ledger";
        place
            .write(&format!("other/{number}.md"), format!("# Quay {number}\n\n{text} {number}.\n"));
    }
    for (name, text) in documents {
        place.write(name, text);
    }
    place.ingest();
    place
}

/// Returns the URIs of the text hits of `query`, best first.
fn found(place: &Place, query: &str) -> Vec<String> {
    let show = Show { limit: 60, mode: SearchMode::Text, ..Show::default() };
    let query = Query { show, ..Query::new(query) };
    let hits = operations::search(&Target::File(place.kb()), &query).unwrap().hits;
    hits.into_iter().map(|hit| hit.uri).collect()
}

#[track_caller]
fn finds(place: &Place, queries: &[&str], expected: &str) {
    for query in queries {
        assert_eq!(found(place, query), [expected], "{query}");
    }
}

#[track_caller]
fn finds_first(place: &Place, query: &str, expected: &str) {
    assert_eq!(found(place, query).first().map(String::as_str), Some(expected), "{query}");
}

#[test]
fn a_word_of_a_language_that_few_documents_are_in_is_found_as_it_is_written() {
    let place = place(&[
        (
            "de.md",
            "# Sicherung\n\nDie Sicherungen der Datenbanken werden von den Mitarbeitern geprüft.\n",
        ),
        (
            "nl.md",
            "# Reserve\n\nDe reservekopieën worden door de medewerkers van het bedrijf gemaakt.\n",
        ),
        ("short.md", "# Verfügbarkeiten\n\nVerfügbarkeiten, Wartungsfenster\n"),
        ("ru.md", "# Порты\n\nСотрудники проверяют резервные копии.\n"),
    ]);
    finds(&place, &["Sicherungen", "Datenbanken", "Mitarbeitern", "datenbank"], "de.md");
    finds(&place, &["reservekopieën", "reservekopieen", "medewerkers"], "nl.md");
    finds(&place, &["Verfügbarkeiten", "Verfugbarkeit", "Wartungsfenster"], "short.md");
    finds(&place, &["сотрудники", "копии"], "ru.md");
}

#[test]
fn accents_and_letters_that_people_exchange_make_no_difference() {
    let place = place(&[
        (
            "fr.txt",
            "La sécurité des données et les activités de la société sont pour les équipes.\n",
        ),
        (
            "pt.txt",
            "As informações e a configuração da aplicação não são públicas, e também as da situação.\n",
        ),
        ("plain.txt", "La securite des serveurs et les reseaux sont dans le batiment.\n"),
        ("ar.txt", "كُتُبُ المكتبة العربية في المدرسة وكتاب الأستاذ\n"),
        ("he.txt", "שָׁלוֹם עולם\n"),
        ("hi.txt", "ज़मीन और किताबें क़लम\n"),
        ("ja.txt", "ｶﾞｲﾄﾞを読む。りんご。\n"),
        ("ko.txt", "\u{1103}\u{1166}\u{110b}\u{1175}\u{1110}\u{1165}를 검색합니다.\n"),
        ("vi.txt", "Bến phà nằm ở bờ sông phía đông của thành phố.\n"),
    ]);
    finds(&place, &["donnees", "activites", "societe", "équipes"], "fr.txt");
    finds(&place, &["informacao", "configuracao", "situacao", "aplicação"], "pt.txt");
    finds(&place, &["réseaux", "bâtiment"], "plain.txt");
    assert_eq!(found(&place, "securite").len(), 2);
    finds(&place, &["كتب", "المدرسه", "الاستاذ"], "ar.txt");
    finds(&place, &["שלום"], "he.txt");
    finds(&place, &["जमीन", "ज़मीन", "किताबें", "कलम"], "hi.txt");
    finds(&place, &["ガイド", "リンゴ"], "ja.txt");
    finds(&place, &["데이터"], "ko.txt");
    finds(&place, &["bến", "ben pha", "phía đông"], "vi.txt");
}

#[test]
fn a_phrase_is_found_inside_of_longer_names_and_across_markup() {
    let place = place(&[
        (
            "names.md",
            "# X\n\nEdit /etc/nginx/default.conf, call v.push_back(1), billing.invoice.user_id, std::vec::Vec.\n",
        ),
        (
            "urls.md",
            "# U\n\nSee https://docs.microsoft.com/en-us/azure and [mail](mailto:me@example.org).\n",
        ),
        (
            "marks.md",
            "# Y\n\nThe [release notes](https://example.org/rn \"Title\") page, un**believ**able, caf&eacute; au lait, last\\_name.\n",
        ),
        ("footnote.md", "# Z\n\nA quick[^1] brown <b>fox</b> jumps. [Over][lazy] dogs.\n"),
        ("camel.md", "# W\n\nCall getUserName here in python 3.11.2 on 192.168.17.4.\n"),
    ]);
    let queries =
        ["\"default.conf\"", "\"push_back\"", "\"user_id\"", "\"std::vec\"", "\"nginx/default\""];
    finds(&place, &queries, "names.md");
    finds(&place, &["\"microsoft.com\"", "\"en-us\"", "\"docs.microsoft.com\""], "urls.md");
    let queries = [
        "\"release notes page\"",
        "unbelievable",
        "\"unbelievable café\"",
        "café",
        "\"last_name\"",
    ];
    finds(&place, &queries, "marks.md");
    finds(&place, &["\"quick brown fox jumps\"", "\"over dogs\""], "footnote.md");
    let queries =
        ["\"call getUserName here\"", "\"UserName\"", "\"python 3.11.2\"", "\"192.168\"", "3.11"];
    finds(&place, &queries, "camel.md");
}

#[test]
fn names_come_before_their_words() {
    let place = place(&[
        ("lit.md", "# Tools\n\nUse project-list to see them and project-run to start.\n"),
        (
            "prose.md",
            "# Plans\n\nThe project has a list; every project list entry is a project task on the list.\n",
        ),
        ("c.md", "# C guide\n\nHow to compile C.\n"),
        ("cpp.md", "# C++ guide\n\nC++ templates; C++ classes, and operator<< of streams.\n"),
        ("law.md", "# Rules\n\nSee § 5 of the bylaws 🚀.\n"),
        ("env.md", "# Setup\n\nCopy .env to the server; `a => b`.\n"),
    ]);
    finds_first(&place, "project-list", "lit.md");
    finds(&place, &["C", "\"C\""], "c.md");
    finds(&place, &["C++", "operator<<"], "cpp.md");
    finds(&place, &["§", "🚀"], "law.md");
    finds(&place, &[".env", "=>"], "env.md");
}

#[test]
fn joined_and_divided_words_are_the_same() {
    let pairs = [
        ("utf8", "UTF-8"),
        ("sha256", "SHA-256"),
        ("nodejs", "node.js"),
        ("wifi", "Wi-Fi"),
        ("email", "e-mail"),
        ("64KiB", "64 KiB"),
        ("1,234,567", "1234567"),
        ("python3", "python 3"),
    ];
    for (joined, divided) in pairs {
        let place = place(&[
            ("joined.md", &format!("# A\n\nWith {joined} inside.\n")),
            ("divided.md", &format!("# B\n\nWith {divided} inside.\n")),
        ]);
        for query in [joined, divided] {
            let mut uris = found(&place, query);
            uris.retain(|uri| !uri.starts_with("other/"));
            uris.sort_unstable();
            assert_eq!(uris, ["divided.md", "joined.md"], "{query}");
        }
    }
}

#[test]
fn chinese_is_found_in_traditional_and_simplified_characters() {
    let place = place(&[
        ("tw.md", "# 伺服器\n\n數據庫的備份在圖書館。\n"),
        ("cn.md", "# 服务\n\n软件开发和网络安全。\n"),
    ]);
    finds(&place, &["数据库", "數據庫", "图书馆", "\"备份\""], "tw.md");
    finds(&place, &["軟件開發", "网络", "網絡安全"], "cn.md");
}

#[test]
fn program_text_is_found_by_the_name_of_its_language() {
    let place = place(&[
        ("src/sums.py", "def total(values):\n    return sum(values)\n"),
        ("src/sums.rs", "fn total(values: &[u32]) -> u32 {\n    values.iter().sum()\n}\n"),
    ]);
    finds_first(&place, "total in python", "src/sums.py");
    finds_first(&place, "total in rust", "src/sums.rs");
}

#[test]
fn compounds_are_found_by_their_members() {
    let place = place(&[
        (
            "de.md",
            "# Betrieb\n\nDer Datenbankserver wird von der Benutzerverwaltung nicht erreicht, wenn er ruht.\n",
        ),
        (
            "nl.md",
            "# Werk\n\nHet gebruikersbeheer van de afdeling wordt door een medewerker gedaan.\n",
        ),
        (
            "sv.md",
            "# Drift\n\nAnvändarhanteringen och säkerhetskopior är inte klara när det är sent.\n",
        ),
        (
            "da.md",
            "# Drift\n\nBrugerhåndtering og adgangskoder er ikke med i vejledningen, når det er nat.\n",
        ),
    ]);
    finds(&place, &["Datenbank", "Server", "Verwaltung", "Benutzer", "Datenbankservern"], "de.md");
    finds(&place, &["gebruiker", "beheer"], "nl.md");
    finds(&place, &["hantering", "säkerhetskopia"], "sv.md");
    finds(&place, &["håndtering", "bruger", "adgangskode"], "da.md");
}
