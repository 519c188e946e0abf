//! Unexpected errors: panics, simulated or real, and what is said of them.

use std::{any::Any, panic};

use crate::plan::Place;

/// The payload of a panic that the plan asked for.
#[derive(Clone, Copy, Debug)]
pub struct SimulatedPanic(pub Place);

/// Keeps the panics that the plan asked for off stderr: the log tells of them. All others are
/// printed as ever, with the place in the source.
pub fn install_panic_hook() {
    let print = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        if !info.payload().is::<SimulatedPanic>() {
            print(info);
        }
    }));
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
