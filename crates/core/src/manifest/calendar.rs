//! Windows and schedules: `03:00-04:00`, `mon:04:00-mon:05:00`, `rate(5 minutes)`, `cron(…)`.
//!
//! Invariant: minutes of a day or of a week, UTC. Refuses windows under 30 minutes and
//! schedules that EventBridge would refuse.

/// Why a text is no window or no schedule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CalendarError {
    /// Not the form of a daily window.
    #[error("it is `HH:MM-HH:MM`, UTC")]
    DailyForm,
    /// Not the form of a weekly window.
    #[error("it is `ddd:HH:MM-ddd:HH:MM`, UTC, with days `mon` to `sun`")]
    WeeklyForm,
    /// A window that AWS refuses as too short.
    #[error("a window has at least 30 minutes, this one has {minutes}")]
    ShortWindow {
        /// Length of the refused window.
        minutes: u32,
    },
    /// Neither a rate nor a cron expression.
    #[error("it is `rate(5 minutes)` or `cron(MINUTE HOUR DAY MONTH WEEKDAY YEAR)`")]
    ScheduleForm,
    /// A cron expression of five fields, as Unix has it.
    #[error(
        "AWS writes it with six fields in `cron(…)`, perhaps `cron({fields})` \
         (days of the week count from 1 = SUN)"
    )]
    UnixCron {
        /// The same schedule in AWS's six fields.
        fields: String,
    },
    /// Not the form of a rate.
    #[error("a rate is a number and `minutes`, `hours` or `days`")]
    RateForm,
    /// A rate of one with its unit in the plural.
    #[error("with 1 the unit has no `s`: `rate(1 {unit})`")]
    PluralUnit {
        /// `minute`, `hour` or `day`.
        unit: String,
    },
    /// A rate of several with its unit in the singular.
    #[error("with {number} the unit has an `s`: `rate({number} {unit}s)`")]
    SingularUnit {
        /// Two or more.
        number: u32,
        /// `minute`, `hour` or `day`.
        unit: String,
    },
    /// A cron expression with too few or too many fields.
    #[error(
        "`cron(…)` has six fields (minute, hour, day, month, weekday, year), this one has {found}"
    )]
    CronFields {
        /// Fields that it has.
        found: usize,
    },
    /// A cron expression that leaves day and weekday open.
    #[error("one of day and weekday says when, the other is `?`")]
    NoDay,
    /// A cron expression that sets day and weekday.
    #[error("one of day and weekday is `?`")]
    TwoDays,
    /// A field of a cron expression with a value that it cannot have.
    #[error("`{text}` is no {field}: it is {low} to {high}, with `*`, `,`, `-`, `/`")]
    CronField {
        /// `minute`, `weekday`, ….
        field: &'static str,
        /// The text as it is written.
        text: String,
        /// Its smallest value.
        low: u32,
        /// Its largest value.
        high: u32,
    },
    /// A range of a cron expression that ends before it begins.
    #[error("`{0}` goes backwards")]
    BackwardRange(String),
}

const DAY: u32 = 24 * 60;
const WEEK: u32 = 7 * DAY;
const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// A daily window: (first minute of the day, length in minutes).
pub(super) fn window(text: &str) -> Result<(u32, u32), CalendarError> {
    let times = text.split_once('-');
    let Some((Some(from), Some(to))) = times.map(|(from, to)| (clock(from), clock(to))) else {
        return Err(CalendarError::DailyForm);
    };
    long_enough(from, (to + DAY - from) % DAY)
}

/// A weekly window: (first minute of the week from Monday, length in minutes).
pub(super) fn maintenance(text: &str) -> Result<(u32, u32), CalendarError> {
    let moment = |text: &str| {
        let (day, time) = text.split_once(':')?;
        let day = u32::try_from(DAYS.iter().position(|d| *d == day)?).ok()?;
        Some(day * DAY + clock(time)?)
    };
    let times = text.split_once('-');
    let Some((Some(from), Some(to))) = times.map(|(from, to)| (moment(from), moment(to))) else {
        return Err(CalendarError::WeeklyForm);
    };
    long_enough(from, (to + WEEK - from) % WEEK)
}

fn long_enough(from: u32, minutes: u32) -> Result<(u32, u32), CalendarError> {
    if minutes < 30 {
        return Err(CalendarError::ShortWindow { minutes });
    }
    Ok((from, minutes))
}

fn clock(text: &str) -> Option<u32> {
    let (hour, minute) = text.split_once(':')?;
    let two = |text: &str| match text.as_bytes() {
        [a, b] if a.is_ascii_digit() && b.is_ascii_digit() => text.parse::<u32>().ok(),
        _ => None,
    };
    let (hour, minute) = (two(hour)?, two(minute)?);
    (hour < 24 && minute < 60).then_some(hour * 60 + minute)
}

/// Whether a daily window and a weekly one share a minute.
pub(super) fn overlap(daily: (u32, u32), weekly: (u32, u32)) -> bool {
    (0..7).any(|day| {
        let from = day * DAY + daily.0;
        let inside = |moment: u32, start: u32, length: u32| (moment + WEEK - start) % WEEK < length;
        inside(from, weekly.0, weekly.1) || inside(weekly.0, from, daily.1)
    })
}

