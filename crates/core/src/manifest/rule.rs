//! Rules of composite alarms: `(ALARM(a) OR ALARM("b")) AND NOT OK(c)`.
//!
//! Invariant: reads what CloudWatch reads. Refuses more than 100 names, 500 elements and
//! 10,240 characters.

/// The alarms that a rule names, in order, each once.
///
/// # Errors
/// What is wrong, in words.
pub(super) fn names(text: &str) -> Result<Vec<String>, String> {
    if text.len() > 10_240 {
        return Err("it has more than 10240 characters".into());
    }
    let tokens = tokens(text)?;
    if tokens.len() > 500 {
        return Err("it has more than 500 elements".into());
    }
    let mut reader = Reader {
        tokens: &tokens,
        names: Vec::new(),
    };
    reader.either()?;
    if let Some(token) = reader.tokens.first() {
        return Err(format!("`{token}` is not expected there"));
    }
    if reader.names.len() > 100 {
        return Err("it names more than 100 alarms".into());
    }
    Ok(reader.names)
}

fn tokens(text: &str) -> Result<Vec<String>, String> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(c) = rest.chars().next() {
        let length = match c {
            '(' | ')' => 1,
            '"' => match rest[1..].find('"') {
                Some(end) => end + 2,
                None => return Err("a quote is not closed".into()),
            },
            _ => rest
                .find(|c: char| c.is_whitespace() || "()\"".contains(c))
                .unwrap_or(rest.len()),
        };
        tokens.push(rest[..length].to_owned());
        rest = rest[length..].trim_start();
    }
    Ok(tokens)
}

struct Reader<'a> {
    tokens: &'a [String],
    names: Vec<String>,
}

impl Reader<'_> {
    fn next(&mut self) -> Option<&str> {
        let (first, rest) = self.tokens.split_first()?;
        self.tokens = rest;
        Some(first)
    }

    fn take(&mut self, wanted: &str) -> bool {
        let here = self.tokens.first().is_some_and(|token| token == wanted);
        if here {
            self.tokens = &self.tokens[1..];
        }
        here
    }

    fn expect(&mut self, wanted: &str) -> Result<(), String> {
        if self.take(wanted) {
            return Ok(());
        }
        let found = self.tokens.first().map_or("the end", String::as_str);
        Err(format!("`{wanted}` is expected before {found}"))
    }

    fn either(&mut self) -> Result<(), String> {
        self.both()?;
        while self.take("OR") {
            self.both()?;
        }
        Ok(())
    }

    fn both(&mut self) -> Result<(), String> {
        self.one()?;
        while self.take("AND") {
            self.one()?;
        }
        Ok(())
    }

    fn one(&mut self) -> Result<(), String> {
        while self.take("NOT") {}
        if self.take("(") {
            self.either()?;
            return self.expect(")");
        }
        match self.next().map(str::to_owned).as_deref() {
            Some("TRUE" | "FALSE") => Ok(()),
            Some("ALARM" | "OK" | "INSUFFICIENT_DATA") => {
                self.expect("(")?;
                let name = self.next().map(|name| name.trim_matches('"').to_owned());
                match name {
                    Some(name) if !name.is_empty() && name != ")" => {
                        if !self.names.contains(&name) {
                            self.names.push(name);
                        }
                    }
                    _ => return Err("a name is missing in the parentheses".into()),
                }
                self.expect(")")
            }
            Some(other) => Err(format!(
                "`{other}` is not one of ALARM(…), OK(…), INSUFFICIENT_DATA(…), TRUE, FALSE, NOT"
            )),
            None => Err("it ends too early".into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::names;

    #[test]
    fn rules_name_their_alarms_once_and_in_order() {
        let rule = "(ALARM(a) OR ALARM(\"b\")) AND NOT OK(c) AND ALARM(a) OR TRUE";
        assert_eq!(names(rule).unwrap(), ["a", "b", "c"]);
        for wrong in [
            "",
            "ALARM",
            "ALARM()",
            "ALARM(a",
            "ALARM(a) ALARM(b)",
            "a",
            "(ALARM(a)",
            "ALARM(\"a",
        ] {
            assert!(names(wrong).is_err(), "{wrong}");
        }
    }
}
