//! Reads a log from its end, newest line first, in blocks: `--tail 3` reads what three lines take.

use std::io;
use std::os::unix::fs::FileExt;

use super::line::LogLine;
use super::log_chain::{LogChain, RECORD_BYTES};

const BLOCK: u64 = 32 * 1024;

/// Where a record begins: the segment's place in its chain, and the byte.
pub(super) type RecordPosition = (usize, u64);

/// Walks a chain backward.
#[derive(Debug)]
pub(super) struct BackwardReader<'a> {
    chain: &'a LogChain,
    segment: usize,
    /// Bytes from `position` to the end of what was not given out yet.
    bytes: Vec<u8>,
    position: u64,
    /// Behind the last whole record.
    pub end: RecordPosition,
}

impl<'a> BackwardReader<'a> {
    /// Begins behind the last whole record.
    pub(super) fn from_end(chain: &'a LogChain) -> io::Result<Self> {
        let segment = chain.segments.len().saturating_sub(1);
        let mut walk = Self {
            chain,
            segment,
            bytes: Vec::new(),
            position: 0,
            end: (segment, 0),
        };
        let Some(newest) = chain.segments.back() else {
            return Ok(walk);
        };
        walk.position = newest.file.metadata()?.len();
        while !walk.bytes.contains(&b'\n') && walk.position > 0 && walk.bytes.len() < RECORD_BYTES {
            walk.fill()?;
        }
        let whole = walk.bytes.iter().rposition(|byte| *byte == b'\n');
        walk.bytes.truncate(whole.map_or(0, |at| at + 1));
        walk.end = (segment, walk.position + walk.bytes.len() as u64);
        Ok(walk)
    }

    /// The line before, with where its record begins.
    pub(super) fn next_line(&mut self) -> io::Result<Option<(RecordPosition, LogLine)>> {
        loop {
            let without_end = self.bytes.len().saturating_sub(1);
            let before = self.bytes[..without_end]
                .iter()
                .rposition(|byte| *byte == b'\n');
            if before.is_none() && self.position > 0 {
                if self.bytes.len() > RECORD_BYTES {
                    self.bytes.clear();
                }
                self.fill()?;
                continue;
            }
            let start = before.map_or(0, |at| at + 1);
            let place = (self.segment, self.position + start as u64);
            let line = LogLine::parse(&self.bytes[start..]);
            self.bytes.truncate(start);
            if let Some(line) = line {
                return Ok(Some((place, line)));
            }
            if self.bytes.is_empty() && self.position == 0 && !self.older()? {
                return Ok(None);
            }
        }
    }

    /// Reads the block before.
    fn fill(&mut self) -> io::Result<()> {
        let Some(segment) = self.chain.segments.get(self.segment) else {
            self.position = 0;
            return Ok(());
        };
        let from = self.position.saturating_sub(BLOCK);
        let mut block = vec![0; usize::try_from(self.position - from).unwrap_or(0)];
        segment.file.read_exact_at(&mut block, from)?;
        block.append(&mut self.bytes);
        self.bytes = block;
        self.position = from;
        Ok(())
    }

    /// Goes to the file before; `false` when this is the oldest.
    fn older(&mut self) -> io::Result<bool> {
        let Some(older) = self.segment.checked_sub(1) else {
            return Ok(false);
        };
        self.segment = older;
        let segment = self.chain.segments.get(older);
        self.position = segment.map_or(Ok(0), |one| one.file.metadata().map(|it| it.len()))?;
        Ok(true)
    }
}
