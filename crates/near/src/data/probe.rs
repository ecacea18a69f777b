//! Asking a data service whether it accepts connections, in its own protocol.
//!
//! Invariant: every question has a deadline, and nothing is read beyond a small bound.

use std::net::Ipv4Addr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::descriptors::is_shortage;

/// How long one question may take.
const PATIENCE: Duration = Duration::from_secs(2);
/// Longest answer read, in bytes.
const ANSWER: usize = 4096;
/// Protocol 3.0 of PostgreSQL's startup message.
const PROTOCOL: u32 = 3 << 16;
/// PostgreSQL's `cannot_connect_now`: starting up, recovering or shutting down.
const CANNOT_CONNECT_NOW: &str = "57P03";

/// Answer of a database or cache to one probe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ProbeResult {
    /// It accepts connections.
    Ready,
    /// Not yet, in its own words or ours.
    NotYet(String),
    /// It could not be asked, for want of descriptors, memory or ports.
    NotAsked,
}

/// Asks PostgreSQL as `pg_isready` does: a startup message, and whether it is turned away.
pub(super) async fn postgres(port: u16, role: &str, database: &str) -> ProbeResult {
    let question = startup(role, database);
    match ask(port, &question, |answer| !answer.is_empty()).await {
        Err(unanswered) => unanswered,
        Ok(answer) => judge_postgres(&answer),
    }
}

/// Asks Redis: AUTH, then PING.
pub(super) async fn redis(port: u16, password: &str) -> ProbeResult {
    let question = format!(
        "*2\r\n$4\r\nAUTH\r\n${}\r\n{password}\r\n*1\r\n$4\r\nPING\r\n",
        password.len()
    );
    let whole = |answer: &[u8]| answer.iter().filter(|byte| **byte == b'\n').count() >= 2;
    match ask(port, question.as_bytes(), whole).await {
        Err(unanswered) => unanswered,
        Ok(answer) => judge_redis(&answer),
    }
}

async fn ask(
    port: u16,
    question: &[u8],
    whole: impl Fn(&[u8]) -> bool,
) -> Result<Vec<u8>, ProbeResult> {
    let talk = async {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
        stream.write_all(question).await?;
        let mut answer = vec![0; ANSWER];
        let mut length = 0;
        while !whole(&answer[..length]) && length < ANSWER {
            match stream.read(&mut answer[length..]).await? {
                0 => break,
                count => length += count,
            }
        }
        answer.truncate(length);
        std::io::Result::Ok(answer)
    };
    match tokio::time::timeout(PATIENCE, talk).await {
        Err(_) => Err(ProbeResult::NotYet(format!(
            "port {port} did not answer within {} s",
            PATIENCE.as_secs()
        ))),
        Ok(Err(error)) if is_shortage(&error) => Err(ProbeResult::NotAsked),
        Ok(Err(error)) => Err(ProbeResult::NotYet(format!("port {port}: {error}"))),
        Ok(Ok(answer)) => Ok(answer),
    }
}

fn startup(role: &str, database: &str) -> Vec<u8> {
    let mut body = PROTOCOL.to_be_bytes().to_vec();
    for text in ["user", role, "database", database] {
        body.extend_from_slice(text.as_bytes());
        body.push(0);
    }
    body.push(0);
    let length = u32::try_from(body.len() + 4).expect("names are short");
    [&length.to_be_bytes()[..], &body].concat()
}

/// `R`: it asks for the password. `E`: an error with fields of a letter and a text each.
fn judge_postgres(answer: &[u8]) -> ProbeResult {
    match answer.first() {
        Some(b'R') => ProbeResult::Ready,
        Some(b'E') => {
            let fields = answer.get(5..).unwrap_or_default();
            let field = |letter: u8| {
                fields
                    .split(|byte| *byte == 0)
                    .find(|field| field.first() == Some(&letter))
                    .map(|field| String::from_utf8_lossy(&field[1..]).into_owned())
            };
            match field(b'C').as_deref() {
                Some(CANNOT_CONNECT_NOW) | None => {
                    ProbeResult::NotYet(field(b'M').unwrap_or_else(|| "it refused".to_owned()))
                }
                // Any other error (too many connections, …) comes from a server that serves.
                Some(_) => ProbeResult::Ready,
            }
        }
        Some(_) => ProbeResult::NotYet("another program answers, not PostgreSQL".to_owned()),
        None => ProbeResult::NotYet("it closed the connection".to_owned()),
    }
}

fn judge_redis(answer: &[u8]) -> ProbeResult {
    let text = String::from_utf8_lossy(answer);
    let mut lines = text.lines();
    match (lines.next(), lines.next()) {
        (Some("+OK"), Some("+PONG")) => ProbeResult::Ready,
        (_, Some(line)) if line.starts_with("-LOADING") => {
            ProbeResult::NotYet("it is loading its data".to_owned())
        }
        (Some(line), _) if line.starts_with('-') => {
            ProbeResult::NotYet(line.trim_start_matches('-').to_owned())
        }
        (Some(_), _) => ProbeResult::NotYet("another program answers, not Redis".to_owned()),
        (None, _) => ProbeResult::NotYet("it closed the connection".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn postgres_answers_are_told_apart() {
        let error = |code: &str, words: &str| {
            let body = format!("SFATAL\0VFATAL\0C{code}\0M{words}\0\0");
            [b"E\0\0\0\0", body.as_bytes()].concat()
        };
        let not_yet = |words: &str| ProbeResult::NotYet(words.to_owned());
        let table = [
            (b"R\0\0\0\x17".to_vec(), ProbeResult::Ready),
            (
                error("57P03", "the database system is starting up"),
                not_yet("the database system is starting up"),
            ),
            (error("53300", "too many clients"), ProbeResult::Ready),
            (
                b"HTTP/1.1 400".to_vec(),
                not_yet("another program answers, not PostgreSQL"),
            ),
            (b"E".to_vec(), not_yet("it refused")),
            (Vec::new(), not_yet("it closed the connection")),
        ];
        for (answer, expected) in table {
            assert_eq!(judge_postgres(&answer), expected);
        }
    }

    #[test]
    fn redis_answers_are_told_apart() {
        let not_yet = |words: &str| ProbeResult::NotYet(words.to_owned());
        let table: [(&[u8], ProbeResult); 5] = [
            (b"+OK\r\n+PONG\r\n", ProbeResult::Ready),
            (
                b"+OK\r\n-LOADING Redis is loading\r\n",
                not_yet("it is loading its data"),
            ),
            (
                b"-WRONGPASS invalid\r\n-NOAUTH x\r\n",
                not_yet("WRONGPASS invalid"),
            ),
            (
                b"HTTP/1.1 400\r\n\r\n",
                not_yet("another program answers, not Redis"),
            ),
            (b"", not_yet("it closed the connection")),
        ];
        for (answer, expected) in table {
            assert_eq!(judge_redis(answer), expected);
        }
    }

    #[test]
    fn startup_message_carries_its_own_length() {
        let message = startup("u", "d");
        let (length, _) = message.split_first_chunk::<4>().unwrap();
        assert_eq!(u32::from_be_bytes(*length) as usize, message.len());
    }
}
