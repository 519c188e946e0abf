//! Word from the system that a file has grown, was renamed or made anew.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};

use super::bell::Bell;

/// So often files are looked at where the system gives no word, and where it does, for what it may have missed.
const WITHOUT: Duration = Duration::from_millis(100);
const WITH: Duration = Duration::from_secs(1);

/// Rings when something happens in the folders of files. To drop it is to end that.
pub(super) struct Notices(Option<RecommendedWatcher>);

impl Notices {
    /// Rings `bell` when there may be something to be read in one of `files`.
    pub(super) fn of(files: &[PathBuf], bell: &Arc<Bell>) -> Self {
        Self(watch(files, Arc::clone(bell)).ok())
    }

    /// How long to wait at most before files are looked at.
    pub(super) fn interval(&self) -> Duration {
        match self.0 {
            Some(_) => WITH,
            None => WITHOUT,
        }
    }
}

fn watch(files: &[PathBuf], bell: Arc<Bell>) -> notify::Result<RecommendedWatcher> {
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
        // That somebody reads is no news.
        if !event.is_ok_and(|event| matches!(event.kind, EventKind::Access(_))) {
            bell.ring();
        }
    })?;
    // A file that is made anew is another one: its folder is watched, and that of what a link leads to.
    let folder = |path: &Path| match path.parent() {
        Some(folder) if folder != Path::new("") => folder.to_owned(),
        _ => PathBuf::from("."),
    };
    let mut folders: BTreeSet<PathBuf> = files.iter().map(|file| folder(file)).collect();
    let linked = files.iter().filter_map(|file| file.canonicalize().ok());
    folders.extend(linked.map(|file| folder(&file)));
    for folder in folders {
        watcher.watch(&folder, RecursiveMode::NonRecursive)?;
    }
    Ok(watcher)
}
