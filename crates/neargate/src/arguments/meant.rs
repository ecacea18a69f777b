//! What is probably meant by a command line that clap refuses.

use clap::error::{ContextKind, ContextValue, ErrorKind};

/// `logs -f` follows elsewhere, and is `--file` here.
pub(crate) const FOLLOW_IS_F: &str =
    "-f is --file, the manifest; to go on as lines come: neargate logs --follow, or -F";

/// A hint for people who know other command lines.
pub(crate) fn meant(error: &clap::Error, asked: &[String]) -> Option<&'static str> {
    let about = error.get(ContextKind::InvalidArg);
    let of_file = matches!(about, Some(ContextValue::String(name)) if name.starts_with("--file"));
    let no_value = error.kind() == ErrorKind::InvalidValue;
    let of_logs = asked.iter().any(|word| word == "logs");
    (of_file && no_value && of_logs).then_some(FOLLOW_IS_F)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arguments::Arguments;
    use clap::Parser;

    #[test]
    fn logs_with_f_and_no_file_is_answered_with_follow() {
        for (line, hint) in [
            ("neargate logs api -f", true),
            ("neargate logs -f --since 10m", true),
            ("neargate status -f", false),
            ("neargate logs --nonsense", false),
        ] {
            let asked: Vec<String> = line.split(' ').map(str::to_owned).collect();
            let error = Arguments::try_parse_from(&asked).expect_err(line);
            assert_eq!(meant(&error, &asked).is_some(), hint, "{line}");
        }
    }
}