pub(super) fn schedule(text: &str) -> Result<(), CalendarError> {
    let argument = |name: &str| text.strip_prefix(name)?.strip_suffix(')');
    if let Some(rate) = argument("rate(") {
        return check_rate(rate);
    }
    if let Some(fields) = argument("cron(") {
        return check_cron(fields);
    }
    if let [minute, hour, dom, month, dow] = text.split_whitespace().collect::<Vec<_>>()[..] {
        let (dom, dow) = if dow == "*" { (dom, "?") } else { ("?", dow) };
        return Err(CalendarError::UnixCron {
            fields: format!("{minute} {hour} {dom} {month} {dow} *"),
        });
    }
    Err(CalendarError::ScheduleForm)
}

fn check_rate(text: &str) -> Result<(), CalendarError> {
    let wrong = || Err(CalendarError::RateForm);
    let Some((number, unit)) = text.split_once(' ') else {
        return wrong();
    };
    let Some(number) = number.parse::<u32>().ok().filter(|n| *n > 0) else {
        return wrong();
    };
    match (unit, number) {
        ("minute" | "hour" | "day", 1) | ("minutes" | "hours" | "days", 2..) => Ok(()),
        ("minutes" | "hours" | "days", 1) => Err(CalendarError::PluralUnit {
            unit: unit.trim_end_matches('s').to_owned(),
        }),
        ("minute" | "hour" | "day", _) => Err(CalendarError::SingularUnit {
            number,
            unit: unit.to_owned(),
        }),
        _ => wrong(),
    }
}

const MONTHS: [&str; 12] = [
    "JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC",
];
const WEEKDAYS: [&str; 7] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

fn check_cron(text: &str) -> Result<(), CalendarError> {
    let fields: Vec<&str> = text.split_whitespace().collect();
    let [minute, hour, dom, month, dow, year] = fields[..] else {
        return Err(CalendarError::CronFields {
            found: fields.len(),
        });
    };
    cron_field("minute", minute, 0, 59, &[])?;
    cron_field("hour", hour, 0, 23, &[])?;
    cron_field("month", month, 1, 12, &MONTHS)?;
    cron_field("year", year, 1970, 2199, &[])?;
    match (dom, dow) {
        ("?", "?") => Err(CalendarError::NoDay),
        ("?", dow) => cron_field("weekday", dow, 1, 7, &WEEKDAYS),
        (dom, "?") => cron_field("day", dom, 1, 31, &[]),
        _ => Err(CalendarError::TwoDays),
    }
}

fn cron_field(
    name: &'static str,
    text: &str,
    low: u32,
    high: u32,
    words: &[&str],
) -> Result<(), CalendarError> {
    let wrong = || CalendarError::CronField {
        field: name,
        text: text.to_owned(),
        low,
        high,
    };
    let number = |part: &str| {
        let word = words.iter().position(|w| w.eq_ignore_ascii_case(part));
        let word = word.and_then(|i| u32::try_from(i).ok()).map(|i| i + low);
        let number = word.or_else(|| part.parse().ok());
        number
            .filter(|n| (low..=high).contains(n))
            .ok_or_else(wrong)
    };
    for part in text.split(',') {
        let (range, step) = part
            .split_once('/')
            .map_or((part, None), |(r, s)| (r, Some(s)));
        if let Some(step) = step
            && !step.parse::<u32>().is_ok_and(|s| s > 0)
        {
            return Err(wrong());
        }
        if range == "*" || special(name, range) {
            continue;
        }
        let (from, to) = range.split_once('-').unwrap_or((range, range));
        if number(from)? > number(to)? {
            return Err(CalendarError::BackwardRange(range.to_owned()));
        }
    }
    Ok(())
}

/// `L` and `15W` for days, `6L` and `3#2` for weekdays.
fn special(name: &str, text: &str) -> bool {
    let digit = |text: &str, most: u32| text.parse::<u32>().is_ok_and(|n| (1..=most).contains(&n));
    match name {
        "day" => text == "L" || text.strip_suffix('W').is_some_and(|d| digit(d, 31)),
        "weekday" => {
            text == "L"
                || text.strip_suffix('L').is_some_and(|d| digit(d, 7))
                || text
                    .split_once('#')
                    .is_some_and(|(d, n)| digit(d, 7) && digit(n, 5))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schedules_that_eventbridge_takes_are_right_and_others_wrong() {
        for right in [
            "rate(1 minute)",
            "rate(5 minutes)",
            "cron(0 3 * * ? *)",
            "cron(0/15 8-17 ? * MON-FRI *)",
            "cron(0 0 L * ? *)",
            "cron(0 9 ? * 6L *)",
            "cron(30 4 1,15 JAN ? 2027)",
            "cron(0 9 ? * 3#2 *)",
        ] {
            assert_eq!(schedule(right), Ok(()), "{right}");
        }
        for wrong in [
            "",
            "rate(5)",
            "rate(0 minutes)",
            "rate(1 minutes)",
            "rate(2 minute)",
            "0 3 * * *",
            "cron(0 3 * * *)",
            "cron(60 3 * * ? *)",
            "cron(0 3 * * * *)",
            "cron(0 3 ? * ? *)",
            "cron(0 3 5-1 * ? *)",
            "cron(*/0 3 * * ? *)",
        ] {
            assert!(schedule(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn windows_wrap_at_midnight_and_overlap_is_seen() {
        assert_eq!(window("23:45-00:30"), Ok((1425, 45)));
        assert!(window("03:00-03:29").is_err());
        let daily = window("03:30-04:30").unwrap();
        assert!(overlap(daily, maintenance("mon:04:00-mon:05:00").unwrap()));
        assert!(!overlap(daily, maintenance("mon:05:00-mon:06:00").unwrap()));
        assert!(overlap(
            window("23:30-00:30").unwrap(),
            maintenance("mon:00:00-mon:00:30").unwrap()
        ));
    }
}
