//! Fargate's pairs of CPU and memory.
//!
//! Source: the ECS task definition reference, "Task size".

/// The CPU units that a task may have.
pub(super) const CPU: [u32; 7] = [256, 512, 1024, 2048, 4096, 8192, 16384];

/// The MiB that go with these CPU units, rising; none for units that Fargate does not have.
pub(super) fn memory(cpu: u32) -> Vec<u32> {
    let steps = |low: u32, high: u32, step: usize| -> Vec<u32> {
        (low..=high).step_by(step).map(|gib| gib * 1024).collect()
    };
    match cpu {
        256 => vec![512, 1024, 2048],
        512 => steps(1, 4, 1),
        1024 => steps(2, 8, 1),
        2048 => steps(4, 16, 1),
        4096 => steps(8, 30, 1),
        8192 => steps(16, 60, 4),
        16384 => steps(32, 120, 8),
        _ => Vec::new(),
    }
}
