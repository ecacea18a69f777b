//! What to say about a name that nothing has.

use crate::manifest::nearest;

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
