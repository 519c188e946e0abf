//! The account of one worker: which of its planned attempts the log holds, in which order.
//!
//! As long as its lines come in order the account is a [`PlanCursor`] along the plan; what is missing behind it is a set, and what
//! comes out of order is found by a [`PlanFinder`].

use super::{
    cursor::{Budget, PlanCursor, PlanFinder},
    entered::{Entered, Placed, TOO_FAR, once},
    sequence::Sequence,
};
use crate::{
    audit::records::attempt::{AttemptKind, AttemptRecord},
    log::account::Closing,
    plan::{Outcome, PanicPlace, Position, Rules, workload::Micros},
};

/// A worker's account.
#[derive(Clone, Debug)]
pub(crate) struct WorkerAccount {
    /// Behind the highest attempt that was seen.
    pub cursor: PlanCursor,
    /// The numbers of its lines. Its end may be there before attempts that the cursor has not passed.
    pub sequence: Sequence,
    /// "Worker ended".
    pub end: Option<Placed<Closing>>,
    /// The success with the highest number, and its counter.
    counter: Option<(u64, u64)>,
    finder: Option<Box<PlanFinder>>,
}

impl WorkerAccount {
    /// The account of a worker of which nothing was seen.
    pub(crate) fn new() -> Self {
        Self {
            cursor: PlanCursor::START,
            sequence: Sequence::default(),
            end: None,
            counter: None,
            finder: None,
        }
    }

    /// About how many bytes the account takes.
    pub(crate) fn memory(&self) -> u64 {
        size_of::<Self>() as u64
            + self.sequence.memory()
            + self.finder.as_ref().map_or(0, |finder| finder.memory())
    }

    /// Takes in an attempt whose outcome is the plan's.
    #[inline]
    pub(crate) fn accept(
        &mut self,
        attempt: &AttemptRecord,
        rules: &Rules,
        budget: &Budget,
    ) -> Entered {
        let met = &mut self.sequence.met;
        if attempt.seq == met.next
            && attempt.seq == self.cursor.seq
            && self.cursor.position == Some(attempt.position)
        {
            met.next += 1;
            let outcome = outcome(attempt.kind);
            self.cursor.pass(rules, attempt.position, outcome);
            return Entered::New;
        }
        self.accept_elsewhere(attempt, rules, budget)
    }

    /// Takes in an attempt that is not the next one.
    #[cold]
    fn accept_elsewhere(
        &mut self,
        attempt: &AttemptRecord,
        rules: &Rules,
        budget: &Budget,
    ) -> Entered {
        let (seq, next) = (attempt.seq, self.cursor.seq);
        if seq < next {
            return match self.planned(seq, rules, budget) {
                Some(planned) if planned != attempt.position => Entered::OffPlan,
                None => TOO_FAR,
                _ => self.sequence.met.meet(seq, budget),
            };
        }
        // No operation has less than one attempt: what cannot be need not be walked to.
        if attempt.position.iteration - 1 > seq {
            return Entered::OffPlan;
        }
        // The lines of a gap may come later.
        let gap = self.cursor.position.filter(|_| next < seq);
        let mut cursor = self.cursor;
        if !cursor.go_to(rules, seq, budget) {
            return TOO_FAR;
        }
        if cursor.seq != seq || cursor.position != Some(attempt.position) {
            return Entered::OffPlan;
        }
        let entered = self.sequence.met.meet(seq, budget);
        if entered.is_new() {
            cursor.pass(rules, attempt.position, outcome(attempt.kind));
            self.cursor = cursor;
            if let Some(position) = gap {
                self.finder().note(next, position);
            }
        }
        entered
    }

    /// Takes in "Worker ended".
    pub(crate) fn close(&mut self, end: Placed<Closing>, budget: &Budget) -> Entered {
        match once(&mut self.end, end) {
            Entered::New => match self.sequence.met.meet(end.seq, budget) {
                // An attempt has this number, which is said at the end.
                Entered::Duplicate => Entered::New,
                entered => entered,
            },
            known => known,
        }
    }

    /// Notes the counter of a success; false if it does not lie between those of the successes around it.
    #[inline]
    pub(crate) fn count(&mut self, seq: u64, counter: u64) -> bool {
        match self.counter {
            Some((highest, last)) if seq < highest => counter < last,
            before => {
                self.counter = Some((seq, counter));
                before.is_none_or(|(_, last)| last < counter)
            }
        }
    }

    /// The attempt that the plan has at this number.
    pub(crate) fn planned(&mut self, seq: u64, rules: &Rules, budget: &Budget) -> Option<Position> {
        if seq == self.cursor.seq {
            return self.cursor.position;
        }
        self.finder().position(rules, seq, budget)
    }

    fn finder(&mut self) -> &mut PlanFinder {
        self.finder
            .get_or_insert_with(|| Box::new(PlanFinder::new()))
    }
}

/// An outcome of this kind; delays do not matter to the cursor.
fn outcome(kind: AttemptKind) -> Outcome {
    let delay = Micros::ZERO;
    match kind {
        AttemptKind::Success => Outcome::Success { delay },
        AttemptKind::Retry => Outcome::Retry { delay },
        AttemptKind::Abandon => Outcome::Abandon { delay },
        AttemptKind::Panic => Outcome::Panic(PanicPlace::BeforeLock),
    }
}
