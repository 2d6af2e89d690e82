//! Rust sources as `tidy` and `trace` see them: code with comments and literals blanked, the
//! comments alone, and which lines are tests. A small lexer, not a parser; it knows what it needs.

/// One Rust file, line by line.
pub(crate) struct Source {
    /// Path relative to the root, with `/`.
    pub(crate) path: String,
    /// Name of the crate that the file belongs to.
    pub(crate) krate: String,
    /// Lines as they stand.
    pub(crate) lines: Vec<String>,
    /// Lines with comments and the insides of literals blanked.
    pub(crate) code: Vec<String>,
    /// The comment of each line, with its slashes; empty when there is none.
    pub(crate) comments: Vec<String>,
    /// True for lines that exist only in tests.
    pub(crate) is_test: Vec<bool>,
    /// Names in `#[cfg(test)] mod NAME;`.
    test_modules: Vec<String>,
}

/// A function under `#[test]`.
pub(crate) struct TestFn {
    /// Path as libtest prints it, for example `canon::tests::floats_are_refused`.
    pub(crate) name: String,
    /// Test binary that contains it, for example `azir_ledger` or `azir_ledger:bundle`.
    pub(crate) target: String,
    /// Its line, from 1.
    pub(crate) line: usize,
    /// Its doc comment.
    pub(crate) doc: String,
}

impl Source {
    /// Reads one file.
    pub(crate) fn new(path: String, krate: String, text: String) -> Self {
        let masked = Masker::run(&text);
        let code: Vec<String> = masked.code.split('\n').map(str::to_owned).collect();
        let comments = masked.comments.split('\n').map(str::to_owned).collect();
        let lines = text.split('\n').map(str::to_owned).collect();
        let all_test = path.contains("/tests/")
            || path.contains("/benches/")
            || path.ends_with("/tests.rs")
            || path.ends_with("/build.rs");
        let (mut is_test, test_modules) = test_lines(&code);
        if all_test {
            is_test.fill(true);
        }
        Self { path, krate, lines, code, comments, is_test, test_modules }
    }

    /// The path with the number of line `index` (from 0) behind it.
    pub(crate) fn place(&self, index: usize) -> String {
        format!("{}:{}", self.path, index + 1)
    }

    /// True when line `index` is a doc comment outside tests.
    pub(crate) fn is_code_doc(&self, index: usize) -> bool {
        let comment = self.comments[index].trim_start();
        !self.is_test[index] && (comment.starts_with("///") || comment.starts_with("//!"))
    }

    /// All functions under `#[test]`, with their doc comments.
    pub(crate) fn test_fns(&self) -> Vec<TestFn> {
        let modules = module_of_line(&self.code);
        let (target, file_module) = self.target_and_module();
        let mut found = Vec::new();
        for (index, code) in self.code.iter().enumerate() {
            if !code.trim_start().starts_with("#[test]") {
                continue;
            }
            let Some((line, name)) = self.fn_name_from(index) else { continue };
            let mut path = file_module.clone();
            path.extend(modules[line].iter().cloned());
            path.push(name);
            let doc = self.doc_around(index, line);
            let target = target.clone();
            found.push(TestFn { name: path.join("::"), target, line: line + 1, doc });
        }
        found
    }

    fn fn_name_from(&self, start: usize) -> Option<(usize, String)> {
        (start..self.code.len().min(start + 12)).find_map(|index| {
            let code = &self.code[index];
            let at = code.find("fn ")?;
            let name: String = code[at + 3..].chars().take_while(|c| is_word(*c)).collect();
            (!name.is_empty()).then_some((index, name))
        })
    }

    fn doc_around(&self, attribute: usize, name: usize) -> String {
        let belongs = |i: &usize| {
            let code = self.code[*i].trim();
            self.comments[*i].trim_start().starts_with("///")
                || code.starts_with("#[") && code.ends_with(']')
        };
        let first = (0..attribute).rev().take_while(belongs).last().unwrap_or(attribute);
        let docs = (first..name).map(|i| self.comments[i].trim_start());
        docs.filter(|c| c.starts_with("///")).collect::<Vec<_>>().join("\n")
    }

