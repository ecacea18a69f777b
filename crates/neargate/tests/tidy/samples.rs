//! Bad samples for every check, and good ones that look bad.

use super::repository::{Finding, Repository};
use super::source::code_only;
use super::{
    circles, doc_comments, documents, errors, imports, names, one_build, prose, reach, shape,
    weight,
};

fn lines(found: &[Finding]) -> Vec<usize> {
    found.iter().map(|finding| finding.line).collect()
}

/// A function of this many lines, braces included.
fn function(lines: usize) -> String {
    format!("fn long() {{\n{}}}\n", "    work();\n".repeat(lines - 2))
}

#[test]
fn code_is_what_is_left_without_comments_and_literals() {
    let table = [
        ("a // fn\nb", "a b"),
        ("/* { /* fn */ } */x", "x"),
        (r#"f("}\"{")"#, "f( )"),
        (r###"r#"fn "{"#;"###, ";"),
        (r#"b"{" br"\" c"}""#, ""),
        (r"'{' '\'' b'}'", ""),
        ("fn f<'a>(x: &'a str)", "fn f<'a>(x: &'a str)"),
        ("r#fn", "r#fn"),
    ];
    for (text, code) in table {
        let got = code_only(text);
        assert_eq!(got.chars().count(), text.chars().count(), "{text}");
        let words: Vec<&str> = got.split_whitespace().collect();
        assert_eq!(words.join(" "), code, "{text}");
    }
}

#[test]
fn a_function_of_71_lines_is_found_and_one_of_70_is_not() {
    assert_eq!(shape::long_functions("a.rs", &function(70)), []);
    let found = shape::long_functions("a.rs", &format!("\n{}", function(71)));
    assert_eq!(lines(&found), [2]);
    assert!(
        found[0]
            .to_string()
            .starts_with("a.rs:2: `long` has 71 lines"),
        "{}",
        found[0]
    );
}

#[test]
fn braces_in_text_do_not_end_a_function_and_pointer_types_are_none() {
    let text = format!(
        "type F = fn(u8);\ntrait T {{ fn g(x: [u8; 3]); }}\n{}",
        function(71).replacen("work()", "s(\"}}\")", 1)
    );
    assert_eq!(lines(&shape::long_functions("a.rs", &text)), [3]);
    let nested = format!("mod m {{\nimpl X {{\n{}}}\n}}\n", function(80));
    assert_eq!(lines(&shape::long_functions("a.rs", &nested)), [3]);
}

#[test]
fn a_file_of_501_lines_is_found() {
    assert_eq!(shape::long_file("a.rs", &"x\n".repeat(500)), []);
    assert_eq!(shape::long_file("a.rs", &"x\n".repeat(501)).len(), 1);
}

#[test]
fn a_file_without_words_at_its_top_is_found() {
    for good in [
        "//! Purpose.\n",
        "#![no_main]\n//! Purpose.\n",
        "\n//! Purpose.",
    ] {
        assert_eq!(shape::no_module_docs("a.rs", good), [], "{good}");
    }
    for bad in [
        "",
        "use x;\n//! Late.\n",
        "// Not this.\n",
        "//!\n",
        "/// Nor this.\n",
    ] {
        assert_eq!(shape::no_module_docs("a.rs", bad).len(), 1, "{bad}");
    }
}

#[test]
fn doc_comments_of_one_or_two_words_are_found() {
    for (text, at) in [
        ("/// Its name.\nname: String,\n", vec![1]),
        ("struct A {\n    /// `GET /`\n    b: u8,\n}\n", vec![2]),
        ("///\nfn a() {}\n", vec![1]),
        ("/// Two\n/// lines here.\nfn a() {}\n", vec![]),
        (
            "// Not this.\n//! Nor this.\nlet a = 1; /// Nor it.\n",
            vec![],
        ),
        (
            "/// The verb.\n#[derive(Debug, Args)]\nstruct A {\n    /// Its name\n    b: u8,\n}\n",
            vec![],
        ),
        (
            "#[derive(Args)]\nstruct A {\n}\n/// Its name.\nstruct B;\n",
            vec![4],
        ),
    ] {
        assert_eq!(lines(&doc_comments::short("a.rs", text)), at, "{text}");
    }
}

#[test]
fn every_wrong_direction_is_found() {
    let table = [
        ("crates/core/src/a.rs", "use neargate_near::x;", 1),
        ("crates/core/tests/a.rs", "neargate_router::run()", 1),
        ("crates/near/src/a.rs", "use neargate_far::x;", 1),
        ("crates/far/src/a.rs", "use neargate_near::x;", 1),
        ("crates/router/src/a.rs", "use neargate_near::x;", 1),
        ("crates/new/src/a.rs", "use neargate_core::x;", 1),
        ("apps/notes/src/a.rs", "use neargate_core::x;", 1),
        (
            "crates/near/src/a.rs",
            "use neargate_core::x; // neargate_far",
            0,
        ),
        (
            "crates/neargate/src/a.rs",
            "use neargate_near::x; use neargate_far::y;",
            0,
        ),
        ("crates/near/src/a.rs", "let name = \"neargate_far\";", 0),
    ];
    for (path, text, count) in table {
        assert_eq!(
            imports::in_source(path, text).len(),
            count,
            "{path}: {text}"
        );
    }
}

#[test]
fn every_wrong_dependency_is_found() {
    let table = [
        (
            "crates/core/Cargo.toml",
            "[dev-dependencies]\nneargate-near.workspace = true",
            1,
        ),
        (
            "crates/near/Cargo.toml",
            "neargate-far = { path = \"../far\" }",
            1,
        ),
        (
            "crates/near/Cargo.toml",
            "name = \"neargate-near\"\nneargate-core.workspace = true",
            0,
        ),
        (
            "Cargo.toml",
            "neargate-near = { path = \"crates/near\" }",
            0,
        ),
    ];
    for (path, text, count) in table {
        assert_eq!(
            imports::in_manifest(path, text).len(),
            count,
            "{path}: {text}"
        );
    }
}

#[test]
fn put_off_work_is_found_in_code_and_prose() {
    let mark = ["TO", "DO"].concat();
    for (path, text, count) in [
        ("a.rs", format!("x(); // {mark}: later"), 1),
        ("a.md", format!("{}: this", ["FIX", "ME"].concat()), 1),
        ("a.rs", ["to", "do!(\"later\")"].concat(), 1),
        ("a.rs", ["core::unimple", "mented!()"].concat(), 1),
        ("a.rs", ["#[ign", "ore = \"slow\"]"].concat(), 1),
        (
            "a.sh",
            format!("mktemp /tmp/a.{}X", ["XX", "X"].concat()),
            0,
        ),
        ("a.rs", format!("{mark}S are a list"), 0),
        ("a.md", ["to", "do!"].concat(), 0),
        ("Cargo.lock", mark, 0),
    ] {
        assert_eq!(prose::put_off(path, &text).len(), count, "{path}: {text}");
    }
}

#[test]
fn paths_of_one_machine_are_found() {
    let root = ["/wo", "rk/"].concat();
    for (text, count) in [
        (format!("cd {root}main"), 1),
        (format!("\"{root}x\""), 1),
        (format!("PATH={root}bin"), 1),
        (format!("a/b{root}c"), 0),
        (format!("./{}", &root[1..]), 0),
        (format!("https://example.org{root}"), 0),
        (format!("$HOME{root}"), 0),
        ("the network/part".to_owned(), 0),
    ] {
        assert_eq!(prose::machine_paths("a", &text).len(), count, "{text}");
    }
}

#[test]
fn empty_names_are_found() {
    for (path, text, count) in [
        ("src/util.rs", "", 1),
        ("src/helpers/mod.rs", "", 1),
        ("src/a.rs", "mod common;", 1),
        ("src/a.rs", "pub struct TaskManager;", 1),
        ("src/a.rs", "struct Common {", 1),
        ("src/a.rs", "// struct Helper", 0),
        ("src/a.rs", "let common = manager;", 0),
        ("src/a.rs", "mod commonplace;", 0),
        ("src/look.rs", "", 1),
        ("src/a.rs", "pub fn told() {}", 1),
        ("src/a.rs", "pub(super) async fn look(&self) {", 1),
        ("src/a.rs", "pub fn look_up() {}", 0),
        ("src/a.rs", "fn look() {}", 0),
    ] {
        assert_eq!(
            names::empty_names(path, text).len(),
            count,
            "{path}: {text}"
        );
    }
}

#[test]
fn results_whose_error_is_a_text_are_found() {
    let path = "crates/a/src/b.rs";
    for (text, found) in [
        ("fn a() -> Result<u8, String> {", true),
        ("fn a() -> Result<BTreeMap<String, String>, String> {", true),
        (
            "fn a() -> Result<\n    (u8, Vec<u8>),\n    String,\n> {",
            true,
        ),
        ("fn a(b: impl Fn(&str) -> Result<(), String>) {", true),
        ("type A = Receiver<Result<(), std::string::String>>;", true),
        ("fn a() -> Result<fn(u8) -> u8, String> {", true),
        ("fn a() -> Result<String, AError> {", false),
        ("fn a() -> Result<BTreeMap<u8, String>, AError> {", false),
        ("fn a() -> io::Result<String> {", false),
        ("fn a() -> Result<Vec<String>> {", false),
        ("// Result<u8, String>", false),
        ("enum ReadResult<A, String> {}", false),
    ] {
        let expected = usize::from(found);
        assert_eq!(errors::text_errors(path, text).len(), expected, "{text}");
        assert!(errors::text_errors("apps/a/src/b.rs", text).is_empty());
    }
}

#[test]
fn a_type_defined_in_two_files_is_found() {
    let repository = Repository::of(&[
        (
            "crates/a/src/one.rs",
            "pub struct Rule {\n    kind: Kind,\n}\nenum Kind {}\n",
        ),
        (
            "crates/b/src/two.rs",
            "\npub(crate) enum Rule {}\n// struct Kind\n",
        ),
        (
            "crates/b/src/three.rs",
            "impl X for Y {\n    type Kind = u8;\n}\n",
        ),
        ("crates/b/tests/four.rs", "struct Rule;\n"),
        ("apps/c/src/main.rs", "struct Rule;\n"),
    ]);
    let found = names::defined_twice(&repository);
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(
        (found[0].path.as_str(), found[0].line),
        ("crates/b/src/two.rs", 2)
    );
}

#[test]
fn files_under_tests_that_nothing_runs_or_reads_are_found() {
    let of_two = "---\nsource: crates/a/tests/deep/two.rs\n---";
    let repository = Repository::of(&[
        ("crates/a/Cargo.toml", "[package]"),
        (
            "crates/a/src/lib.rs",
            "include_str!(\"../tests/vector.json\")",
        ),
        (
            "crates/a/tests/one.rs",
            "mod shared;\n#[path = \"deep/two.rs\"]\nmod two;\nread(\"bad\")",
        ),
        ("crates/a/tests/shared/mod.rs", "pub mod inner;"),
        ("crates/a/tests/shared/inner.rs", ""),
        ("crates/a/tests/shared/lost.rs", ""),
        ("crates/a/tests/deep/two.rs", "assert(\"named\")"),
        ("crates/a/tests/whole/main.rs", "mod part;"),
        ("crates/a/tests/whole/part.rs", ""),
        ("crates/a/tests/bad/x.toml", ""),
        ("crates/a/tests/bad/x.snap", of_two),
        ("crates/a/tests/bad/y.snap", of_two),
        ("crates/a/tests/bad/named.snap", of_two),
        (
            "crates/a/tests/bad/three.snap",
            "---\nsource: three.rs\n---",
        ),
        ("crates/a/tests/vector.json", ""),
        ("crates/a/tests/forgotten.json", ""),
        ("crates/a/tests/one.proptest-regressions", ""),
        (
            "crates/b/Cargo.toml",
            "autotests = false\n[[test]]\nname = \"it\"\npath = \"tests/main.rs\"\n[[test]]\nname = \"own\"\n\n[dependencies]\n",
        ),
        ("crates/b/tests/main.rs", "mod part;"),
        ("crates/b/tests/part.rs", ""),
        ("crates/b/tests/own.rs", ""),
        ("crates/b/tests/never.rs", ""),
        ("tests/nowhere.rs", ""),
    ]);
    let found = reach::unreached(&repository);
    let paths: Vec<&str> = found.iter().map(|finding| finding.path.as_str()).collect();
    assert_eq!(
        paths,
        [
            "crates/a/tests/bad/three.snap",
            "crates/a/tests/bad/y.snap",
            "crates/a/tests/forgotten.json",
            "crates/a/tests/shared/lost.rs",
            "crates/b/tests/never.rs",
            "tests/nowhere.rs",
        ]
    );
}

#[test]
fn promises_without_a_proof_are_found() {
    let text = "| promise | shown by |\n|---|---|\n| a | `crates/a.rs` |\n| b | `gone.d/b.rs` |\n| c | hope |\n| d | `make demo` |\n";
    let repository = Repository::of(&[("SPECIFICATION.md", text), ("crates/a.rs", "")]);
    assert_eq!(lines(&documents::promises(&repository)), [4, 5]);
    assert_eq!(documents::promises(&Repository::of(&[])).len(), 1);
}

#[test]
fn missing_and_long_documents_are_found() {
    let long = "x\n".repeat(251);
    let repository = Repository::of(&[
        ("README.md", "x"),
        ("ARCHITECTURE.md", &long),
        ("GLOSSARY.md", "x"),
        ("SPECIFICATION.md", "x"),
        ("CHANGELOG.md", "x"),
    ]);
    let found = documents::limits(&repository);
    let paths: Vec<&str> = found.iter().map(|finding| finding.path.as_str()).collect();
    assert_eq!(paths, ["ARCHITECTURE.md", "CONTRIBUTING.md"]);
}

#[test]
fn large_and_binary_files_are_found() {
    let large = "x".repeat(200_001);
    let mut repository = Repository::of(&[
        ("a.md", "text"),
        ("b.json", &large),
        ("c.txt", "nul \0 in it"),
    ]);
    assert_eq!(
        weight::heavy_or_binary(&Repository::of(&[("a", &large[1..])])),
        []
    );
    // As a file that is not UTF-8 is read: a path and a size, and no text.
    repository.files.push("d.whl".to_owned());
    repository.sizes.insert("d.whl".to_owned(), 12);
    let found = weight::heavy_or_binary(&repository);
    let paths: Vec<&str> = found.iter().map(|finding| finding.path.as_str()).collect();
    assert_eq!(paths, ["b.json", "c.txt", "d.whl"]);
}

#[test]
fn tables_that_an_empty_line_breaks_are_found() {
    for (text, at) in [
        ("| a | b |\n|---|---|\n| 1 | 2 |\n", vec![]),
        (
            "| a | b |\n|---|---|\n| 1 | 2 |\n\n| 3 | 4 |\n| 5 | 6 |\n",
            vec![5],
        ),
        ("text\n| a |\n", vec![2]),
        ("```\n| a |\n```\n", vec![]),
        ("| a |\n| b |\n|--|\n", vec![1]),
    ] {
        assert_eq!(lines(&documents::broken_tables("a.md", text)), at, "{text}");
    }
}

#[test]
fn blueprints_that_build_otherwise_than_the_demo_are_found() {
    let (demo, before) = (
        "cargo build -p a -p notes",
        "[service.api]\nbuild    = \"cargo build -p notes\"\n",
    );
    for (after, at) in [
        ("", vec![2]),
        (
            "[env.local]\nservice.api.build = \"cargo build -p notes\"\n",
            vec![2],
        ),
        (
            "[env.dev]\nservice.api.build = \"cargo build -p a -p notes\"\n",
            vec![2],
        ),
        (
            "[env.local]\nservice.api.build = \"cargo build -p a -p notes\"\n",
            vec![],
        ),
    ] {
        let text = format!("{before}{after}");
        let found = one_build::in_manifest("neargate.toml", &text, demo);
        assert_eq!(lines(&found), at, "{text}");
    }
    let makefile = ("Makefile", "check:\n\tcargo build\ndemo:\n\tup\n");
    assert_eq!(
        one_build::another_build(&Repository::of(&[makefile])).len(),
        1
    );
}

#[test]
fn modules_in_a_circle_are_found_whichever_way_they_name_each_other() {
    let found = |files: &[(&str, &str)]| {
        let found = circles::in_circles(&Repository::of(files));
        let paths: Vec<String> = found
            .iter()
            .map(|f| format!("{}:{}", f.path, f.line))
            .collect();
        paths.join(" ")
    };
    let lib = ("c/src/lib.rs", "mod a;\nmod b;\npub use b::Shared;\n");
    for (a, b, expected) in [
        (
            "use crate::b::X;\n",
            "fn f() {\n    super::a::g();\n}\n",
            "c/src/a.rs:1 c/src/b.rs:2",
        ),
        (
            "use crate::{b::X, c};\n",
            "use crate::a;\n",
            "c/src/a.rs:1 c/src/b.rs:1",
        ),
        // By what the parent brings in.
        (
            "use super::Shared;\n",
            "use crate::a;\n",
            "c/src/a.rs:1 c/src/b.rs:1",
        ),
        (
            "use crate::b;\n",
            "// crate::a\nconst A: &str = \"crate::a\";\n",
            "",
        ),
        (
            "use crate::b;\n",
            "#[cfg(test)]\nmod tests {\n    use crate::a;\n}\n",
            "",
        ),
        ("use crate::b;\n", "use other::a;\n", ""),
    ] {
        assert_eq!(
            found(&[lib, ("c/src/a.rs", a), ("c/src/b.rs", b)]),
            expected,
            "{a}{b}"
        );
    }
    // At every level; a circle of three; a parent and its child are none.
    let three = [
        ("c/src/lib.rs", "mod p;\n"),
        ("c/src/p.rs", "mod x;\nmod y;\nmod z;\nuse x::X;\n"),
        ("c/src/p/x.rs", "use super::y;\n"),
        ("c/src/p/y.rs", "use crate::p::z::Z;\n"),
        ("c/src/p/z.rs", "use super::x;\nuse crate::p;\n"),
    ];
    assert_eq!(
        found(&three),
        "c/src/p/x.rs:1 c/src/p/y.rs:1 c/src/p/z.rs:1"
    );
    assert_eq!(found(&three[..4]), "");
}
