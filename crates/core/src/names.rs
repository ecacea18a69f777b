//! What to say about a name that nothing has.

/// Names in one help line; of more, so many are named.
const SHOWN: usize = 12;

/// Help for a wrong name: the one that was probably meant, or those that there are.
#[must_use]
pub fn meant(name: &str, known: &[&str]) -> String {
    if known.is_empty() {
        return "there are none".to_owned();
    }
    let list = match known.get(..SHOWN) {
        Some(some) if known.len() > SHOWN => {
            format!("{} and {} more", some.join(", "), known.len() - SHOWN)
        }
        _ => known.join(", "),
    };
    match nearest(name, known) {
        Some(near) => format!("did you mean `{near}`? There are: {list}"),
        None => format!("there are: {list}"),
    }
}

/// The candidate that is a typing error away.
pub(crate) fn nearest<'a>(name: &str, candidates: &[&'a str]) -> Option<&'a str> {
    let plain = name.to_lowercase().replace('_', "-");
    let scored = candidates.iter().map(|candidate| {
        let similar = strsim::jaro_winkler(&plain, candidate);
        (
            *candidate,
            similar,
            strsim::damerau_levenshtein(&plain, candidate),
        )
    });
    scored
        .filter(|(_, similar, distance)| *similar > 0.85 || *distance <= 1)
        .max_by(|a, b| a.1.total_cmp(&b.1))
        .map(|(candidate, ..)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_offered_and_the_others_are_listed() {
        for (name, known, words) in [
            (
                "wbe",
                &["api", "web"][..],
                "did you mean `web`? There are: api, web",
            ),
            ("x", &["api", "web"], "there are: api, web"),
            ("x", &[], "there are none"),
        ] {
            assert_eq!(meant(name, known), words, "{name}");
        }
        let many: Vec<String> = (0..20).map(|number| format!("task-{number}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        let words = meant("x", &many);
        assert!(words.ends_with("task-11 and 8 more"), "{words}");
    }
}
