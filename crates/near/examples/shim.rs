//! The shim alone, for tests: `shim TASK-DIRECTORY LOG-DIRECTORY`, as `neargate shim`.

use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    match arguments.as_slice() {
        [task, logs] => neargate_near::supervisor::shim::main(Path::new(task), Path::new(logs)),
        _ => ExitCode::from(2),
    }
}
