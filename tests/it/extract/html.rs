//! HTML to Markdown: what counts as content, and how it is converted.

use kbingest::domain::MediaType;
use kbingest::extract::html::{Options, Page, Selector, convert};

use super::extract;

fn page(html: &str) -> Page {
    convert("a.html", html.into(), &Options::default()).unwrap()
}

fn markdown(html: &str) -> String {
    page(html).markdown
}

#[test]
fn blocks_become_markdown() {
    let check =
        |html: &str, expected: &str| assert_eq!(markdown(html).trim_end(), expected, "{html}");
    check("<h1>A <em>b</em></h1><h3>C</h3>", "# A *b*\n\n### C");
    check("<p>one\n two<p>three<br>four", "one two\n\nthree  \nfour");
    check("text<div>block</div>more", "text\n\nblock\n\nmore");
    check("<ul><li>a<li>b<ul><li>c</ul></ul>", "- a\n- b\n  - c");
    check("<ol start=3><li><p>a</p><li><p>b</p><p>c</p></ol>", "3. a\n\n4. b\n\n   c");
    check("<ul><li>a</li><ul><li>b</li></ul></ul>", "- a\n- - b");
    check("<dl><dt>term<dd>meaning</dl>", "**term**\n\nmeaning");
    check("<blockquote><p>a</p><ul><li>b</ul></blockquote>c", "> a\n>\n> - b\n\nc");
    check("a<hr>b", "a\n\n---\n\nb");
    check("<p># no heading</p><p>1. no item</p>", "\\# no heading\n\n1\\. no item");
    check("<details><summary>S</summary>T</details>", "S\n\nT");
}

#[test]
fn code_keeps_its_lines_and_its_language() {
    let check =
        |html: &str, expected: &str| assert_eq!(markdown(html).trim_end(), expected, "{html}");
    check("<pre>\n a &lt; b\n\n  c\n</pre>", "```\n a < b\n\n  c\n```");
    check("<pre><code class='language-rust'>fn</code></pre>", "```rust\nfn\n```");
    check("<div class='highlight-python'><div><pre>x</pre></div></div>", "```python\nx\n```");
    check("<pre class='sourceCode sh'>a<br>b</pre>", "```sh\na\nb\n```");
    check("<pre class='rust'><code>x</code></pre>", "```rust\nx\n```");
    check("<pre>```</pre>", "````\n```\n````");
    check(
        "<table class=highlighttable><tr><td class=linenos><pre>1</pre><td><pre>x</pre></table>",
        "```\nx\n```",
    );
    check("a <code>b  `c</code> d", "a ``b `c`` d");
}

#[test]
fn what_stands_in_a_line() {
    let check =
        |html: &str, expected: &str| assert_eq!(markdown(html).trim_end(), expected, "{html}");
    check("a <b> b </b>c <i>d</i>, e", "a **b** c *d*, e");
    check("a<b> b</b><a href=x> l</a>", "a **b** [l](x)");
    check("un<b>break</b>able", "unbreakable");
    check("<a href='x y.html'>link</a>", "[link](<x y.html>)");
    check("<a href=x><b>l</b></a> <a href='#n'>here</a>", "[**l**](x) here");
    check("<a href='javascript:x()'>do</a>", "do");
    check(
        "<a href='https://www.google.com/url?q=https://a.org/&sa=D'>a</a>",
        "[a](https://a.org/)",
    );
    check("<h2>T<a class=headerlink href='#t'>¶</a></h2>", "## T");
    check("<img src=a.png alt='A pic'><img src=b.png>", "![A pic](a.png)");
    check("<img src='data:image/png;base64,AAAA' alt=x>", "![x]()");
    check("<input type=checkbox checked>done", "[x] done");
    check("&lt;b&gt; &amp;lt; snake_case", "\\<b> \\&lt; snake_case");
    check("<math alttext='x^2'><mi>x</mi></math>", "$x^2$");
    check("x<script>var a</script><style>b{}</style><svg><text>c</text></svg>y", "xy");
}

#[test]
fn tables_become_tables_unless_they_are_layout() {
    let check =
        |html: &str, expected: &str| assert_eq!(markdown(html).trim_end(), expected, "{html}");
    check(
        "<table><caption>C</caption><tr><th>a<th>b|c<tr><td>1<td>2<br>3</table>",
        "C\n\n| a | b\\|c |\n| --- | --- |\n| 1 | 2 3 |",
    );
    check(
        "<table><tr><td rowspan=2>a<td>b<tr><td>c<tr><td colspan=2>d</table>",
        "| a | b |\n| --- | --- |\n| a | c |\n| d | d |",
    );
    check("<table><tr><td>one</td></tr><tr><td>two</td></tr></table>", "one\n\ntwo");
    check("<table>stray<tr><td>a<td>b</table>", "stray\n\n| a | b |\n| --- | --- |");
    check("<table><tr><td><h2>H</h2><td>text</table>", "## H\n\ntext");
    check(
        "<table><tr><td>a<td><table><tr><td>b<td>c</table></table>",
        "a\n\n| b | c |\n| --- | --- |",
    );
}

#[test]
fn broken_nesting_loses_no_text() {
    let check =
        |html: &str, expected: &str| assert_eq!(markdown(html).trim_end(), expected, "{html}");
    check("<div><b>a<div>b</b>c</div>d</div>e", "a\n\nbc\n\nd\n\ne");
    check("</div></p>a</body>b", "ab");
    check("<p>a<table><tr><td>b</p>c<td>d</table>", "a\n\n| bc | d |\n| --- | --- |");
    check("<a href=x>a<div>b</a>c</div>d", "a\n\nbc\n\nd");
    check("<ul>a<li>b</ul>c", "- b\n\nc");
    check("a<", "a<");
    check("<!-- x", "");
}

