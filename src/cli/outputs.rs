//! Where the outputs of a run go: the log, the metrics' file, standard output and error. None may harm another.

use std::{
    fs,
    io::{self, Seek, SeekFrom},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use crate::{
    log::config::{LogConfig, Rotation},
    log::file::folder_of,
    log::line::displayed,
    log::stream::Standard,
};

/// The standard streams: the name and the number of each.
const STREAMS: [(&str, u8); 2] = [("output", 1), ("error", 2)];

/// Checks whether the log can be written where it is to go. `prints_summary` says whether the run prints one.
///
/// # Errors
/// What is in the way: there is no file to rotate, or a standard stream goes to the same file and would harm it.
pub(super) fn check_log(log: &LogConfig, prints_summary: bool) -> Result<(), String> {
    let path = written(log);
    let is_no_file =
        fs::metadata(log.path.as_ref().unwrap_or(&path)).is_ok_and(|found| !found.is_file());
    if log.rotation != Rotation::Never && (log.path.is_none() || is_no_file) {
        return Err("--rotation begins new files, and this is none; leave --rotation out".into());
    }
    let goes_there = |number| path.is_file() && is_same_file(&opened(number), &path);
    if goes_there(2) && log.console.level.is_some() {
        return Err(
            "standard error goes there as well, so each line would stand there twice; use --quiet, or send standard error \
             elsewhere"
                .into(),
        );
    }
    // Where the log goes to standard output, the summary does not.
    let is_silent = |number| number == 1 && !(prints_summary && log.path.is_some());
    for (name, number) in STREAMS {
        let all_append = appends(number) && (log.path.is_some() || appends(1));
        // Who has one place in the file with the log overwrites nothing.
        let one_place = || log.path.is_none() && share_a_place();
        if goes_there(number) && !is_silent(number) && !all_append && !one_place() {
            return Err(format!(
                "standard {name} goes there as well, and would overwrite lines of the log; append to it with >>, or send it \
                 elsewhere"
            ));
        }
    }
    Ok(())
}

/// Checks whether the final metrics can take the place of what is in their file.
///
/// # Errors
/// The log goes there, or what else is being written.
pub(super) fn check_metrics_file(file: &Path, log: &LogConfig) -> Result<(), String> {
    let stream_goes_there = |(_, number): &(&str, u8)| {
        opened(*number).is_file() && is_same_file(file, &opened(*number))
    };
    let why = if is_same_file(file, &written(log)) {
        let path = log.path.as_deref().unwrap_or(Path::new("-"));
        format!("the log goes there (--log-file {})", displayed(path))
    } else if let Some((name, _)) = STREAMS.iter().find(|stream| stream_goes_there(stream)) {
        format!("standard {name} goes there")
    } else {
        return Ok(());
    };
    Err(format!("{why}; name another file"))
}

/// The file that the log is written to now.
fn written(log: &LogConfig) -> PathBuf {
    match &log.path {
        Some(path) => log.rotation.current_path(path),
        None => opened(1),
    }
}

/// A path that leads to what is open as the stream with this number.
fn opened(stream: u8) -> PathBuf {
    format!("/proc/self/fd/{stream}").into()
}

/// Whether the stream with this number can only append. Where the system does not tell, it may overwrite.
fn appends(stream: u8) -> bool {
    const O_APPEND: u32 = 0o2000;
    let info = fs::read_to_string(format!("/proc/self/fdinfo/{stream}")).unwrap_or_default();
    let flags = info.lines().find_map(|line| line.strip_prefix("flags:"));
    flags
        .and_then(|flags| u32::from_str_radix(flags.trim(), 8).ok())
        .is_some_and(|flags| flags & O_APPEND != 0)
}

/// Whether standard output and error have one place in the file that they go to, as with `> file 2>&1`: where one of them goes, the
/// other goes along.
fn share_a_place() -> bool {
    let moved = || -> io::Result<bool> {
        let (mut output, mut error) = (Standard::Output.file()?, Standard::Error.file()?);
        let (place, before) = (output.stream_position()?, error.stream_position()?);
        output.seek(SeekFrom::Start(place + 1))?;
        let behind = error.stream_position();
        output.seek(SeekFrom::Start(place))?;
        Ok(before == place && behind? == place + 1)
    };
    moved().unwrap_or(false)
}

/// Whether two paths lead to one file, whatever links they go through. Files that are there are compared by device and
/// inode, others by the place where they would be made.
pub(super) fn is_same_file(one: &Path, other: &Path) -> bool {
    match (fs::metadata(one), fs::metadata(other)) {
        (Ok(one), Ok(other)) => (one.dev(), one.ino()) == (other.dev(), other.ino()),
        (Err(_), Err(_)) => match (destination(one), destination(other)) {
            (Ok(one), Ok(other)) => one == other,
            _ => false,
        },
        _ => false,
    }
}

/// Where a file that is not there yet would be made: at the end of the links, if the path is one.
fn destination(path: &Path) -> io::Result<PathBuf> {
    /// As many as Linux follows.
    const LINKS_MAX: usize = 40;
    let mut path = path.to_owned();
    for _ in 0..LINKS_MAX {
        match fs::read_link(&path) {
            Ok(target) => path = folder_of(&path).join(target),
            Err(_) => break,
        }
    }
    let folder = folder_of(&path).canonicalize()?;
    Ok(folder.join(path.file_name().unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn one_file_is_known_in_any_spelling() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir(at("sub")).unwrap();
        symlink("new.log", at("dangling")).unwrap();
        symlink("sub/../dangling", at("further")).unwrap();
        symlink(".", at("here")).unwrap();
        fs::write(at("old.log"), "").unwrap();
        fs::hard_link(at("old.log"), at("hard")).unwrap();
        symlink("old.log", at("link")).unwrap();
        for (one, other, same) in [
            ("new.log", "new.log", true),
            ("new.log", "sub/../new.log", true),
            ("new.log", "here/new.log", true),
            ("new.log", "dangling", true),
            ("further", "new.log", true),
            ("new.log", "old.log", false),
            ("new.log", "sub/new.log", false),
            ("old.log", "hard", true),
            ("link", "hard", true),
            ("link", "dangling", false),
        ] {
            assert_eq!(is_same_file(&at(one), &at(other)), same, "{one} {other}");
        }
        assert!(is_same_file(
            Path::new("/dev/null"),
            Path::new("/dev/../dev/null")
        ));
    }
}
