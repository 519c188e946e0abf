//! The specimen swallowed-errors: `let _ =`, and on as if nothing had happened.

use crate::{
    plan::workload::Workload,
    plan::{Attempt, Attempts, Outcome, Plan},
};

/// The operation has failed.
struct IoFailure;

/// The I/O operation, which fails where the plan says so.
fn simulate_io(attempt: &Attempt) -> Result<(), IoFailure> {
    match attempt.outcome {
        Outcome::Retry { .. } | Outcome::Abandon { .. } => Err(IoFailure),
        Outcome::Success { .. } | Outcome::Panic(_) => Ok(()),
    }
}

/// What worker number `worker` does: each of its operations, once.
pub(super) fn attempts(workload: &Workload, worker: u32) -> Attempts {
    let delay = workload.time_scale.apply(workload.success_delay);
    let plan = Plan::new(workload, worker);
    let operations = plan.filter(|attempt| attempt.position.attempt == 1);
    Box::new(operations.map(move |operation| {
        let _ = simulate_io(&operation);
        match operation.outcome {
            Outcome::Panic(_) => operation,
            _ => Attempt {
                outcome: Outcome::Success { delay },
                ..operation
            },
        }
    }))
}
