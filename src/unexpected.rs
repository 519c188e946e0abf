//! Unexpected errors: panics, simulated or real, and what is said of them.

use std::{
    any::Any,
    panic,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use crate::plan::Place;

/// The payload of a panic that the plan asked for.
#[derive(Clone, Copy, Debug)]
pub struct SimulatedPanic(pub Place);

/// Keeps the panics that the plan asked for off stderr: the log tells of them. All others, in whatever thread, are
/// counted in what is returned, and printed as ever, with the place in the source.
pub fn install_panic_hook() -> Arc<AtomicU64> {
    let others = Arc::new(AtomicU64::new(0));
    let print = panic::take_hook();
    panic::set_hook(Box::new({
        let others = Arc::clone(&others);
        move |info| {
            if !info.payload().is::<SimulatedPanic>() {
                others.fetch_add(1, Ordering::SeqCst);
                print(info);
            }
        }
    }));
    others
}

/// The words of a caught panic.
pub fn words(payload: &(dyn Any + Send)) -> String {
    if let Some(SimulatedPanic(place)) = payload.downcast_ref() {
        place.words().into()
    } else if let Some(text) = payload.downcast_ref::<&str>() {
        (*text).into()
    } else if let Some(text) = payload.downcast_ref::<String>() {
        text.clone()
    } else {
        "a panic without words".into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn panics_that_nobody_planned_are_counted_in_any_thread() {
        let others = install_panic_hook();
        let thread = std::thread::spawn(|| panic!("on purpose"));
        assert!(thread.join().is_err());
        assert!(others.load(Ordering::SeqCst) > 0);
    }

    #[test]
    fn every_kind_of_payload_has_words() {
        for (payload, expected) in [
            (
                Box::new(SimulatedPanic(Place::UnderLock)) as Box<dyn Any + Send>,
                "simulated panic under the lock",
            ),
            (Box::new("literal"), "literal"),
            (Box::new(String::from("formatted")), "formatted"),
            (Box::new(7), "a panic without words"),
        ] {
            assert_eq!(words(&*payload), expected);
        }
    }
}
