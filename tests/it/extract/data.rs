//! Data rendered by path, and light markup that is read line by line.

use kbingest::extract::{ExtractConfig, Extracted, Extraction};

use crate::support::corpora;

fn extracted(uri: &str, bytes: impl Into<Vec<u8>>) -> Extracted {
    let attempt = Extraction::open(&ExtractConfig::default(), None).extract(uri, bytes.into());
    attempt.result.unwrap_or_else(|error| panic!("{uri}: {error}"))
}

#[test]
fn data_is_told_by_path() {
    let check = |uri: &str, text: &str, expected: &str| {
        assert_eq!(extracted(uri, text).text, expected, "{text}");
    };
    let json = "{\"title\": \"Settings\", \"pump\": {\"limits\": {\"bar\": 2.50, \"on\": true}}}";
    check("a.json", json, "- title: Settings\n\n# pump\n\n## limits\n\n- bar: 2.50\n- on: true\n");
    assert_eq!(extracted("a.json", json).title, "Settings");
    check(
        "a.jsonl",
        "{\"a\": 1, \"b\": \"x|y\"}\n{\"a\": 2, \"b\": null}\n",
        "| a | b |\n| --- | --- |\n| 1 | x\\|y |\n| 2 | null |\n",
    );
    check(
        "pom.xml",
        "<project><name>x</name><parent><id>y</id></parent></project>",
        "# project\n\n- name: x\n\n## parent\n\n- id: y\n",
    );
    // What is not data stays unchanged, to the byte.
    for (uri, text) in [
        ("a.json", "{\"a\": 1,}\n"),
        ("a.json", "42\n"),
        ("a.json", "// comment\n{}\n"),
        ("a.jsonl", "{}\nno\n"),
        ("a.xml", "<doc><para>Some <em>words</em>.</para></doc>"),
        ("a.yaml", "# why\na:\n  b: 1\n"),
        ("a.toml", "# why\n[a]\nb = 1\n"),
    ] {
        check(uri, text, text);
    }
    let deep = format!("{}1{}", "[".repeat(5000), "]".repeat(5000));
    check("a.json", &deep, &deep);
}

/// Every file of JSONTestSuite: nothing panics, and valid files keep their values.
#[test]
#[ignore = "needs KBINGEST_CORPORA"]
fn any_json_is_told_or_left_alone() {
    let mut seen = 0;
    for entry in std::fs::read_dir(corpora("formats/JSONTestSuite")).unwrap().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let bytes = std::fs::read(entry.path()).unwrap();
        let attempt = Extraction::open(&ExtractConfig::default(), None).extract(&name, bytes);
        match attempt.result {
            Ok(_) => {}
            Err(error) if name.starts_with("y_") => panic!("{error}"),
            // Not text at all.
            Err(error) => assert!(!error.to_string().contains("internal error"), "{error}"),
        }
        seen += 1;
    }
    assert!(seen > 300, "{seen} files");
}

