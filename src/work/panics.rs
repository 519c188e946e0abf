//! Unexpected errors: panics, simulated or real, and what is said of them.

use std::{
    any::Any,
    panic,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use crate::plan::PanicPlace;

/// The payload of a panic that the plan asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SimulatedPanic(pub PanicPlace);

/// Keeps the panics that the plan asked for off stderr: the log tells of them. All others, in whatever thread, are
/// counted in what is returned, and printed as ever, with the place in the source.
pub(crate) fn install_panic_hook() -> Arc<AtomicU64> {
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
pub(crate) fn words(payload: &(dyn Any + Send)) -> String {
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
    use std::{
        env,
        fs::File,
        io::pipe,
        process::{Command, Stdio},
        thread,
    };

    use super::*;

    /// The printing of a panic has nowhere to go: the thread ends as it would have, and the program goes on. Each case is a
    /// process of its own, in which [`strike`] is all that runs.
    #[test]
    fn a_panic_that_cannot_be_printed_ends_its_thread_and_nothing_else() {
        let (reader, gone) = pipe().unwrap();
        drop(reader);
        let full = File::create("/dev/full").unwrap();
        for stderr in [Stdio::from(gone), Stdio::from(full)] {
            let mut command = Command::new(env::current_exe().unwrap());
            let strike = "work::panics::tests::strike";
            command.args([strike, "--exact", "--include-ignored", "--nocapture"]);
            let output = command.stdout(Stdio::piped()).stderr(stderr).output();
            let output = output.unwrap();
            let printed = String::from_utf8_lossy(&output.stdout);
            assert!(output.status.success(), "{:?} {printed}", output.status);
            assert!(printed.contains("1 passed"), "{printed}");
        }
    }

    #[test]
    #[ignore = "run in a process of its own by the test above"]
    fn strike() {
        let others = install_panic_hook();
        let threads: Vec<_> = (0..8)
            .map(|_| thread::spawn(|| panic!("on purpose, in many threads at once")))
            .collect();
        for thread in threads {
            assert!(thread.join().is_err());
        }
        assert_eq!(others.load(Ordering::SeqCst), 8);
    }

    #[test]
    fn panics_that_nobody_planned_are_counted_in_any_thread() {
        let others = install_panic_hook();
        let thread = thread::spawn(|| panic!("on purpose"));
        assert!(thread.join().is_err());
        assert!(others.load(Ordering::SeqCst) > 0);
    }

    #[test]
    fn every_kind_of_payload_has_words() {
        for (payload, expected) in [
            (
                Box::new(SimulatedPanic(PanicPlace::UnderLock)) as Box<dyn Any + Send>,
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
