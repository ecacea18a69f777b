//! Reading a chunked body: what is passed on is written anew.
//!
//! Invariant: strict: CRLF only, 1..=15 hex digits, bounded size lines, extensions and trailers.
//! What does not fit is refused, never guessed. Extensions are dropped; of the trailers only
//! whole, well-formed fields are kept that [`neargate_core::routing::head::may_trail`] allows.

use std::io::Write;

use neargate_core::routing::head;

/// Most bytes of a size line (with extensions).
const MOST_SIZE_LINE: usize = 1024;
/// Most bytes of all extensions of a body.
const MOST_EXTENSIONS: usize = 16 * 1024;
/// Most bytes of all trailers.
const MOST_TRAILERS: usize = 16 * 1024;

/// Where in a chunked body the reader is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChunkScanner {
    place: ChunkState,
    size: u64,
    digits: u32,
    line: usize,
    extensions: usize,
    /// The trailer that is being read.
    field: Vec<u8>,
    /// Lines of the trailers that may be passed on.
    trailers: Vec<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ChunkState {
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
pub struct MalformedChunks;

impl Default for ChunkScanner {
    fn default() -> Self {
        Self::new()
    }
}

impl ChunkScanner {
    /// At the beginning of a body.
    #[must_use]
    pub fn new() -> Self {
        Self {
            place: ChunkState::Size,
            size: 0,
            digits: 0,
            line: 0,
            extensions: 0,
            field: Vec::new(),
            trailers: Vec::new(),
        }
    }

    /// Whether the body has ended, trailers included.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.place == ChunkState::Done
    }

    /// Bytes of the payload that come next: 0 outside of a chunk's.
    #[must_use]
    pub fn payload_left(&self) -> u64 {
        match self.place {
            ChunkState::Data(left) => left,
            _ => 0,
        }
    }

    /// Follows what is not payload, up to a payload or the end; how many bytes that were.
    ///
    /// # Errors
    /// [`MalformedChunks`] at the first byte that does not fit.
    pub fn advance_to_payload(&mut self, bytes: &[u8]) -> Result<usize, MalformedChunks> {
        let mut at = 0;
        while at < bytes.len() && self.payload_left() == 0 && !self.is_done() {
            self.step(bytes[at])?;
            at += 1;
        }
        Ok(at)
    }

    /// Whole lines of the trailers that may be passed on.
    #[must_use]
    pub fn trailers(&self) -> &[u8] {
        &self.trailers
    }

    /// Follows `bytes`; how many belong to this body. Payload goes to `data` in pieces.
    ///
    /// # Errors
    /// [`MalformedChunks`] at the first byte that does not fit.
    pub fn advance(
        &mut self,
        bytes: &[u8],
        mut data: impl FnMut(&[u8]),
    ) -> Result<usize, MalformedChunks> {
        let mut at = 0;
        while at < bytes.len() && self.place != ChunkState::Done {
            if let ChunkState::Data(left) = self.place {
                let rest = &bytes[at..];
                let take = usize::try_from(left).unwrap_or(usize::MAX).min(rest.len());
                data(&rest[..take]);
                at += take;
                let left = left - take as u64;
                self.place = if left == 0 {
                    ChunkState::DataCr
                } else {
                    ChunkState::Data(left)
                };
            } else {
                self.step(bytes[at])?;
                at += 1;
            }
        }
        Ok(at)
    }

    fn step(&mut self, byte: u8) -> Result<(), MalformedChunks> {
        self.line += 1;
        self.place = match (self.place, byte) {
            (ChunkState::Size, b'\r') if self.digits > 0 => ChunkState::SizeLf,
            (ChunkState::Size, b';') if self.digits > 0 => ChunkState::Extension,
            (ChunkState::Size, _) => self.digit(byte)?,
            (ChunkState::Extension, b'\r') => ChunkState::SizeLf,
            (ChunkState::Extension, _) => self.extension(byte)?,
            (ChunkState::SizeLf, b'\n') => {
                let size = std::mem::take(&mut self.size);
                (self.digits, self.line) = (0, 0);
                match size {
                    0 => ChunkState::TrailerStart,
                    size => ChunkState::Data(size),
                }
            }
            (ChunkState::DataCr, b'\r') => ChunkState::DataLf,
            (ChunkState::DataLf, b'\n') => {
                self.line = 0;
                ChunkState::Size
            }
            (ChunkState::TrailerStart, b'\r') => ChunkState::EndLf,
            (ChunkState::Trailer, b'\r') => ChunkState::TrailerLf,
            (ChunkState::TrailerStart | ChunkState::Trailer, _)
                if self.line <= MOST_TRAILERS && is_text(byte) =>
            {
                self.field.push(byte);
                ChunkState::Trailer
            }
            (ChunkState::TrailerLf, b'\n') => {
                self.trailer()?;
                ChunkState::TrailerStart
            }
            (ChunkState::EndLf, b'\n') => ChunkState::Done,
            _ => return Err(MalformedChunks),
        };
        Ok(())
    }

    fn digit(&mut self, byte: u8) -> Result<ChunkState, MalformedChunks> {
        let digit = char::from(byte).to_digit(16).ok_or(MalformedChunks)?;
        self.digits += 1;
        self.size = self.size << 4 | u64::from(digit);
        if self.digits > 15 {
            return Err(MalformedChunks);
        }
        Ok(ChunkState::Size)
    }

    fn extension(&mut self, byte: u8) -> Result<ChunkState, MalformedChunks> {
        self.extensions += 1;
        let bounded = self.line <= MOST_SIZE_LINE && self.extensions <= MOST_EXTENSIONS;
        if is_text(byte) && bounded {
            Ok(ChunkState::Extension)
        } else {
            Err(MalformedChunks)
        }
    }

    /// A trailer's line has ended.
    fn trailer(&mut self) -> Result<(), MalformedChunks> {
        let field = std::mem::take(&mut self.field);
        let colon = field
            .iter()
            .position(|b| *b == b':')
            .ok_or(MalformedChunks)?;
        let (name, value) = (&field[..colon], &field[colon + 1..]);
        if name.is_empty()
            || !name.iter().all(|b| is_token(*b))
            || !value.iter().all(|b| is_text(*b))
        {
            return Err(MalformedChunks);
        }
        if std::str::from_utf8(name).is_ok_and(head::may_trail) {
            self.trailers.extend_from_slice(&field);
            self.trailers.extend_from_slice(b"\r\n");
        }
        Ok(())
    }
}

