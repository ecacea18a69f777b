//! Texts with a syntax: names, patterns, windows, schedules.
//!
//! Invariant: what is right here is right for the AWS service that the text ends up in.
//! Sources: the load balancer, alarm and data pages of the AWS documentation.

use super::TextFormat;
pub(super) use super::one_line::{FILE, FILE_NAME, FOLDER, LINE};
use super::text_rules::{TextRuleViolation, longest, only, printable};
use crate::manifest::calendar;

pub(super) static NAME: TextFormat = TextFormat {
    what: "a name",
    example: "api",
    pattern: "^[a-z][a-z0-9-]{0,31}$",
    check: |text| {
        let first = text.chars().next().is_some_and(|c| c.is_ascii_lowercase());
        let rest = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if text.len() > 32 {
            return Err(TextRuleViolation::Form("a name has at most 32 characters"));
        }
        if first && text.chars().all(rest) {
            return Ok(());
        }
        Err(TextRuleViolation::Form(
            "a name starts with a small letter and has only small letters, digits and `-`",
        ))
    },
};

pub(super) static APP: TextFormat = TextFormat {
    what: "a name",
    example: "notes",
    pattern: NAME.pattern,
    check: NAME.check,
};

pub(super) static VARIABLE: TextFormat = TextFormat {
    what: "the name of an environment variable",
    example: "LOG_LEVEL",
    pattern: "^[A-Za-z_][A-Za-z0-9_]{0,254}$",
    check: |text| {
        let rest = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let first = text.chars().next().is_some_and(|c| !c.is_ascii_digit());
        if first && text.chars().all(rest) && text.len() <= 255 {
            return Ok(());
        }
        Err(TextRuleViolation::Form(
            "an environment variable has only letters, digits and `_`, and no digit first",
        ))
    },
};

pub(super) static USE: TextFormat = TextFormat {
    what: "something to use",
    example: "database.main",
    pattern: "^(database|cache|secret)\\.[a-z][a-z0-9-]{0,31}$",
    check: |text| match text.split_once('.') {
        Some(("database" | "cache" | "secret", name)) => (NAME.check)(name),
        Some(("service", name)) => Err(TextRuleViolation::UsedService(name.to_owned())),
        _ => Err(TextRuleViolation::Form(
            "it is `database.NAME`, `cache.NAME` or `secret.NAME`",
        )),
    },
};

pub(super) static HOST: TextFormat = TextFormat {
    what: "a host pattern",
    example: "*.example.com",
    pattern: "^[A-Za-z0-9.*?-]{1,128}$",
    check: |text| {
        let allowed = |c: char| c.is_ascii_alphanumeric() || "-.*?".contains(c);
        longest(text, 128)?;
        only(text, allowed, "letters, digits, `-`, `.`, `*` and `?`")?;
        let Some((_, last)) = text.rsplit_once('.') else {
            return Err(TextRuleViolation::Form(
                "a host pattern has at least one `.`",
            ));
        };
        if last.is_empty() || !last.chars().all(|c| c.is_ascii_alphabetic()) {
            return Err(TextRuleViolation::Form(
                "after the last `.` a host pattern has only letters",
            ));
        }
        Ok(())
    },
};

pub(super) static PATH: TextFormat = TextFormat {
    what: "a path pattern",
    example: "/api/*",
    pattern: "^/[A-Za-z0-9 _.$/~\"'@:+&*?-]{0,127}$",
    check: |text| {
        let allowed = |c: char| c.is_ascii_alphanumeric() || " _-.$/~\"'@:+&*?".contains(c);
        longest(text, 128)?;
        if !text.starts_with('/') {
            return Err(TextRuleViolation::Form("a path pattern starts with `/`"));
        }
        only(text, allowed, "letters, digits and `_-.$/~\"'@:+&*?`")
    },
};

pub(super) static METHOD: TextFormat = TextFormat {
    what: "a request method",
    example: "GET",
    pattern: "^[A-Z_-]{1,40}$",
    check: |text| {
        longest(text, 40)?;
        let allowed = |c: char| c.is_ascii_uppercase() || c == '-' || c == '_';
        only(text, allowed, "capital letters, `-` and `_`")
    },
};

