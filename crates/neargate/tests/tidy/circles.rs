//! Modules of a crate know each other in one direction: a stranger can read them from the bottom up.
//!
//! At every level of the module tree, an arrow leads from a module to each sibling that its files,
//! or files below it, name by `crate::`, `super::` or a `use` of their parent. Modules under
//! `#[cfg(test)]` are left out.

use std::collections::{BTreeMap, BTreeSet};

use super::repository::{Finding, Repository};
use super::source::{code_only, is_word};

/// A module's path inside its crate; the crate's root is empty.
type ModulePath = Vec<String>;

/// Modules that know each other in a circle: one finding for each arrow of it.
pub(crate) fn in_circles(repository: &Repository) -> Vec<Finding> {
    let mut crates: BTreeMap<&str, Vec<SourceFile>> = BTreeMap::new();
    for (path, text) in &repository.texts {
        if let Some((owner, below)) = path.split_once("/src/").filter(|_| path.ends_with(".rs")) {
            crates
                .entry(owner)
                .or_default()
                .push(SourceFile::of(path, below, text));
        }
    }
    crates.values().flat_map(|files| circles(files)).collect()
}

struct SourceFile<'a> {
    path: &'a str,
    module: ModulePath,
    /// Line of each path that the file names, with its segments.
    named: Vec<(usize, Vec<String>)>,
    /// Paths that the file's `use` lines bring in, by name.
    brought: BTreeMap<String, Vec<String>>,
    /// Modules that exist for tests only.
    for_tests: BTreeSet<String>,
}

impl<'a> SourceFile<'a> {
    fn of(path: &'a str, below: &str, text: &str) -> Self {
        let module = below.trim_end_matches(".rs").split('/');
        let is_root = |part: &&str| matches!(*part, "lib" | "main" | "mod");
        let module = module.filter(|part| !is_root(part)).map(str::to_owned);
        let mut file = Self {
            path,
            module: module.collect(),
            named: Vec::new(),
            brought: BTreeMap::new(),
            for_tests: BTreeSet::new(),
        };
        let mut tokens = Tokens::of(&code_only(text));
        while let Some((line, token)) = tokens.next() {
            match token.as_str() {
                "cfg" if tokens.follow(&["(", "test", ")", "]", "mod"]) => {
                    let name = tokens.next().map(|(_, name)| name).unwrap_or_default();
                    if tokens.next().is_some_and(|(_, token)| token == "{") {
                        tokens.skip_block();
                    } else {
                        file.for_tests.insert(name);
                    }
                }
                "use" => {
                    for tree in tokens.use_tree() {
                        if let Some(name) = tree.last() {
                            file.brought.insert(name.clone(), tree.clone());
                        }
                        file.named.push((line, tree));
                    }
                }
                "crate" | "super" | "self" if tokens.follow(&["::"]) => {
                    let rest = tokens.use_tree();
                    let first = std::iter::once(token);
                    let whole = rest.into_iter().next().unwrap_or_default();
                    file.named.push((line, first.chain(whole).collect()));
                }
                _ => {}
            }
        }
        file
    }
}

/// Words and marks of a text, each with its line from 1.
struct Tokens {
    all: Vec<(usize, String)>,
    at: usize,
}

impl Tokens {
    fn of(code: &str) -> Self {
        let mut all: Vec<(usize, String)> = Vec::new();
        for (index, line) in code.lines().enumerate() {
            let mut rest = line.trim_start();
            while let Some(first) = rest.chars().next() {
                let length = match first {
                    _ if is_word(first) => rest.find(|c| !is_word(c)).unwrap_or(rest.len()),
                    ':' if rest.starts_with("::") => 2,
                    _ => first.len_utf8(),
                };
                all.push((index + 1, rest[..length].to_owned()));
                rest = rest[length..].trim_start();
            }
        }
        Self { all, at: 0 }
    }

    fn next(&mut self) -> Option<(usize, String)> {
        self.at += 1;
        self.all.get(self.at - 1).cloned()
    }

    /// Steps over these tokens when they come next.
    fn follow(&mut self, wanted: &[&str]) -> bool {
        let next = self.all[self.at..].iter().map(|(_, token)| token.as_str());
        let same = next.take(wanted.len()).eq(wanted.iter().copied());
        self.at += if same { wanted.len() } else { 0 };
        same
    }

    /// Steps over a block whose opening brace has been read.
    fn skip_block(&mut self) {
        let mut depth = 1;
        while depth > 0 {
            match self.next() {
                Some((_, token)) if token == "{" => depth += 1,
                Some((_, token)) if token == "}" => depth -= 1,
                Some(_) => {}
                None => return,
            }
        }
    }

