//! `--shard` and `--group`: which part of a larger run this process is, as typed or as its scheduler has it.

use std::{env, str::FromStr};

use clap::Args;

use crate::plan::workload::{GroupId, Shard};

/// The options that make this process a part of a larger run.
#[derive(Clone, Debug, Args)]
pub(super) struct ShardArgs {
    /// Be part I (from 0) of N of one run; auto: as Slurm or Kubernetes say. Needs --seed
    #[arg(long, value_name = "I/N", value_parser = parse_shard, requires = "seed", allow_hyphen_values = true, hide_short_help = true)]
    shard: Option<GivenPart>,

    /// What ties the shards of one run together [default: with --shard auto the job's id]
    #[arg(long, value_name = "ID", requires = "shard", hide_short_help = true)]
    group: Option<GroupId>,
}

impl ShardArgs {
    /// Which part it is; all of it without `--shard`.
    pub(super) fn shard(&self) -> Shard {
        self.shard.as_ref().map_or(Shard::WHOLE, |part| part.shard)
    }

    /// The id of the group that it is a part of.
    pub(super) fn group(&self) -> Option<&GroupId> {
        let of_job = self.shard.as_ref().and_then(|part| part.job.as_ref());
        self.group.as_ref().or(of_job)
    }

    /// Whether it is a part of a group whose id nobody gave.
    pub(super) fn lacks_group(&self) -> bool {
        self.shard.is_some() && self.group().is_none()
    }
}

/// A shard, and the job that it belongs to where a scheduler started it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct GivenPart {
    shard: Shard,
    job: Option<GroupId>,
}

fn parse_shard(text: &str) -> Result<GivenPart, String> {
    if text == "auto" {
        return of_scheduler(&|name| env::var(name).ok());
    }
    Ok(GivenPart {
        shard: text.parse()?,
        job: None,
    })
}

/// What the scheduler's environment says: Slurm's if this is a task of a job array, else that of a Kubernetes Job.
fn of_scheduler(variable: &dyn Fn(&str) -> Option<String>) -> Result<GivenPart, String> {
    let set = |name| variable(name).is_some();
    if set("SLURM_ARRAY_TASK_ID") {
        of_slurm(variable)
    } else if set("JOB_COMPLETION_INDEX") {
        of_kubernetes(variable)
    } else {
        Err("neither SLURM_ARRAY_TASK_ID (a Slurm job array) nor JOB_COMPLETION_INDEX (a Kubernetes Indexed Job) is set; \
             give I/N instead, such as 2/8"
            .into())
    }
}

fn of_slurm(variable: &dyn Fn(&str) -> Option<String>) -> Result<GivenPart, String> {
    let id: u32 = read(variable, "SLURM_ARRAY_TASK_ID")?;
    let first: u32 = read(variable, "SLURM_ARRAY_TASK_MIN")?;
    let last: u32 = read(variable, "SLURM_ARRAY_TASK_MAX")?;
    let count: u32 = read(variable, "SLURM_ARRAY_TASK_COUNT")?;
    // An array such as 0-14:2 counts in steps.
    let step = match variable("SLURM_ARRAY_TASK_STEP") {
        Some(_) => read(variable, "SLURM_ARRAY_TASK_STEP")?,
        None => 1,
    };
    let index_of = |id: u32| {
        let offset = id.checked_sub(first)?;
        (offset.checked_rem(step)? == 0).then(|| offset / step)
    };
    let shard = index_of(id).and_then(|index| Shard::new(index, count));
    match shard {
        Some(shard) if index_of(last).and_then(|index| index.checked_add(1)) == Some(count) => {
            Ok(GivenPart {
                shard,
                job: Some(read(variable, "SLURM_ARRAY_JOB_ID")?),
            })
        }
        _ => Err(format!(
            "task {id} of {count} tasks from {first} to {last} in steps of {step} has no place of its own in a row; use an \
             array without gaps, such as --array=0-7, or give I/N and --group"
        )),
    }
}

fn of_kubernetes(variable: &dyn Fn(&str) -> Option<String>) -> Result<GivenPart, String> {
    let index = read(variable, "JOB_COMPLETION_INDEX")?;
    let count = read(variable, "JOB_COMPLETIONS")?;
    let shard = Shard::new(index, count).ok_or_else(|| {
        format!("JOB_COMPLETION_INDEX={index} is no part of JOB_COMPLETIONS={count}; hand over the Job's spec.completions")
    })?;
    Ok(GivenPart {
        shard,
        job: Some(read(variable, "JOB_NAME")?),
    })
}