/// Visible, blank or beyond ASCII: no control character.
fn is_text(byte: u8) -> bool {
    byte == b'\t' || (byte >= b' ' && byte != 0x7f)
}

fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// Writes one chunk; nothing when it is empty, which would end the body.
pub(crate) fn write(data: &[u8], out: &mut Vec<u8>) {
    if !data.is_empty() {
        // Writing to a Vec cannot fail.
        let _ = write!(out, "{:x}\r\n", data.len());
        out.extend_from_slice(data);
        out.extend_from_slice(b"\r\n");
    }
}

/// Ends a body, with whole lines of trailers.
pub(crate) fn end(trailers: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(b"0\r\n");
    out.extend_from_slice(trailers);
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scan(text: &str, step: usize) -> Result<(String, usize, bool), MalformedChunks> {
        let mut scanner = ChunkScanner::new();
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
            "5;a\0\r\n",
            "5;a\rb\r\n",
            "0\r\nGET /admin HTTP/1.1\r\n\r\n",
            "0\r\nX: 1\r\n y\r\n\r\n",
            "0\r\n: 1\r\n\r\n",
            "0\r\nX : 1\r\n\r\n",
            "0\r\nX: \0\r\n\r\n",
            "0\r\nX: a\rb\r\n\r\n",
        ] {
            assert_eq!(scan(text, 64), Err(MalformedChunks), "{text:?}");
        }
    }

    #[test]
    fn trailers_that_frame_or_route_are_taken_out() {
        let text = "0\r\nContent-Length: 50\r\nX-Sum: 7\r\nX-Forwarded-For: 6.6.6.6\r\n\r\n";
        let mut scanner = ChunkScanner::new();
        let used = scanner.advance(text.as_bytes(), |_| {});
        assert_eq!(used, Ok(text.len()));
        assert_eq!(scanner.trailers(), b"X-Sum: 7\r\n");
    }

    #[test]
    fn extensions_are_bounded() {
        let one = format!("1;{}\r\nx\r\n", "a".repeat(1000));
        let (mut scanner, mut taken) = (ChunkScanner::new(), 0);
        while scanner.advance(one.as_bytes(), |_| {}).is_ok() {
            taken += 1;
            assert!(taken < 17);
        }
        assert_eq!(taken, 16);
    }

    #[test]
    fn what_is_written_is_read_again() {
        let mut out = Vec::new();
        write(b"hello", &mut out);
        write(b"", &mut out);
        end(b"X: y\r\n", &mut out);
        assert_eq!(out, b"5\r\nhello\r\n0\r\nX: y\r\n\r\n");
    }
}
