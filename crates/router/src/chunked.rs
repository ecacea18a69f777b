//! Following a chunked body without changing it.
//!
//! Invariant: strict: CRLF only, 1..=15 hex digits, bounded size lines and trailers. What does
//! not fit is refused, never guessed.

/// Most bytes of a size line (with extensions).
const MOST_SIZE_LINE: usize = 1024;
/// Most bytes of all trailers.
const MOST_TRAILERS: usize = 16 * 1024;

/// Where in a chunked body the reader is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Scanner {
    place: Place,
    size: u64,
    digits: u32,
    line: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Size,
    Extension,
    SizeLf,
    Data(u64),
    DataCr,
    DataLf,
    TrailerStart,
    Trailer,
    TrailerLf,
    EndLf,
    Done,
}

/// The body is not valid chunked coding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Malformed;

impl Scanner {
    pub(crate) fn new() -> Self {
        Self {
            place: Place::Size,
            size: 0,
            digits: 0,
            line: 0,
        }
    }

    pub(crate) fn is_done(&self) -> bool {
        self.place == Place::Done
    }

    /// Follows `bytes`; how many belong to this body. Payload goes to `data` as ranges.
    pub(crate) fn advance(
        &mut self,
        bytes: &[u8],
        mut data: impl FnMut(&[u8]),
    ) -> Result<usize, Malformed> {
        let mut at = 0;
        while at < bytes.len() && self.place != Place::Done {
            if let Place::Data(left) = self.place {
                let rest = &bytes[at..];
                let take = usize::try_from(left).unwrap_or(usize::MAX).min(rest.len());
                data(&rest[..take]);
                at += take;
                let left = left - take as u64;
                self.place = if left == 0 {
                    Place::DataCr
                } else {
                    Place::Data(left)
                };
            } else {
                self.step(bytes[at])?;
                at += 1;
            }
        }
        Ok(at)
    }

    fn step(&mut self, byte: u8) -> Result<(), Malformed> {
        self.line += 1;
        let next = match (self.place, byte) {
            (Place::Size, b'\r' | b';') if self.digits > 0 => {
                if byte == b'\r' {
                    Place::SizeLf
                } else {
                    Place::Extension
                }
            }
            (Place::Size, _) => {
                let digit = char::from(byte).to_digit(16).ok_or(Malformed)?;
                self.digits += 1;
                self.size = self.size << 4 | u64::from(digit);
                if self.digits > 15 {
                    return Err(Malformed);
                }
                Place::Size
            }
            (Place::Extension, b'\r') => Place::SizeLf,
            (Place::Extension, b'\n') => return Err(Malformed),
            (Place::Extension, _) if self.line <= MOST_SIZE_LINE => Place::Extension,
            (Place::SizeLf, b'\n') => {
                let size = std::mem::take(&mut self.size);
                (self.digits, self.line) = (0, 0);
                if size == 0 {
                    Place::TrailerStart
                } else {
                    Place::Data(size)
                }
            }
            (Place::DataCr, b'\r') => Place::DataLf,
            (Place::DataLf, b'\n') => {
                self.line = 0;
                Place::Size
            }
            (Place::TrailerStart, b'\r') => Place::EndLf,
            (Place::Trailer, b'\r') => Place::TrailerLf,
            (Place::TrailerStart | Place::Trailer, b'\n' | 0) => return Err(Malformed),
            (Place::TrailerStart | Place::Trailer, _) if self.line <= MOST_TRAILERS => {
                Place::Trailer
            }
            (Place::TrailerLf, b'\n') => Place::TrailerStart,
            (Place::EndLf, b'\n') => Place::Done,
            _ => return Err(Malformed),
        };
        self.place = next;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scan(text: &str, step: usize) -> Result<(String, usize, bool), Malformed> {
        let mut scanner = Scanner::new();
        let (mut payload, mut used) = (Vec::new(), 0);
        for part in text.as_bytes().chunks(step) {
            used += scanner.advance(part, |d| payload.extend_from_slice(d))?;
        }
        Ok((
            String::from_utf8_lossy(&payload).into_owned(),
            used,
            scanner.is_done(),
        ))
    }

    #[test]
    fn bodies_are_followed_whatever_way_they_are_cut() {
        let text = "5;a=b\r\nhello\r\nA\r\n0123456789\r\n0\r\nX: y\r\n\r\nGET";
        for step in 1..text.len() {
            let (payload, used, done) = scan(text, step).expect("valid");
            assert_eq!(
                (payload.as_str(), used, done),
                ("hello0123456789", text.len() - 3, true)
            );
        }
    }

    #[test]
    fn anything_loose_is_malformed() {
        for text in [
            "\r\n",
            "g\r\n",
            "5\nhello",
            "5 \r\nhello",
            "5\r\nhelloX",
            "0x5\r\n",
            "-1\r\n",
            "1234567890abcdef0\r\n",
            "0\r\n\n",
            "5;a\nb\r\n",
        ] {
            assert_eq!(scan(text, 64), Err(Malformed), "{text:?}");
        }
    }
}