#[test]
fn latex_becomes_markdown() {
    let text = "\\documentclass{article}\n\\usepackage{x}\n\\title{On \\emph{Tides}}\n\\author{Ada}\n\\begin{document}\n\
        \\maketitle\n\\section{Moon}\\label{m}\nIt pulls. % really\n\n\\begin{itemize}\n\\item one\n\\begin{enumerate}\n\
        \\item inner\n\\end{enumerate}\n\\item two\n\\end{itemize}\n\\begin{lstlisting}[language=C]\nint a; % kept\n\\end{lstlisting}\n\
        \\begin{equation}\nE = mc^2\n\\end{equation}\n\\begin{tabular}{ll}\n\\hline\na & b \\\\ \\hline\n1 \\& 2 & 3 \\\\\n\\end{tabular}\n\
        \\end{document}\n";
    let document = extracted("a.tex", text);
    assert_eq!(
        (document.title.as_str(), &document.metadata["author"]),
        ("On *Tides*", &"Ada".into())
    );
    insta::assert_snapshot!(document.text, @r"
    ## Moon

    It pulls.

    - one
       1. inner
    - two

    ```C
    int a; % kept
    ```

    ```latex
    E = mc^2
    ```

    | a | b |
    | --- | --- |
    | 1 & 2 | 3 |
    ");
    // Braces that never close take hardly any time, at any length.
    for part in
        ["\\emph{", "\\cite[", "\\verb|", "\\begin{", "\\section[", "\\'{", "\\c{", "\\item", "\\["]
    {
        extracted("a.tex", part.repeat(100_000));
    }
}

/// A message with a file and a message attached, made by the same library that reads it.
#[cfg(feature = "office")]
#[test]
fn what_is_attached_to_outlook_messages_is_read() {
    use std::io::{Cursor, Write};
    let mut file = cfb::CompoundFile::create(Cursor::new(Vec::new())).unwrap();
    let utf16 = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>();
    let attached = "/__attach_version1.0_#00000000";
    let message = "/__attach_version1.0_#00000001/__substg1.0_3701000D";
    file.create_storage_all(attached).unwrap();
    file.create_storage_all(message).unwrap();
    // The time at which it was sent is a value of fixed size, after a header of 32 bytes.
    let mut properties = vec![0; 32];
    properties.extend([0x40, 0, 0x39, 0, 6, 0, 0, 0]);
    properties.extend(133_497_936_000_000_000_u64.to_le_bytes());
    let streams: [(String, Vec<u8>); 10] = [
        ("/__properties_version1.0".into(), properties),
        ("/__substg1.0_5D01001F".into(), utf16("ada@example.org")),
        ("/__substg1.0_1035001F".into(), utf16("<1@example.org>")),
        ("/__substg1.0_0037001F".into(), utf16("Tides")),
        ("/__substg1.0_0C1A001F".into(), utf16("Ada")),
        ("/__substg1.0_1000001F".into(), utf16("See the table.\r\n")),
        (format!("{attached}/__substg1.0_3707001F"), utf16("tides.csv")),
        (format!("{attached}/__substg1.0_37010102"), b"port,m\nBrest,7\n".to_vec()),
        (format!("{message}/__substg1.0_0037001F"), utf16("Older")),
        (format!("{message}/__substg1.0_1000001F"), utf16("Inner words.")),
    ];
    for (path, bytes) in streams {
        file.create_stream(path).unwrap().write_all(&bytes).unwrap();
    }
    let document = extracted("a.msg", file.into_inner().into_inner());
    assert_eq!(
        document.text,
        "# Tides\n\n**From:** ada@example.org (Ada)  \n**Message-ID:** 1@example.org  \n\
         **Attachments:** tides.csv\n\nSee the table.\n\n## Attachment: tides.csv\n\n\
         | port | m |\n| --- | --- |\n| Brest | 7 |\n\n## Older\n\nInner words.\n"
    );
    insta::assert_snapshot!(serde_json::to_string(&document.metadata).unwrap(),
        @r#"{"attachments":["tides.csv"],"author":"Ada <ada@example.org>","date":"2024-01-15T12:00:00Z","message_id":"1@example.org","subject":"Tides"}"#);
}

#[test]
fn markup_keeps_its_words() {
    let check = |uri: &str, text: &str, expected: &str| {
        assert_eq!(extracted(uri, text).text.trim_end(), expected, "{text}");
    };
    check(
        "a.rst",
        "Before.\n\n.. only:: html\n\n   Zebra.\n\nAfter.\n",
        "Before.\n\nZebra.\n\nAfter.",
    );
    check(
        "a.tex",
        "Use \\textcolor{red}{okapi}, \\unknown{one}{two}; \\texttt{a\\_b}.",
        "Use okapi, one two; `a_b`.",
    );
    check("a.tex", "\\newcommand{\\x}[1]{the #1}\n\\x{gnu}", "the gnu");
    let long = "\\begin{longtable}[]{@{}\n >{\\raggedright}p{(\\columnwidth) * \\real{0.5}}\n l@{}}\n\\toprule\na & b \\\\[2pt]\n\\cmidrule(lr){1-2}\nc & d \\\\ \\endhead\n\\end{longtable}\n";
    check("a.tex", long, "| a | b |\n| --- | --- |\n| c | d |");
    check(
        "a.tex",
        "\\begin{tabular}{ll}\\multicolumn{2}{c}{gnu} \\\\ a & b\\\\ \\end{tabular}",
        "| gnu |  |\n| --- | --- |\n| a | b |",
    );
    let html = |inside: &str| format!("<html><body><main><p>{inside}</p></main></body></html>");
    for (inside, expected) in [
        ("10<sup>6</sup> cells", "10^6^ cells"),
        ("H<sub>2</sub>O, x<sub>max</sub>", "H₂O, x~max~"),
        ("the 1<sup>st</sup> of May, Word<sup>TM</sup>", "the 1st of May, WordTM"),
        ("e<sup>x</sup>", "e^x^"),
        (
            "<math><msup><mi>x</mi><mn>2</mn></msup><mfrac><mn>1</mn><mn>2</mn></mfrac></math>",
            "$x^{2}\\frac{1}{2}$",
        ),
    ] {
        check("a.html", &html(inside), expected);
    }
    let notebook =
        |cells: &str| format!("{{\"cells\":[{cells}],\"metadata\":{{}},\"nbformat\":4}}");
    let output = |data: &str| {
        notebook(&format!(
            "{{\"cell_type\":\"code\",\"source\":\"m\",\"outputs\":[{{\"output_type\":\"display_data\",\"data\":{{{data},\"text/plain\":\"<object>\"}}}}]}}"
        ))
    };
    for (data, expected) in [
        ("\"text/markdown\":[\"**kudu**\"]", "**kudu**"),
        (
            "\"text/html\":\"<table><tr><th>a</th><th>b</th></tr><tr><td>1</td><td>2</td></tr></table>\"",
            "| a | b |\n| --- | --- |\n| 1 | 2 |",
        ),
        ("\"text/latex\":\"$x$\"", "$x$"),
        ("\"image/png\":\"AAAA\"", "```text\n<object>\n```"),
    ] {
        check("a.ipynb", &output(data), &format!("```python\nm\n```\n\n{expected}"));
    }
    let cells = "{\"cell_type\":\"markdown\",\"source\":\"~~~py\\nx=1\"},{\"cell_type\":\"markdown\",\"source\":\"# Next\"}";
    check("a.ipynb", &notebook(cells), "~~~py\nx=1\n~~~\n\n# Next");
}
