//! The runs that the audit has met, and the rules by which each is judged.
//!
//! All threads of the audit share one registry; a run enters it once, with its "Run started" or, when
//! that is lost, with what the caller says the configuration was. This file must not know lines or files.

use std::{
    collections::HashMap,
    sync::{Arc, OnceLock, PoisonError, RwLock},
};

use crate::{
    log::event::{Event, SCHEMA},
    plan::{Rules, per_worker::PerWorker, workload::Workload},
};

/// About what the account of a run takes, and of each of its workers in a log in order, besides what is kept here.
const RUN_SIZE: usize = 2048;
const WORKER_SIZE: usize = 400;

/// What is expected of a run that was met.
#[derive(Debug)]
pub struct Expected {
    /// Its configuration, or why nothing is expected.
    pub workload: Result<Workload, String>,
    /// Its "Run started" tells the configuration; else the caller does.
    pub started: bool,
    /// The rules of its workers.
    pub(super) rules: PerWorker<Rules>,
}

/// A run that was met.
#[derive(Debug)]
pub struct Run {
    /// Its place in the registry.
    pub index: u32,
    /// Its id.
    pub id: u64,
    /// Its id as the log has it.
    pub id_text: [u8; 16],
    /// Set once, by whoever finds its "Run started", or gives up finding it.
    known: OnceLock<Expected>,
}

impl Run {
    fn new(index: u32, id: u64) -> Self {
        let mut id_text = [0; 16];
        id_text.copy_from_slice(format!("{id:016x}").as_bytes());
        Self {
            index,
            id,
            id_text,
            known: OnceLock::new(),
        }
    }

    /// What is known of it; none as long as its "Run started" was not found and is still hoped for.
    #[inline]
    pub fn known(&self) -> Option<&Expected> {
        self.known.get()
    }

    /// The configuration, if there is one.
    pub fn workload(&self) -> Option<&Workload> {
        self.known()?.workload.as_ref().ok()
    }

    /// The numbers of its workers, as far as it is known which they are.
    pub fn workers(&self) -> std::ops::Range<u32> {
        self.workload().map_or(0..0, Workload::workers)
    }

    /// The rules of a worker; none for a worker that the run does not have.
    #[inline]
    pub fn rules(&self, worker: u32) -> Option<&Rules> {
        self.known()?.rules.get(worker)
    }
}

/// The runs that were met.
#[derive(Debug)]
pub(super) struct Registry {
    inner: RwLock<Inner>,
}

#[derive(Debug)]
struct Inner {
    runs: Vec<Arc<Run>>,
    by_id: HashMap<u64, u32>,
    memory_left: u64,
}

impl Registry {
    /// An empty registry that takes at most `memory` bytes.
    pub(super) fn new(memory: u64) -> Self {
        Self {
            inner: RwLock::new(Inner {
                runs: Vec::new(),
                by_id: HashMap::new(),
                memory_left: memory,
            }),
        }
    }

    /// The run with this id.
    pub(super) fn get(&self, id: u64) -> Option<Arc<Run>> {
        let inner = self.inner.read().unwrap_or_else(PoisonError::into_inner);
        let index = *inner.by_id.get(&id)?;
        Some(Arc::clone(&inner.runs[index as usize]))
    }

    /// How many runs were met.
    pub(super) fn count(&self) -> usize {
        let inner = self.inner.read().unwrap_or_else(PoisonError::into_inner);
        inner.runs.len()
    }

    /// The runs that were met after so many others, in the order in which they were met.
    pub(super) fn behind(&self, count: usize) -> Vec<Arc<Run>> {
        let inner = self.inner.read().unwrap_or_else(PoisonError::into_inner);
        inner.runs[count..].to_vec()
    }

    /// Forgets all but the id of a run whose account is closed, and has its memory back.
    pub(super) fn release(&self, run: &Run) {
        let mut inner = self.inner.write().unwrap_or_else(PoisonError::into_inner);
        let workers = run.workload().map_or(0, |workload| workload.threads);
        inner.memory_left += (size_of::<Run>() + RUN_SIZE + workers_size(workers)) as u64;
        let closed = Run::new(run.index, run.id);
        closed.known.get_or_init(|| Expected {
            workload: Err("its account is closed".into()),
            started: false,
            rules: PerWorker::default(),
        });
        inner.runs[run.index as usize] = Arc::new(closed);
    }

    /// The run with this id, which is entered if it is new. None when there is no room for it.
    pub(super) fn meet(&self, id: u64) -> Option<Arc<Run>> {
        if let Some(run) = self.get(id) {
            return Some(run);
        }
        let mut inner = self.inner.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(index) = inner.by_id.get(&id) {
            return Some(Arc::clone(&inner.runs[*index as usize]));
        }
        inner.take(size_of::<Run>() + RUN_SIZE)?;
        let index = u32::try_from(inner.runs.len()).ok()?;
        let run = Arc::new(Run::new(index, id));
        inner.runs.push(Arc::clone(&run));
        inner.by_id.insert(id, index);
        Some(run)
    }

    /// Enters the run that `event`, a "Run started", begins. None when there is no room for it.
    pub(super) fn start(&self, id: u64, event: &Event) -> Option<Arc<Run>> {
        let workload = match (event, event.workload()) {
            (Event::RunStarted { schema, .. }, _) if *schema != SCHEMA => Err(format!(
                "its log has schema {schema}, and this program knows schema {SCHEMA} only"
            )),
            (_, Some(workload)) => Ok(workload),
            _ => Err("its \"Run started\" holds values that no run can have".into()),
        };
        let run = self.meet(id)?;
        self.know(&run, true, workload);
        Some(run)
    }

    /// Gives a run whose "Run started" is nowhere the configuration that the caller says it had.
    pub(super) fn adopt(&self, run: &Run, fallback: Option<&Workload>) {
        let why = "its \"Run started\" is not in the log, or not whole; give its configuration (--seed, --threads …)";
        self.know(run, false, fallback.cloned().ok_or_else(|| why.into()));
    }

    /// Notes what a run is judged by, unless that is known.
    fn know(&self, run: &Run, started: bool, mut workload: Result<Workload, String>) {
        run.known.get_or_init(|| {
            let mut rules = PerWorker::default();
            if let Ok(known) = &workload {
                let mut inner = self.inner.write().unwrap_or_else(PoisonError::into_inner);
                let workers = known.threads;
                match inner.take(workers_size(workers)) {
                    Some(()) => rules = PerWorker::new(known.workers(), Rules::of(known)),
                    None => {
                        let why = format!("its {workers} workers need more than --memory allows");
                        workload = Err(why);
                    }
                }
            }
            Expected {
                workload,
                started,
                rules,
            }
        });
    }
}

/// What is taken for so many workers.
fn workers_size(workers: u32) -> usize {
    workers as usize * (size_of::<Rules>() + WORKER_SIZE)
}

impl Inner {
    /// Takes so many bytes, if they are left.
    fn take(&mut self, size: usize) -> Option<()> {
        self.memory_left = self.memory_left.checked_sub(size as u64)?;
        Some(())
    }
}