pub(super) static HEADER: TextFormat = TextFormat {
    what: "the name of a header",
    example: "X-Tenant",
    pattern: "^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,40}$",
    check: |text| {
        longest(text, 40)?;
        if text.eq_ignore_ascii_case("host") {
            return Err(TextRuleViolation::Form(
                "the Host header is matched by `host`",
            ));
        }
        let allowed = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+.^_`|~-".contains(c);
        only(text, allowed, "the characters of a header name")
    },
};

pub(super) static QUERY_KEY: TextFormat = TextFormat {
    what: "a query key",
    example: "version",
    pattern: "^[ -~]{1,128}$",
    check: visible,
};

pub(super) static QUERY: TextFormat = TextFormat {
    what: "a value pattern",
    example: "v1*",
    pattern: "^[ -~]{1,128}$",
    check: visible,
};

fn visible(text: &str) -> Result<(), TextRuleViolation> {
    longest(text, 128)?;
    only(text, |c| (' '..='~').contains(&c), "visible ASCII")
}

pub(super) static CIDR: TextFormat = TextFormat {
    what: "an address block",
    example: "10.0.0.0/8",
    pattern: "^[0-9a-fA-F.:]+/[0-9]{1,3}$",
    check: |text| {
        let wrong = || {
            Err(TextRuleViolation::Form(
                "it is an address, `/` and a number of bits",
            ))
        };
        let Some((address, bits)) = text.split_once('/') else {
            return wrong();
        };
        let most = match address.parse::<std::net::IpAddr>() {
            Ok(std::net::IpAddr::V4(_)) => 32,
            Ok(std::net::IpAddr::V6(_)) => 128,
            Err(_) => return wrong(),
        };
        match bits.parse::<u8>() {
            Ok(bits) if bits <= most => Ok(()),
            _ => Err(TextRuleViolation::AddressBits { most }),
        }
    },
};

pub(super) static MATCHER: TextFormat = TextFormat {
    what: "status codes",
    example: "200-299,304",
    pattern: "^[0-9]{3}(-[0-9]{3})?(,[0-9]{3}(-[0-9]{3})?)*$",
    check: |text| matcher(text).map(|_| ()),
};

/// Status codes and ranges of them.
pub(crate) fn matcher(text: &str) -> Result<Vec<(u16, u16)>, TextRuleViolation> {
    let mut ranges = Vec::new();
    for part in text.split(',') {
        let (low, high) = part
            .trim()
            .split_once('-')
            .unwrap_or((part.trim(), part.trim()));
        let code = |code: &str| match code.parse::<u16>() {
            Ok(code) if (200..=499).contains(&code) => Ok(code),
            _ => Err(TextRuleViolation::StatusCode(code.to_owned())),
        };
        let (low, high) = (code(low)?, code(high)?);
        if low > high {
            return Err(TextRuleViolation::EmptyStatusRange { low, high });
        }
        ranges.push((low, high));
    }
    Ok(ranges)
}

pub(super) static PROBE: TextFormat = TextFormat {
    what: "a path to ask",
    example: "/healthz",
    pattern: "^/[!-~]{0,1023}$",
    check: |text| {
        longest(text, 1024)?;
        if !text.starts_with('/') {
            return Err(TextRuleViolation::Form("a path starts with `/`"));
        }
        only(
            text,
            |c| ('!'..='~').contains(&c),
            "visible ASCII without spaces",
        )
    },
};

/// Value of a request's `Host`: a name or an address, with a port or without.
pub(super) static AUTHORITY: TextFormat = TextFormat {
    what: "a host name",
    example: "notes.example.com",
    pattern: "^[A-Za-z0-9.-]{1,253}(:[0-9]{1,5})?$",
    check: |text| {
        let (name, port) = text.split_once(':').unwrap_or((text, "80"));
        longest(name, 253)?;
        only(
            name,
            |c| c.is_ascii_alphanumeric() || c == '.' || c == '-',
            "letters, digits, `-` and `.`",
        )?;
        match (name.is_empty(), port.parse::<u16>()) {
            (false, Ok(_)) => Ok(()),
            _ => Err(TextRuleViolation::Form(
                "it is a name, and a port behind a `:` if need be",
            )),
        }
    },
};

pub(super) static HEADER_VALUE: TextFormat = TextFormat {
    what: "the value of a header",
    example: "text/html",
    pattern: "^[!-~]([ -~]{0,1022}[!-~])?$",
    check: field_value,
};

pub(super) static CACHE_CONTROL: TextFormat = TextFormat {
    what: "the value of `Cache-Control`",
    example: "public, max-age=3600",
    pattern: HEADER_VALUE.pattern,
    check: field_value,
};

/// RFC 9110 §5.5: a field value has no control characters, and no space around it.
fn field_value(text: &str) -> Result<(), TextRuleViolation> {
    longest(text, 1024)?;
    only(text, |c| (' '..='~').contains(&c), "visible ASCII")?;
    if text.trim() != text {
        return Err(TextRuleViolation::Form(
            "it has a space before or behind it",
        ));
    }
    Ok(())
}

pub(super) static VERSION: TextFormat = TextFormat {
    what: "a version",
    example: "16",
    pattern: "^[0-9]+(\\.[0-9]+){0,2}$",
    check: |text| {
        let part = |p: &str| !p.is_empty() && p.len() < 6 && p.bytes().all(|b| b.is_ascii_digit());
        if text.split('.').count() <= 3 && text.split('.').all(part) {
            return Ok(());
        }
        Err(TextRuleViolation::Form(
            "it is one to three numbers with `.` between them",
        ))
    },
};

pub(super) static URL: TextFormat = TextFormat {
    what: "the URL of a server",
    example: "postgres://user@db.example.com:5432/notes",
    pattern: "^[a-z][a-z0-9+.-]*://[^\\x00-\\x1f\\x7f-\\x9f]+$",
    check: |text| match text.split_once("://") {
        Some((scheme, rest)) if !scheme.is_empty() && !rest.is_empty() => printable(text),
        _ => Err(TextRuleViolation::Form(
            "it is `SCHEME://USER@HOST:PORT/NAME`",
        )),
    },
};