    /// Every path of a tree such as `a::{b, c::d}`; the name of an `as` is its last segment's own.
    fn use_tree(&mut self) -> Vec<Vec<String>> {
        let mut path: Vec<String> = Vec::new();
        while let Some((_, token)) = self.all.get(self.at).cloned() {
            match token.as_str() {
                "{" => {
                    self.at += 1;
                    let mut whole = Vec::new();
                    while !self.follow(&["}"]) && self.at < self.all.len() {
                        let branches = self.use_tree().into_iter();
                        whole.extend(branches.map(|branch| [path.clone(), branch].concat()));
                        self.follow(&[","]);
                    }
                    return whole;
                }
                "*" => self.at += 1,
                word if word.starts_with(is_word) => {
                    self.at += 1;
                    path.push(token);
                }
                _ => break,
            }
            if !self.follow(&["::"]) {
                break;
            }
        }
        if self.follow(&["as"]) {
            self.at += 1;
        }
        vec![path]
    }
}

fn circles(files: &[SourceFile]) -> Vec<Finding> {
    let modules: BTreeMap<&[String], &SourceFile> = files
        .iter()
        .map(|file| (file.module.as_slice(), file))
        .collect();
    // By parent: from a child to a sibling, with the first line that makes the arrow.
    type Arrows<'a> = BTreeMap<(String, String), (&'a str, usize)>;
    let mut levels: BTreeMap<ModulePath, Arrows> = BTreeMap::new();
    for file in files
        .iter()
        .filter(|file| !only_for_tests(&modules, &file.module))
    {
        for (line, named) in &file.named {
            let Some(target) = resolved(&modules, &file.module, named, 0) else {
                continue;
            };
            let shared = common(&file.module, &target);
            if let (Some(from), Some(to)) = (file.module.get(shared), target.get(shared)) {
                let arrows = levels.entry(target[..shared].to_vec()).or_default();
                let arrow = (from.clone(), to.clone());
                arrows.entry(arrow).or_insert((file.path, *line));
            }
        }
    }
    let mut found = Vec::new();
    for arrows in levels.values() {
        let all: BTreeSet<&(String, String)> = arrows.keys().collect();
        for ((from, to), (path, line)) in arrows {
            if leads(&all, to, from) {
                let text = format!(
                    "`{from}` knows `{to}`, which knows `{from}`, itself or by others: move what both need into a module of its own"
                );
                found.push(Finding::at(path, *line, text));
            }
        }
    }
    found
}

fn common(one: &[String], other: &[String]) -> usize {
    one.iter().zip(other).take_while(|(a, b)| a == b).count()
}

fn only_for_tests(modules: &BTreeMap<&[String], &SourceFile>, module: &[String]) -> bool {
    (0..module.len()).any(|depth| {
        let parent = modules.get(&module[..depth]);
        parent.is_some_and(|parent| parent.for_tests.contains(&module[depth]))
    })
}

/// The module that holds what a path names; nothing when it lies outside of the crate.
fn resolved(
    modules: &BTreeMap<&[String], &SourceFile>,
    here: &[String],
    named: &[String],
    followed: usize,
) -> Option<ModulePath> {
    let mut module = here.to_vec();
    let mut segments = named.iter().peekable();
    let first = segments.peek()?.as_str();
    if first == "crate" {
        module.clear();
    }
    let mut anchored = false;
    while let Some(segment) = segments.next_if(|s| matches!(s.as_str(), "crate" | "self" | "super"))
    {
        anchored = true;
        if segment == "super" {
            module.pop();
        }
    }
    for segment in segments {
        module.push(segment.clone());
        if modules.contains_key(module.as_slice()) {
            anchored = true;
            continue;
        }
        module.pop();
        let file = modules.get(module.as_slice());
        let brought = file.and_then(|file| file.brought.get(segment));
        // What a `use` of the module brings in lies where that leads; eight in a row are a mistake.
        if let Some(path) = brought.filter(|path| followed < 8 && path.as_slice() != named) {
            return resolved(modules, &module, path, followed + 1);
        }
        return anchored.then_some(module);
    }
    anchored.then_some(module)
}

/// Whether arrows lead from one module to another.
fn leads(arrows: &BTreeSet<&(String, String)>, from: &str, to: &str) -> bool {
    let mut reached: BTreeSet<&str> = BTreeSet::from([from]);
    loop {
        let before = reached.len();
        let next: Vec<&str> = arrows
            .iter()
            .filter(|(from, _)| reached.contains(from.as_str()))
            .map(|(_, to)| to.as_str())
            .collect();
        reached.extend(next);
        if reached.contains(to) {
            return true;
        }
        if reached.len() == before {
            return false;
        }
    }
}
