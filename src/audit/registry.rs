//! The runs that the audit has met, and the rules by which each is judged.
//!
//! All threads of the audit share one registry; a run enters it once, with its "Run started" or, when
//! that is lost, with what the caller says the configuration was. This file must not know lines or files.

use std::{
    collections::HashMap,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
    },
};

use crate::{
    log::event::{Event, SCHEMA},
    plan::Rules,
    plan::workload::Workload,
};

/// About what the account of a run takes, and of each of its workers, besides what is kept here.
const RUN_SIZE: usize = 2048;
const WORKER_SIZE: usize = 320;

/// Where the expectation of a run comes from.
#[derive(Clone, Debug)]
pub enum Basis {
    /// From its "Run started".
    Started(Workload),
    /// From the caller; "Run started" is lost.
    Fallback(Workload),
    /// From nowhere, and why.
    None(String),
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
    /// What is expected of it.
    pub basis: Basis,
    rules: Vec<Rules>,
    contradicted: AtomicBool,
}

impl Run {
    /// The configuration, if there is one.
    pub fn workload(&self) -> Option<&Workload> {
        match &self.basis {
            Basis::Started(workload) | Basis::Fallback(workload) => Some(workload),
            Basis::None(_) => None,
        }
    }

    /// The rules of a worker; none for a worker that the run does not have.
    #[inline]
    pub fn rules(&self, worker: u32) -> Option<&Rules> {
        self.rules.get(worker as usize)
    }

    /// Whether two "Run started" of this id tell different things.
    pub fn contradicted(&self) -> bool {
        self.contradicted.load(Ordering::Relaxed)
    }
}

/// The runs that were met.
#[derive(Debug)]
pub struct Registry {
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
    pub fn new(memory: u64) -> Self {
        Self {
            inner: RwLock::new(Inner {
                runs: Vec::new(),
                by_id: HashMap::new(),
                memory_left: memory,
            }),
        }
    }

    /// The run with this id.
    pub fn get(&self, id: u64) -> Option<Arc<Run>> {
        let inner = self.inner.read().unwrap_or_else(PoisonError::into_inner);
        let index = *inner.by_id.get(&id)?;
        Some(Arc::clone(&inner.runs[index as usize]))
    }

    /// All runs, in the order in which they were met.
    pub fn all(&self) -> Vec<Arc<Run>> {
        let inner = self.inner.read().unwrap_or_else(PoisonError::into_inner);
        inner.runs.clone()
    }

    /// Enters the run that `event`, a "Run started", begins. None when there is no room for it.
    pub fn start(&self, id: u64, event: &Event) -> Option<Arc<Run>> {
        let basis = match (event, event.workload()) {
            (Event::RunStarted { schema, .. }, _) if *schema != SCHEMA => Basis::None(format!(
                "its log has schema {schema}, and this program knows schema {SCHEMA} only"
            )),
            (_, Some(workload)) => Basis::Started(workload),
            _ => Basis::None("its \"Run started\" holds values that no run can have".into()),
        };
        self.enter(id, basis)
    }

    /// Enters a run whose "Run started" is nowhere.
    pub fn adopt(&self, id: u64, fallback: Option<&Workload>) -> Option<Arc<Run>> {
        let basis = match fallback {
            Some(workload) => Basis::Fallback(workload.clone()),
            None => Basis::None(
                "its \"Run started\" is not in the log; give its configuration (--seed, --threads …)"
                    .into(),
            ),
        };
        self.enter(id, basis)
    }

    fn enter(&self, id: u64, basis: Basis) -> Option<Arc<Run>> {
        let mut inner = self.inner.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(index) = inner.by_id.get(&id) {
            let known = &inner.runs[*index as usize];
            let same = match (&known.basis, &basis) {
                (Basis::Started(known), Basis::Started(new)) => known == new,
                (Basis::None(known), Basis::None(new)) => known == new,
                _ => false,
            };
            if !same {
                known.contradicted.store(true, Ordering::Relaxed);
            }
            return Some(Arc::clone(known));
        }
        let threads = match &basis {
            Basis::Started(workload) | Basis::Fallback(workload) => workload.threads,
            Basis::None(_) => 0,
        };
        let size =
            size_of::<Run>() + RUN_SIZE + threads as usize * (size_of::<Rules>() + WORKER_SIZE);
        inner.memory_left = inner.memory_left.checked_sub(size as u64)?;
        let index = u32::try_from(inner.runs.len()).ok()?;
        let mut id_text = [0; 16];
        id_text.copy_from_slice(format!("{id:016x}").as_bytes());
        let rules = match &basis {
            Basis::Started(workload) | Basis::Fallback(workload) => (0..threads)
                .map(|worker| Rules::new(workload, worker))
                .collect(),
            Basis::None(_) => Vec::new(),
        };
        let run = Arc::new(Run {
            index,
            id,
            id_text,
            basis,
            rules,
            contradicted: AtomicBool::new(false),
        });
        inner.runs.push(Arc::clone(&run));
        inner.by_id.insert(id, index);
        Some(run)
    }
}
