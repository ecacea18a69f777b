//! Doc comments that say no more than the name below them.
//!
//! Exempt: types that clap reads, for it makes help pages of their comments.

use super::repository::Finding;

/// Fewest words of a doc comment.
const FEWEST_WORDS: usize = 3;
/// Derives by which clap reads a type.
const OF_CLAP: [&str; 4] = ["Args", "Parser", "Subcommand", "ValueEnum"];

/// Doc comments of one or two words.
pub(crate) fn short(path: &str, text: &str) -> Vec<Finding> {
    let lines: Vec<&str> = text.lines().collect();
    let mut found = Vec::new();
    let (mut at, mut of_clap) = (0, false);
    while at < lines.len() {
        let block = lines[at..].iter().map_while(|line| comment(line));
        let (count, words) = block.fold((0, 0), |(count, words), text| {
            (count + 1, words + text.split_whitespace().count())
        });
        if count == 0 {
            of_clap = (of_clap && lines[at] != "}") || derives_of_clap(lines[at]);
            at += 1;
            continue;
        }
        let attributes = lines[at + count..]
            .iter()
            .take_while(|line| line.trim_start().starts_with("#["));
        let help = of_clap || attributes.into_iter().any(|line| derives_of_clap(line));
        if words < FEWEST_WORDS && !help {
            let text = "a doc comment of one or two words: say shape, unit or source, or nothing";
            found.push(Finding::at(path, at + 1, text));
        }
        at += count;
    }
    found
}

/// Text of a line that is a doc comment.
fn comment(line: &str) -> Option<&str> {
    line.trim_start().strip_prefix("///")
}

fn derives_of_clap(line: &str) -> bool {
    let derives = line.trim_start().strip_prefix("#[derive(");
    derives.is_some_and(|list| {
        list.split(|c: char| !c.is_alphanumeric())
            .any(|name| OF_CLAP.contains(&name))
    })
}
