//! Lines that are gone, beside the summary that counts them as written. Which ones they are, the audit says.

use super::Exhibit;
use crate::lab::trial::Trial;

pub(super) fn show(trial: &Trial) -> Option<Exhibit> {
    let run = &trial.broken;
    let (written, said_lost) = (run.number("/file/lines"), run.number("/file/lost"));
    let (there, gone) = (run.lines(), run.lost());
    (gone > 0).then(|| Exhibit {
        brief: format!(
            "{written} lines written, {said_lost} lost, says the summary. The file has {there} lines; {gone} are gone, \
             among them everything that the workers logged."
        ),
        lines: Vec::new(),
    })
}
