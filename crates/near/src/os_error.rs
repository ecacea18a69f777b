//! The kernel's number in a chain of errors: what a shortage is known by, whoever wrapped it.

use std::error::Error;
use std::io;

/// The first one, from the outside in.
#[must_use]
pub(crate) fn os_error(error: &(dyn Error + 'static)) -> Option<i32> {
    std::iter::successors(Some(error), |&error| error.source())
        .filter_map(|error| error.downcast_ref::<io::Error>())
        .find_map(io::Error::raw_os_error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("wrapped")]
    struct Wrapped(#[source] io::Error);

    #[test]
    fn a_number_is_found_under_whatever_wraps_it() {
        let full = || io::Error::from_raw_os_error(28);
        assert_eq!(os_error(&full()), Some(28));
        assert_eq!(os_error(&Wrapped(full())), Some(28));
        assert_eq!(os_error(&io::Error::other(Wrapped(full()))), Some(28));
        assert_eq!(os_error(&io::Error::other("No space left")), None);
    }
}