    /// The test binary of this file, and the module path that its place in the tree gives it.
    fn target_and_module(&self) -> (String, Vec<String>) {
        let lib = self.krate.replace('-', "_");
        let parts: Vec<&str> = self.path.trim_end_matches(".rs").split('/').collect();
        let at = parts.iter().rposition(|p| *p == "src");
        let tests = parts.iter().position(|p| *p == "tests");
        let (target, inner) = match (at, tests) {
            (None, Some(at)) => match &parts[at + 1..] {
                [file] => (format!("{lib}:{file}"), Vec::new()),
                [dir, inner @ ..] => (format!("{lib}:{dir}"), inner.to_vec()),
                [] => (lib, Vec::new()),
            },
            (Some(at), _) => (lib, parts[at + 1..].to_vec()),
            (None, None) => (lib, Vec::new()),
        };
        let mut inner: Vec<String> = inner.into_iter().map(str::to_owned).collect();
        let is_head = |n: &String| matches!(n.as_str(), "lib" | "main" | "mod");
        if inner.last().is_some_and(is_head) {
            inner.pop();
        }
        (target, inner)
    }

    /// Directory in which `mod NAME;` of this file looks for `NAME.rs`.
    fn module_dir(&self) -> String {
        let stem = self.path.trim_end_matches(".rs");
        let (dir, name) = stem.rsplit_once('/').unwrap_or(("", stem));
        if matches!(name, "lib" | "main" | "mod") { dir.to_owned() } else { stem.to_owned() }
    }
}