pub(super) static WEBHOOK: TextFormat = TextFormat {
    what: "the URL of a webhook",
    example: "https://hooks.example.com/services/T0/B0/x",
    pattern: "^https?://[!$-.0-9:;=A-\\[\\]_a-z~]+([/?][!-\"$-~]*)?$",
    check: webhook,
};

fn webhook(text: &str) -> Result<(), TextRuleViolation> {
    let rest = text
        .strip_prefix("https://")
        .or_else(|| text.strip_prefix("http://"));
    let Some(rest) = rest else {
        return Err(TextRuleViolation::Form(
            "it begins with `https://` or `http://`",
        ));
    };
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if host.is_empty() {
        return Err(TextRuleViolation::Form("it has no host"));
    }
    if host.contains('@') {
        return Err(TextRuleViolation::Form(
            "a user and a password in it are not sent",
        ));
    }
    if text.contains('#') {
        return Err(TextRuleViolation::Form("the part after `#` is not sent"));
    }
    if !text.chars().all(|c| c.is_ascii_graphic()) {
        return Err(TextRuleViolation::Form(
            "it has a space or a character that is not ASCII",
        ));
    }
    Ok(())
}

pub(super) static GENERATE: TextFormat = TextFormat {
    what: "a way to make a secret",
    example: "base64:32",
    pattern: "^(base64|hex):[0-9]{1,4}$",
    check: |text| match text.split_once(':') {
        Some(("base64" | "hex", bytes)) => match bytes.parse::<u16>() {
            Ok(16..=1024) => Ok(()),
            _ => Err(TextRuleViolation::Form(
                "a secret has 16 to 1024 random bytes",
            )),
        },
        _ => Err(TextRuleViolation::Form(
            "it is `base64:BYTES` or `hex:BYTES`",
        )),
    },
};

pub(super) static DATAPOINTS: TextFormat = TextFormat {
    what: "data points to alarm",
    example: "2/3",
    pattern: "^[1-9][0-9]{0,4}/[1-9][0-9]{0,4}$",
    check: |text| {
        let parts = text.split_once('/');
        let Some((Ok(m), Ok(n))) = parts.map(|(m, n)| (m.parse::<u32>(), n.parse::<u32>())) else {
            return Err(TextRuleViolation::Form(
                "it is `M/N`: M breaching data points of the last N",
            ));
        };
        if m == 0 || m > n {
            return Err(TextRuleViolation::Form(
                "of N data points at least 1 and at most N can breach",
            ));
        }
        Ok(())
    },
};