/// The value of a variable that must be there.
fn read<T: FromStr>(variable: &dyn Fn(&str) -> Option<String>, name: &str) -> Result<T, String> {
    let value = variable(name).ok_or_else(|| match name {
        "JOB_COMPLETIONS" | "JOB_NAME" => {
            format!("the environment variable {name} is missing; the Job's manifest must set it")
        }
        _ => format!("the environment variable {name} is missing"),
    })?;
    value.parse().map_err(|_| {
        format!("the environment variable {name} has a value that cannot be used: {value:?}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(variables: &str) -> Result<(String, String), String> {
        let part = of_scheduler(&|name| {
            variables
                .split(' ')
                .filter_map(|variable| variable.split_once('='))
                .find(|(known, _)| *known == name)
                .map(|(_, value)| value.into())
        })?;
        Ok((part.shard.to_string(), part.job.unwrap().to_string()))
    }

    fn slurm(id: u32, min: u32, max: u32, count: u32, step: u32) -> String {
        format!(
            "SLURM_ARRAY_TASK_ID={id} SLURM_ARRAY_TASK_MIN={min} SLURM_ARRAY_TASK_MAX={max} \
             SLURM_ARRAY_TASK_COUNT={count} SLURM_ARRAY_TASK_STEP={step} SLURM_ARRAY_JOB_ID=4711"
        )
    }

    #[test]
    fn the_scheduler_says_which_part_it_is() {
        let kubernetes = "JOB_COMPLETION_INDEX=2 JOB_COMPLETIONS=8 JOB_NAME=hifi-x";
        for (variables, shard, group) in [
            (slurm(2, 0, 7, 8, 1), "2/8", "4711"),
            (slurm(12, 5, 12, 8, 1), "7/8", "4711"),
            (slurm(6, 0, 14, 8, 2), "3/8", "4711"),
            (kubernetes.into(), "2/8", "hifi-x"),
            // A task of an array that a pod happens to run is a task of the array.
            (
                format!("{kubernetes} {}", slurm(0, 0, 0, 1, 1)),
                "0/1",
                "4711",
            ),
        ] {
            assert_eq!(
                of(&variables),
                Ok((shard.into(), group.into())),
                "{variables}"
            );
        }
    }

    #[test]
    fn what_is_missing_or_of_no_use_is_named() {
        let missing = |variables: &str, name: &str| {
            let without: Vec<_> = variables
                .split(' ')
                .filter(|variable| !variable.starts_with(&format!("{name}=")))
                .collect();
            let error = of(&without.join(" ")).unwrap_err();
            assert!(error.contains(&format!("{name} is missing")), "{error}");
        };
        for name in ["TASK_MIN", "TASK_MAX", "TASK_COUNT", "JOB_ID"] {
            missing(&slurm(2, 0, 7, 8, 1), &format!("SLURM_ARRAY_{name}"));
        }
        let kubernetes = "JOB_COMPLETION_INDEX=2 JOB_COMPLETIONS=8 JOB_NAME=hifi-x";
        missing(kubernetes, "JOB_COMPLETIONS");
        missing(kubernetes, "JOB_NAME");
        for (variables, named) in [
            (String::new(), "SLURM_ARRAY_TASK_ID"),
            (String::new(), "JOB_COMPLETION_INDEX"),
            // Gaps: 0,1,5 and 0,5,7.
            (slurm(1, 0, 5, 3, 1), "without gaps"),
            (slurm(5, 0, 7, 3, 1), "without gaps"),
            (slurm(3, 0, 14, 8, 2), "without gaps"),
            (slurm(0, 0, 7, 8, 0), "without gaps"),
            (slurm(0, 0, 65_536, 65_537, 1), "65537"),
            (kubernetes.replace("=8", "=2"), "JOB_COMPLETIONS=2"),
            (kubernetes.replace("=8", "=eight"), "JOB_COMPLETIONS"),
            (kubernetes.replace("hifi-x", "a,b"), "JOB_NAME"),
        ] {
            let error = of(&variables).unwrap_err();
            assert!(error.contains(named), "{variables}: {error}");
        }
    }
}