/// Marks files whose module is declared under `#[cfg(test)]` as tests.
pub(crate) fn spread_test_modules(sources: &mut [Source]) {
    let roots: Vec<String> = sources
        .iter()
        .flat_map(|s| s.test_modules.iter().map(|m| format!("{}/{m}", s.module_dir())))
        .collect();
    for source in sources {
        let path = source.path.trim_end_matches(".rs");
        if roots.iter().any(|r| path == r || path.starts_with(&format!("{r}/"))) {
            source.is_test.fill(true);
        }
    }
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Lines covered by items under `#[cfg(test)]`, and modules declared so without a body.
fn test_lines(code: &[String]) -> (Vec<bool>, Vec<String>) {
    let mut is_test = vec![false; code.len()];
    let mut modules = Vec::new();
    let mut index = 0;
    while index < code.len() {
        if !code[index].trim_start().starts_with("#[cfg(test)]") {
            index += 1;
            continue;
        }
        let (end, head) = item_end(code, index);
        is_test[index..=end].fill(true);
        if let Some(rest) = head.split_once("mod ").map(|(_, r)| r)
            && head.trim_end().ends_with(';')
        {
            modules.push(rest.chars().take_while(|c| is_word(*c)).collect());
        }
        index = end + 1;
    }
    (is_test, modules)
}

/// Last line of the item that starts at `start`, and its text up to the first brace or semicolon.
fn item_end(code: &[String], start: usize) -> (usize, String) {
    let mut head = String::new();
    let (mut depth, mut opened) = (0_usize, false);
    for (index, line) in code.iter().enumerate().skip(start) {
        let line = line.trim_start().trim_start_matches("#[cfg(test)]");
        for c in line.chars() {
            match c {
                '{' => (depth, opened) = (depth + 1, true),
                '}' => depth = depth.saturating_sub(1),
                ';' if !opened => return (index, head + ";"),
                c if !opened => head.push(c),
                _ => {}
            }
            if opened && depth == 0 {
                return (index, head);
            }
        }
        head.push(' ');
    }
    (code.len() - 1, head)
}

/// For each line the inline modules (`mod NAME {`) around it.
fn module_of_line(code: &[String]) -> Vec<Vec<String>> {
    let mut stack: Vec<(String, usize)> = Vec::new();
    let mut depth = 0_usize;
    let mut result = Vec::with_capacity(code.len());
    for line in code {
        let mut words = line.trim().trim_start_matches("pub(crate) ").trim_start_matches("pub ");
        let opens_module = words.starts_with("mod ") && words.ends_with('{');
        if opens_module {
            words = words[4..].trim_end_matches('{').trim();
            stack.push((words.to_owned(), depth));
        }
        result.push(stack.iter().map(|(name, _)| name.clone()).collect());
        for c in line.chars() {
            match c {
                '{' => depth += 1,
                '}' => {
                    depth = depth.saturating_sub(1);
                    if stack.last().is_some_and(|(_, at)| *at == depth) {
                        stack.pop();
                    }
                }
                _ => {}
            }
        }
    }
    result
}

#[derive(Clone, Copy)]
enum Mode {
    Code,
    Line,
    Block(usize),
    Text,
    Raw(usize),
}

/// Splits a file into code and comments of the same shape.
struct Masker {
    chars: Vec<char>,
    at: usize,
    mode: Mode,
    code: String,
    comments: String,
}

impl Masker {
    fn run(text: &str) -> Self {
        let (code, comments) = (String::new(), String::new());
        let chars = text.chars().collect();
        let mut masker = Self { chars, at: 0, mode: Mode::Code, code, comments };
        while masker.at < masker.chars.len() {
            masker.step();
        }
        masker
    }

    fn peek(&self, ahead: usize) -> char {
        self.chars.get(self.at + ahead).copied().unwrap_or('\0')
    }

    fn step(&mut self) {
        let c = self.peek(0);
        if c == '\n' {
            self.code.push('\n');
            self.comments.push('\n');
            if matches!(self.mode, Mode::Line) {
                self.mode = Mode::Code;
            }
            self.at += 1;
            return;
        }
        match self.mode {
            Mode::Code => self.step_code(c),
            Mode::Line => self.keep_comment(1),
            Mode::Block(depth) => self.step_block(depth),
            Mode::Text if c == '\\' => self.blank(if self.peek(1) == '\n' { 1 } else { 2 }),
            Mode::Text if c == '"' => self.quote(1, Mode::Code),
            Mode::Raw(hashes) if c == '"' && (0..hashes).all(|n| self.peek(n + 1) == '#') => {
                self.quote(hashes + 1, Mode::Code);
            }
            Mode::Text | Mode::Raw(_) => self.blank(1),
        }
    }

    fn step_code(&mut self, c: char) {
        match (c, self.peek(1)) {
            ('/', '/') => {
                self.mode = Mode::Line;
                self.keep_comment(2);
            }
            ('/', '*') => {
                self.mode = Mode::Block(1);
                self.keep_comment(2);
            }
            ('"', _) => self.quote(1, Mode::Text),
            ('r', '"' | '#') if !self.after_word() => self.step_raw(),
            ('\'', '\\') => {
                let end = (3..16).find(|n| self.peek(*n) == '\'').unwrap_or(1);
                self.blank(end + 1);
            }
            ('\'', _) if self.peek(2) == '\'' => self.blank(3),
            _ => {
                self.code.push(c);
                self.at += 1;
            }
        }
    }

    fn step_raw(&mut self) {
        let hashes = (1..).take_while(|n| self.peek(*n) == '#').count();
        if self.peek(hashes + 1) == '"' {
            self.quote(hashes + 2, Mode::Raw(hashes));
        } else {
            self.code.push('r');
            self.at += 1;
        }
    }

    fn step_block(&mut self, depth: usize) {
        match (self.peek(0), self.peek(1)) {
            ('*', '/') => {
                self.keep_comment(2);
                self.mode = if depth == 1 { Mode::Code } else { Mode::Block(depth - 1) };
            }
            ('/', '*') => {
                self.keep_comment(2);
                self.mode = Mode::Block(depth + 1);
            }
            _ => self.keep_comment(1),
        }
    }

    fn after_word(&self) -> bool {
        // A byte string `br"` starts with a letter too, so look one further back for it.
        let before = self.code.chars().next_back().unwrap_or(' ');
        let further = self.code.chars().rev().nth(1).unwrap_or(' ');
        is_word(before) && (before != 'b' || is_word(further))
    }

    fn keep_comment(&mut self, count: usize) {
        for _ in 0..count {
            self.comments.push(self.peek(0));
            self.at += 1;
        }
    }

    fn blank(&mut self, count: usize) {
        for _ in 0..count {
            if self.peek(0) != '\n' {
                self.code.push(' ');
                self.at += 1;
            }
        }
    }

    fn quote(&mut self, count: usize, next: Mode) {
        self.code.push('"');
        self.at += count;
        self.mode = next;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(path: &str, text: &str) -> Source {
        Source::new(path.into(), "azir-ledger".into(), text.into())
    }

    #[test]
    fn comments_and_literals_are_no_code() {
        let text = "let a = \".unwrap()\"; // .unwrap()\nlet b = r#\"x \" .unwrap()\"#;\n\
                    let c = '\"'; let d: &'static str = \"\\\"\"; /* a\n.unwrap() */ e.unwrap();";
        let s = source("crates/azir-ledger/src/x.rs", text);
        let hits: Vec<usize> =
            (0..s.code.len()).filter(|i| s.code[*i].contains(".unwrap()")).collect();
        assert_eq!(hits, [3]);
        assert!(s.comments[0].contains("// .unwrap()"));
        assert!(s.code[2].contains("'static"));
    }

    #[test]
    fn test_items_are_found_with_name_place_and_doc() {
        let text = "//! Head.\nfn f() {}\n#[cfg(test)]\nmod tests {\n    mod inner {\n        \
                    /// R-5.1-1: a.\n        /// More R-5.1-2.\n        #[allow(x)]\n        #[test]\n        \
                    fn claim() { }\n    }\n    #[test]\n    fn other() {}\n}\nfn g() {}\n";
        let s = source("crates/azir-ledger/src/canon.rs", text);
        assert_eq!(
            (s.is_test[1], s.is_test[3], s.is_test[13], s.is_test[14]),
            (false, true, true, false)
        );
        let tests = s.test_fns();
        assert_eq!(tests[0].name, "canon::tests::inner::claim");
        assert_eq!(tests[0].target, "azir_ledger");
        assert!(tests[0].doc.contains("R-5.1-1") && tests[0].doc.contains("R-5.1-2"));
        assert_eq!((tests[1].name.as_str(), tests[1].doc.as_str()), ("canon::tests::other", ""));
    }

    #[test]
    fn integration_tests_belong_to_their_own_binary() {
        let text = "#[test]\nfn claim() {}\n";
        let one = source("crates/azir-store/tests/crash.rs", text).test_fns();
        assert_eq!((one[0].target.as_str(), one[0].name.as_str()), ("azir_ledger:crash", "claim"));
        let two = source("crates/azir-store/tests/it/fold.rs", text).test_fns();
        assert_eq!(
            (two[0].target.as_str(), two[0].name.as_str()),
            ("azir_ledger:it", "fold::claim")
        );
        let main = source("crates/azir-store/tests/it/main.rs", text).test_fns();
        assert_eq!((main[0].target.as_str(), main[0].name.as_str()), ("azir_ledger:it", "claim"));
    }

    #[test]
    fn a_test_module_in_its_own_file_is_a_test() {
        let mut all = vec![
            source("crates/a/src/x.rs", "#[cfg(test)]\nmod cases;\nfn f() {}\n"),
            source("crates/a/src/x/cases.rs", "fn helper() {}\n"),
            source("crates/a/src/y.rs", "fn f() {}\n"),
        ];
        spread_test_modules(&mut all);
        assert_eq!((all[0].is_test[2], all[1].is_test[0], all[2].is_test[0]), (false, true, false));
    }
}