pub(super) static STATISTIC: TextFormat = TextFormat {
    what: "a statistic",
    example: "p95",
    pattern: "^(average|sum|minimum|maximum|sample-count|iqm|(p|tm|tc|ts|wm)[0-9]{1,2}(\\.[0-9]{1,10})?|p100)$",
    check: |text| {
        if [
            "average",
            "sum",
            "minimum",
            "maximum",
            "sample-count",
            "iqm",
        ]
        .contains(&text)
        {
            return Ok(());
        }
        let number = ["tm", "tc", "ts", "wm", "p"]
            .iter()
            .find_map(|p| text.strip_prefix(p));
        match number.map(str::parse::<f64>) {
            Some(Ok(number)) if number > 0.0 && number <= 100.0 => Ok(()),
            _ => Err(TextRuleViolation::Form(
                "it is average, sum, minimum, maximum, sample-count, or a percentile such as `p95`",
            )),
        }
    },
};

pub(super) static REGION: TextFormat = TextFormat {
    what: "an AWS region",
    example: "eu-central-1",
    pattern: "^[a-z]{2}(-[a-z]+)+-[0-9]$",
    check: |text| {
        let parts: Vec<&str> = text.split('-').collect();
        let (Some(first), Some(last)) = (parts.first(), parts.last()) else {
            return Err(TextRuleViolation::Form(
                "it is a code such as `eu-central-1`",
            ));
        };
        let word = |p: &&str| !p.is_empty() && p.bytes().all(|b| b.is_ascii_lowercase());
        let middle = parts.len() >= 3 && parts[1..parts.len() - 1].iter().all(word);
        let digit = last.len() == 1 && last.bytes().all(|b| b.is_ascii_digit());
        if first.len() == 2 && word(first) && middle && digit {
            return Ok(());
        }
        Err(TextRuleViolation::Form(
            "it is a code such as `eu-central-1`",
        ))
    },
};

pub(super) static DOMAIN: TextFormat = TextFormat {
    what: "a domain name",
    example: "notes.example.com",
    pattern: "^(\\*\\.)?[A-Za-z0-9-]+(\\.[A-Za-z0-9-]+)+$",
    check: |text| {
        let label = |l: &str| {
            let ends = l.starts_with('-') || l.ends_with('-');
            (1..=63).contains(&l.len())
                && !ends
                && l.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        };
        let name = text.strip_prefix("*.").unwrap_or(text);
        if text.len() <= 253 && name.contains('.') && name.split('.').all(label) {
            return Ok(());
        }
        Err(TextRuleViolation::Form(
            "it is labels of letters, digits and `-` with `.` between them",
        ))
    },
};

pub(super) static ADDRESS: TextFormat = TextFormat {
    what: "an IP address",
    example: "127.0.0.1",
    pattern: "^[0-9a-fA-F.:]+$",
    check: |text| match text.parse::<std::net::IpAddr>() {
        Ok(_) => Ok(()),
        Err(_) => Err(TextRuleViolation::Form("it is an IPv4 or IPv6 address")),
    },
};

pub(super) static COOKIE: TextFormat = TextFormat {
    what: "the name of a cookie",
    example: "session",
    pattern: "^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}$",
    check: |text| {
        longest(text, 128)?;
        if text.starts_with("AWSALB") {
            return Err(TextRuleViolation::Form(
                "names that start with `AWSALB` are the load balancer's own",
            ));
        }
        let allowed = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+.^_`|~-".contains(c);
        only(text, allowed, "the characters of a cookie name")
    },
};

pub(super) static WINDOW: TextFormat = TextFormat {
    what: "a daily window",
    example: "03:00-04:00",
    pattern: "^[0-2][0-9]:[0-5][0-9]-[0-2][0-9]:[0-5][0-9]$",
    check: |text| Ok(calendar::window(text).map(|_| ())?),
};

pub(super) static MAINTENANCE: TextFormat = TextFormat {
    what: "a weekly window",
    example: "mon:04:00-mon:05:00",
    pattern: "^[a-z]{3}:[0-2][0-9]:[0-5][0-9]-[a-z]{3}:[0-2][0-9]:[0-5][0-9]$",
    check: |text| Ok(calendar::maintenance(text).map(|_| ())?),
};

pub(super) static SCHEDULE: TextFormat = TextFormat {
    what: "a schedule",
    example: "rate(5 minutes)",
    pattern: "^(rate|cron)\\(.+\\)$",
    check: |text| Ok(calendar::schedule(text)?),
};
