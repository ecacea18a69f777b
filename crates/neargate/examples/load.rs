//! A paced load for benchmarks, the one of the end-to-end tests: `load ADDRESS PATH RATE` until
//! standard input ends, at most two minutes; then what it saw, as one JSON object.

use std::io::Read;
use std::net::SocketAddr;

#[path = "../tests/e2e/load.rs"]
mod load;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let mut next = || arguments.next().unwrap_or_default();
    let (address, path, rate) = (next(), next(), next());
    let (Ok(address), Ok(rate)) = (address.parse::<SocketAddr>(), rate.parse::<u32>()) else {
        eprintln!("usage: load ADDRESS PATH RATE");
        std::process::exit(2);
    };
    let began = std::time::Instant::now();
    let running = load::Load::start(address, &path, rate);
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
    let tally = running.finish();
    println!(
        "{}",
        serde_json::json!({
            "sent": tally.sent, "seconds": began.elapsed().as_secs_f64(), "failures": tally.failures(),
            "by_revision": tally.by_revision, "failed": tally.failed,
        })
    );
}
