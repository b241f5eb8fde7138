//! Names of programming languages by the names of files.

/// Names of files and their endings, each with the words for the language.
const LANGUAGES: &[(&[&str], &str)] = &[
    (&["bash", "sh", "zsh"], "shell bash"),
    (&["c"], "c"),
    (&["cc", "cpp", "cxx", "hh", "hpp"], "c++ cpp"),
    (&["clj", "cljs"], "clojure"),
    (&["cs"], "c# csharp"),
    (&["cu"], "cuda"),
    (&["dart"], "dart"),
    (&["dockerfile"], "docker dockerfile"),
    (&["erl"], "erlang"),
    (&["ex", "exs"], "elixir"),
    (&["fs", "fsx"], "f# fsharp"),
    (&["go"], "go golang"),
    (&["gradle", "groovy"], "groovy"),
    (&["hs"], "haskell"),
    (&["java"], "java"),
    (&["cjs", "js", "jsx", "mjs"], "javascript"),
    (&["jl"], "julia"),
    (&["kt", "kts"], "kotlin"),
    (&["lua"], "lua"),
    (&["makefile", "mk"], "make makefile"),
    (&["ml", "mli"], "ocaml"),
    (&["nim"], "nim"),
    (&["php"], "php"),
    (&["pl", "pm"], "perl"),
    (&["proto"], "protobuf"),
    (&["ps1"], "powershell"),
    (&["py", "pyi", "pyx"], "python"),
    (&["r"], "r"),
    (&["rb"], "ruby"),
    (&["rs"], "rust"),
    (&["scala"], "scala"),
    (&["sol"], "solidity"),
    (&["sql"], "sql"),
    (&["swift"], "swift"),
    (&["tf"], "terraform"),
    (&["cts", "mts", "ts", "tsx"], "typescript"),
    (&["vb"], "visual basic"),
    (&["zig"], "zig"),
];

/// Returns the words for the programming language of the file that `uri` names, or an empty text.
pub fn language_words(uri: &str) -> &'static str {
    let name = uri.rsplit('/').next().unwrap_or_default();
    let ending = name.rsplit('.').next().unwrap_or_default().to_ascii_lowercase();
    let language = LANGUAGES.iter().find(|(endings, _)| endings.contains(&&*ending));
    language.map_or("", |(_, words)| words)
}
