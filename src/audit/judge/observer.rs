//! What a reader of the audit's own records, such as the report, gets to see while the audit goes on.

use crate::audit::{
    records::{attempt::AttemptRecord, record::Record},
    registry::Run,
    verdict::findings::Location,
};

/// Sees each whole record of the runs that may be judged once, in the order of the input, before it is judged. That may have its
/// newest lines first: then it is `backwards`.
///
/// The outcome and the delay of a planned attempt are what the plan has for it: `run.rules(attempt.worker)` and
/// its `outcome(attempt.position)`. `Location::file` counts the inputs of the configuration.
pub trait Observer {
    /// An attempt, as its line tells it.
    fn attempt(&mut self, run: &Run, attempt: &AttemptRecord, at: Location, backwards: bool);
    /// Any other event.
    fn event(&mut self, run: &Run, record: &Record, at: Location, backwards: bool);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::{
        AuditConfig, Input, run_observed,
        simulate::{self, Course, Dice},
    };

    /// The numbers and lines of what was shown.
    #[derive(Default)]
    struct Seen(Vec<(u64, u64)>);

    impl Observer for Seen {
        fn attempt(&mut self, _: &Run, attempt: &AttemptRecord, at: Location, _: bool) {
            self.0.push((attempt.seq, at.line));
        }

        fn event(&mut self, _: &Run, record: &Record, at: Location, _: bool) {
            self.0.push((record.seq, at.line));
        }
    }

    #[test]
    fn each_record_is_shown_once_in_the_order_of_the_input() {
        let course = Course {
            run: 1,
            start: 1_795_455_720_000_000,
            json: false,
            stop_after: None,
        };
        let entries = simulate::run(&simulate::workload(7, 3, 40), &course, &mut Dice(5));
        let mut seen = Seen::default();
        let log = Input::Bytes("app.log".into(), simulate::log(&entries));
        run_observed(&AuditConfig::new(vec![log]), Some(&mut seen)).unwrap();
        let expected: Vec<_> = entries.iter().map(|entry| entry.seq).zip(1..).collect();
        assert_eq!(seen.0, expected);
    }
}
