//! Windows and schedules: `03:00-04:00`, `mon:04:00-mon:05:00`, `rate(5 minutes)`, `cron(…)`.
//!
//! Invariant: minutes of a day or of a week, UTC. Refuses windows under 30 minutes and
//! schedules that EventBridge would refuse.

const DAY: u32 = 24 * 60;
const WEEK: u32 = 7 * DAY;
const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// A daily window: (first minute of the day, length in minutes).
pub(super) fn window(text: &str) -> Result<(u32, u32), String> {
    let times = text.split_once('-');
    let Some((Some(from), Some(to))) = times.map(|(from, to)| (clock(from), clock(to))) else {
        return Err("it is `HH:MM-HH:MM`, UTC".into());
    };
    long_enough(from, (to + DAY - from) % DAY)
}

/// A weekly window: (first minute of the week from Monday, length in minutes).
pub(super) fn maintenance(text: &str) -> Result<(u32, u32), String> {
    let moment = |text: &str| {
        let (day, time) = text.split_once(':')?;
        let day = u32::try_from(DAYS.iter().position(|d| *d == day)?).ok()?;
        Some(day * DAY + clock(time)?)
    };
    let times = text.split_once('-');
    let Some((Some(from), Some(to))) = times.map(|(from, to)| (moment(from), moment(to))) else {
        return Err("it is `ddd:HH:MM-ddd:HH:MM`, UTC, with days `mon` to `sun`".into());
    };
    long_enough(from, (to + WEEK - from) % WEEK)
}

fn long_enough(from: u32, minutes: u32) -> Result<(u32, u32), String> {
    if minutes < 30 {
        return Err(format!(
            "a window has at least 30 minutes, this one has {minutes}"
        ));
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

pub(super) fn schedule(text: &str) -> Result<(), String> {
    let argument = |name: &str| text.strip_prefix(name)?.strip_suffix(')');
    if let Some(rate) = argument("rate(") {
        return check_rate(rate);
    }
    if let Some(fields) = argument("cron(") {
        return check_cron(fields);
    }
    if let [minute, hour, dom, month, dow] = text.split_whitespace().collect::<Vec<_>>()[..] {
        let (dom, dow) = if dow == "*" { (dom, "?") } else { ("?", dow) };
        return Err(format!(
            "AWS writes it with six fields in `cron(…)`, perhaps `cron({minute} {hour} {dom} {month} {dow} *)` \
             (days of the week count from 1 = SUN)"
        ));
    }
    Err("it is `rate(5 minutes)` or `cron(MINUTE HOUR DAY MONTH WEEKDAY YEAR)`".into())
}

fn check_rate(text: &str) -> Result<(), String> {
    let wrong = || Err("a rate is a number and `minutes`, `hours` or `days`".to_owned());
    let Some((number, unit)) = text.split_once(' ') else {
        return wrong();
    };
    let Some(number) = number.parse::<u32>().ok().filter(|n| *n > 0) else {
        return wrong();
    };
    match (unit, number) {
        ("minute" | "hour" | "day", 1) | ("minutes" | "hours" | "days", 2..) => Ok(()),
        ("minutes" | "hours" | "days", 1) => Err(format!(
            "with 1 the unit has no `s`: `rate(1 {})`",
            unit.trim_end_matches('s')
        )),
        ("minute" | "hour" | "day", _) => Err(format!(
            "with {number} the unit has an `s`: `rate({number} {unit}s)`"
        )),
        _ => wrong(),
    }
}

const MONTHS: [&str; 12] = [
    "JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC",
];
const WEEKDAYS: [&str; 7] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

fn check_cron(text: &str) -> Result<(), String> {
    let fields: Vec<&str> = text.split_whitespace().collect();
    let [minute, hour, dom, month, dow, year] = fields[..] else {
        return Err(format!(
            "`cron(…)` has six fields (minute, hour, day, month, weekday, year), this one has {}",
            fields.len()
        ));
    };
    cron_field("minute", minute, 0, 59, &[])?;
    cron_field("hour", hour, 0, 23, &[])?;
    cron_field("month", month, 1, 12, &MONTHS)?;
    cron_field("year", year, 1970, 2199, &[])?;
    match (dom, dow) {
        ("?", "?") => Err("one of day and weekday says when, the other is `?`".into()),
        ("?", dow) => cron_field("weekday", dow, 1, 7, &WEEKDAYS),
        (dom, "?") => cron_field("day", dom, 1, 31, &[]),
        _ => Err("one of day and weekday is `?`".into()),
    }
}

fn cron_field(name: &str, text: &str, low: u32, high: u32, words: &[&str]) -> Result<(), String> {
    let wrong = || format!("`{text}` is no {name}: it is {low} to {high}, with `*`, `,`, `-`, `/`");
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
            return Err(format!("`{range}` goes backwards"));
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