#[test]
fn the_main_content_is_found() {
    let words = "word ".repeat(40);
    let check = |html: &str, expected: &str| {
        let expected = expected.replace('W', words.trim());
        assert_eq!(markdown(&html.replace('W', &words)).trim_end(), expected, "{html}");
    };
    check("<nav>n</nav><div>W</div><main><h1>M</h1></main>", "# M");
    check("<div>x</div><div role=main>M<nav>n</nav></div>", "M");
    check("<body><header>h</header><div>W</div><footer>f</footer>", "W");
    check("<div role=contentinfo>c</div><p>W</p>", "W");
    check("<main><p>W</p><div role=contentinfo>M</div></main>", "W\n\nM");
    check("<img src=l alt=logo><h1>T</h1><img src=p alt=pic>", "# T\n\n![pic](p)");
    check("<article>teaser</article><p>W</p>", "teaser\n\nW");
    check("<div class=menu>m</div><article>W</article><p>x</p>", "W");
    check("<article>W</article><article>W</article><div>x</div>", "W\n\nW");
    check("<article><header><h1>T</h1></header>W</article>", "# T\n\nW");
    check("<div class=navheader>n</div><p>W</p><p hidden>h<p style='display:none'>i", "W");
    let options = Options {
        content: &[Selector::parse("#c").unwrap()],
        leave_out: &[Selector::parse(".x").unwrap()],
        resolve: Some(&|href| format!("https://example.org/{href}")),
        ..Options::default()
    };
    let html = "<main>m</main><div id=c><a href=a>l</a><p class=x>x</p></div>";
    let page = convert("a.html", html.into(), &options).unwrap();
    assert_eq!(page.markdown, "[l](https://example.org/a)\n");
}

#[test]
fn headings_keep_the_fragments_that_link_to_them() {
    let html = "<h1 id=top>T</h1><p>é</p><ul><li><h2><a name=sub></a>S</h2></ul>\
                <section id=sec><div><h2>U</h2></div><h3>V</h3></section>";
    let page = page(html);
    let anchors: Vec<_> = page
        .anchors
        .iter()
        .map(|(at, name)| (page.markdown[*at..].lines().next().unwrap(), name.as_str()))
        .collect();
    assert_eq!(anchors, [("# T", "top"), ("- ## S", "sub"), ("## U", "sec")]);
}

#[test]
fn pages_say_what_they_are() {
    let html = "<html lang=de-DE><title> A\n b </title><meta name=author content='Ada'>\
                <meta name=robots content='noindex, x'><link rel='canonical' href='/c'>\
                <base href='https://example.org/'><body>x";
    let page = page(html);
    let facts = &page.facts;
    assert_eq!(page.title.as_deref(), Some("A b"));
    assert_eq!(facts.canonical.as_deref(), Some("/c"));
    assert_eq!(facts.base.as_deref(), Some("https://example.org/"));
    assert_eq!((facts.robots.noindex, facts.robots.nofollow), (true, false));
    let extracted = extract("dir/page.HTM", html).unwrap();
    assert_eq!((extracted.title.as_str(), extracted.media_type), ("A b", MediaType::Markdown));
    insta::assert_snapshot!(serde_json::to_string(&extracted.metadata).unwrap(),
        @r#"{"author":"Ada","canonical":"/c","language":"de-DE"}"#);
    assert_eq!(extract("a.html", "<p>x<h1>Head").unwrap().title, "Head");
    assert_eq!(extract("dir/a-b.html", "<p>x").unwrap().title, "a-b");
}

#[test]
fn declared_encodings_are_believed_unless_the_bytes_are_utf8() {
    let check = |bytes: &[u8], charset: Option<&str>, text: &str, encoding: &str| {
        let options = Options { charset, ..Options::default() };
        let page = convert("a.html", bytes.into(), &options).unwrap();
        assert_eq!((page.markdown.trim(), page.encoding.as_str()), (text, encoding));
    };
    let meta = b"<meta charset=koi8-r><p>\xf0\xc5\xd2\xd7\xd9\xca";
    check(meta, None, "Первый", "koi8-r");
    check(b"<p>\xcf\xe5\xf0\xe2\xfb\xe9", Some("windows-1251"), "Первый", "windows-1251");
    check("<meta charset=latin1><p>Первый".as_bytes(), Some("ascii"), "Первый", "utf-8");
}

#[test]
fn hostile_pages_are_linear() {
    // Each is 200 kB; a quadratic step in any of them takes minutes.
    let times = |part: &str| part.repeat(200_000 / part.len());
    for html in [
        times("<div>"),
        times("<b>"),
        times("<table><tr><td>"),
        times("<ul><li>"),
        times("<p><b><i>x"),
        times("<a href=x>"),
        times("<blockquote>x"),
        times("</p>"),
        times("<svg><title>"),
        times("&amp;"),
        times("<![CDATA["),
        times("<!--"),
        format!("<p {}>x", times("a=b ")),
        format!("<p {}>x", (0..30_000).map(|n| format!("a{n} ")).collect::<String>()),
        format!("<table>{}</table>", times("<tr><td colspan=1000 rowspan=1000>x")),
        format!("{}{}", times("<i>"), times("</b>")),
        format!("<pre>{}", times("<span>")),
    ] {
        let _ = convert("a.html", html.into(), &Options::default());
    }
}
